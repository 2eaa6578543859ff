"""FlowCompile's formulas for its three workflows (arXiv 2605.13647), in their own model.

Mean-field and sequential: one success probability and one latency per agent, everything summed.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin
from xdsl.parser import Parser

from flowir.calculus.expectation import expect
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import ToolCall, Workflow, walk
from flowir.universe import FLOWIR_UNIVERSE

EXAMPLES = Path(__file__).parents[2] / "examples" / "flowcompile"
TEST_S = 0.2
"""Seconds one run of the tests takes, as livecodebench.mlir says."""


def workflow_of(name: str) -> Workflow:
    context = Context()
    context.load_dialect(Builtin)
    for dialect, factory in FLOWIR_UNIVERSE.all_dialects.items():
        context.register_dialect(dialect, factory)
    path = EXAMPLES / f"{name}.mlir"
    module = Parser(context, path.read_text(), path.name).parse_module()
    module.verify()
    return workflow_terms(find_workflow(module))


def predicted(
    workflow: Workflow, label: str, p: dict[str, float], s: dict[str, float]
) -> tuple[float, float]:
    """(success, seconds) of one structure, where every agent has one p and takes s seconds."""
    one = np.ones((1, 1))
    calls = tuple(
        CallModel(
            success=p[d.agent] * one,
            log_latency=np.log(s[d.agent]) * one,
            latency_scale=0.0 * one,
            cost=one,
        )
        for d in workflow.decisions
    )
    perfect = {"test": CheckerModel(np.ones(1), np.zeros(1))}
    scenarios = Scenarios(1, 1, calls, perfect).mean_field()
    structure = workflow.specialise({"structure": label})
    settings = np.zeros((1, len(workflow.decisions)), dtype=int)
    found = expect(structure, settings, scenarios, "sequential")
    tools = sum(t.latency_s for t in walk(structure.body) if isinstance(t, ToolCall))
    return float(found.success[0, 0]), float(found.latency[0, 0]) - tools


def drawn(workflow: Workflow, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    random = np.random.default_rng(seed)
    agents = [decision.agent for decision in workflow.decisions]
    return (
        dict(zip(agents, random.random(len(agents)), strict=True)),
        dict(zip(agents, random.uniform(0.1, 9.0, len(agents)), strict=True)),
    )


@pytest.mark.parametrize("seed", range(3))
def test_math(seed: int) -> None:
    """pE · [1 − (1 − pP·pR)(1 − pD)(1 − pG)^n], without pE where there is one candidate."""
    workflow = workflow_of("math")
    p, s = drawn(workflow, seed)
    labels = workflow.structures[0].labels
    assert len(labels) == 17
    for label in labels:
        parts = label.split(" + ")
        candidates: list[float] = []
        seconds = 0.0
        for part in parts:
            agents = {
                "detailed": ["detailed"],
                "generate": ["generate"],
                "2 generate": ["generate"],
                "program": ["programmer"],
                "refined program": ["programmer", "refine"],
            }[part]
            repeats = 2 if part == "2 generate" else 1
            candidates += [prod(p[a] for a in agents)] * repeats
            seconds += repeats * sum(s[a] for a in agents)
        expected = 1.0 - prod(1.0 - q for q in candidates)
        if len(candidates) > 1:
            expected *= p["sc_ensemble"]
            seconds += s["sc_ensemble"]
        assert predicted(workflow, label, p, s) == pytest.approx((expected, seconds), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_hotpotqa(seed: int) -> None:
    """pE · [1 − (1 − pA)^n] · pF, without pE for one answer, without pF where none formats."""
    workflow = workflow_of("hotpotqa")
    p, s = drawn(workflow, seed)
    labels = workflow.structures[0].labels
    assert len(labels) == 6
    for label in labels:
        n = int(label[0])
        expected = 1.0 - (1.0 - p["answer_generate"]) ** n
        seconds = n * s["answer_generate"]
        if n > 1:
            expected *= p["sc_ensemble"]
            seconds += s["sc_ensemble"]
        if "formatted" in label:
            expected *= p["format_answer"]
            seconds += s["format_answer"]
        assert predicted(workflow, label, p, s) == pytest.approx((expected, seconds), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_livecodebench(seed: int) -> None:
    """p0 = pE · [1 − (1 − pC)^n], then p0 + (1 − p0)(1 − (1 − pf)^K) with its expected attempts."""
    workflow = workflow_of("livecodebench")
    p, s = drawn(workflow, seed)
    labels = workflow.structures[0].labels
    assert len(labels) == 12
    for label in labels:
        n = int(label[0])
        bound = int(label.split(", ")[1][0]) if "repair" in label else 0
        first = 1.0 - (1.0 - p["code_generate"]) ** n
        seconds = n * s["code_generate"]
        if n > 1:
            first *= p["sc_ensemble"]
            seconds += s["sc_ensemble"]
        mended = 1.0 - (1.0 - p["fix"]) ** bound
        attempts = (1.0 - first) * mended / p["fix"]
        checks = 1.0 + sum((1.0 - first) * (1.0 - p["fix"]) ** k for k in range(bound - 1))
        seconds += attempts * s["fix"] + (checks * TEST_S if bound else 0.0)
        expected = first + (1.0 - first) * mended
        assert predicted(workflow, label, p, s) == pytest.approx((expected, seconds), abs=1e-12)
