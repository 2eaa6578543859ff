"""The bulk-synchronous cost model of LangGraph, against levels worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings

from flowir.calculus.expectation import expect
from flowir.calculus.realised import realise
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.supersteps import supersteps
from flowir.calculus.terms import Call, Join, Map, Select, Term, ToolCall, Vote, Workflow
from tests.budget import some
from tests.calculus.samples import call, call_model, point, workflow
from tests.calculus.strategies import scenarios_for, settings_batches, workflows

CHAINS = workflow(
    [
        call(1, 0, by=0),
        call(2, 1, by=1),
        call(3, 0, by=1),
        call(4, 3, by=0),
        Join("all", (2, 4), 5),
    ]
)
MODELS = point([call_model(1.0, seconds=0.1), call_model(1.0, seconds=0.4)])


@pytest.mark.parametrize(
    ("execution", "seconds"), [("langgraph", 0.8), ("asyncio", 0.5), ("sequential", 1.0)]
)
def test_two_chains_of_unequal_calls_wait_for_each_other(execution: str, seconds: float) -> None:
    found = expect(CHAINS, [[0, 0]], MODELS, execution)  # type: ignore[arg-type]
    drawn = realise(CHAINS, [[0, 0]], MODELS, execution)  # type: ignore[arg-type]
    assert found.latency.item() == pytest.approx(seconds)
    assert drawn.latency.item() == pytest.approx(seconds)


def test_fused_chains_are_one_superstep() -> None:
    assert supersteps(CHAINS.body) == (((1,), (3,)), ((2,), (4,)))
    names = {1: "a", 2: "a", 3: "b", 4: "b"}
    assert supersteps(CHAINS.body, names) == (((1, 2), (3, 4)),)


def test_what_nobody_reads_is_waited_for() -> None:
    idle = workflow([call(1, 0, by=0), call(2, 0, by=1)], result=1)
    assert expect(idle, [[0, 0]], MODELS, "langgraph").latency.item() == pytest.approx(0.4)


@settings(max_examples=some(60))
@given(workflows(depth=0, quorums=False), scenarios_for(), settings_batches(1))
def test_a_flat_workflow_takes_what_rounds_with_barriers_take(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray
) -> None:
    """Rounds played one by one: whatever has all it reads runs, and the slowest ends the round."""
    assume(not any(isinstance(term, Map) for term in random.body.terms))
    left = list(random.body.terms)
    missing = {term.output for term in left}
    total = 0.0
    while left:
        while idle := [t for t in left if isinstance(t, Join | Vote) and not missing & reads(t)]:
            missing -= {term.output for term in idle}
            left = [term for term in left if term not in idle]
        round_ = [term for term in left if not missing & reads(term)]
        total += max((seconds(term, scenarios, setting[0]) for term in round_), default=0.0)
        missing -= {term.output for term in round_}
        left = [term for term in left if term not in round_]
    for found in (expect, realise):
        result = found(random, setting, scenarios, "langgraph")
        assert result.latency.item() == pytest.approx(total)


def reads(term: Term) -> set[int]:
    return {*getattr(term, "inputs", ()), *getattr(term, "candidates", ())}


def seconds(term: Term, scenarios: Scenarios, setting: np.ndarray) -> float:
    if isinstance(term, ToolCall):
        return term.latency_s
    assert isinstance(term, Call | Select)
    return float(np.exp(scenarios.calls[term.decision].log_latency[setting[term.decision], 0]))
