"""No run does more than the worst case says, and some run does as much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flowir.calculus.bounds import worst_calls, worst_seconds, worst_total
from flowir.calculus.expectation import Execution
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.fusing import segments_to_fuse, with_fused
from flowir.calculus.realised import realise
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Case,
    Checker,
    Decision,
    Fallback,
    Map,
    Plan,
    Refine,
    Structure,
    Term,
    ToolCall,
    Vote,
    Workflow,
    walk,
)
from flowir.configuration import Configuration
from flowir.dialects.flow import WorkflowOp
from tests.budget import some
from tests.calculus.strategies import scenarios_for, settings_batches, workflows
from tests.dialects.modules import Sample, samples
from tests.passes.interpretation import run


@settings(max_examples=some(40))
@given(sample=samples(workflows=1, declared=False), salt=st.integers(0, 7))
def test_no_run_makes_more_calls(sample: Sample, salt: int) -> None:
    (workflow,) = (op for op in sample.module.ops if isinstance(op, WorkflowOp))
    terms = workflow_terms(workflow)
    asked = run(sample.module, "w0", salt).asked
    assert len(asked) <= worst_calls(terms)
    assert len(asked) <= worst_seconds(terms, [1.0] * len(terms.decisions), execution="sequential")


@settings(
    max_examples=some(100), deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)
@given(
    workflows(),
    scenarios_for(noise=False),
    settings_batches(1),
    st.sampled_from(["sequential", "asyncio", "langgraph"]),
    st.booleans(),
)
def test_no_run_takes_longer(
    random: Workflow,
    scenarios: Scenarios,
    setting: np.ndarray,
    execution: Execution,
    fuse: bool,
) -> None:
    if fuse:
        random = with_fused(random, segments_to_fuse(random))
    chosen = zip(scenarios.calls, setting[0], strict=True)
    most = [float(np.exp(model.log_latency[choice, 0])) for model, choice in chosen]
    longest = worst_seconds(random, most, execution=execution)
    assert longest >= realise(random, setting, scenarios, execution).latency.item() - 1e-9
    inner = {type(term) for term in walk(random.body)}
    assume(not inner & {Branch, Fallback, Refine, Map, Plan, Vote})
    # What happens always takes as long as it may; results do not wait for what nobody reads.
    if execution != "asyncio":
        taken = realise(random, setting, scenarios, execution).latency.item()
        assert longest == pytest.approx(taken)


def call(number: int, decision: int = 0, reads: int = 0) -> Call:
    return Call(f"c{number}", decision, (reads,), number)


def block(*terms: Term) -> Block:
    return Block(terms, terms[-1].output if terms else 0)


def workflow(*terms: Term, structures: tuple[Structure, ...] = ()) -> Workflow:
    return Workflow("w", block(*terms), DECISIONS, structures)


DECISIONS = tuple(Decision("w", agent, "", (Configuration("m"),)) for agent in ("ask", "critic"))
AGENT = Checker("critic", "s", decision=1)
TOOL = Checker("check", "s", latency_s=0.5)


@dataclass(frozen=True)
class Known:
    """A term whose worst case is plain: decision 0 takes 10, decision 1 takes 1, tools 0.5 s."""

    term: Term
    total: float
    sequential: float
    concurrent: float


@pytest.mark.parametrize(
    "known",
    [
        Known(call(1), 10, 10, 10),
        Known(ToolCall("t", "tool", (0,), 1, 0.5), 0, 0.5, 0.5),
        Known(Fallback("f", AGENT, (block(call(1)),) * 3, 9), 32, 32, 32),
        Known(Fallback("f", AGENT, (block(call(1)),), 9), 10, 10, 10),
        Known(Fallback("f", TOOL, (block(call(1)), block()), 9), 10, 10.5, 10.5),
        Known(Refine("r", AGENT, 0, block(call(1)), 2, 9), 22, 22, 22),
        Known(Map("m", 0, block(call(1)), 2, 5, 9), 50, 50, 10),
        Known(
            Branch("b", 0, (Case("p", block(call(1), call(2))), Case(None, block(call(3)))), 9),
            20,
            20,
            10,
        ),
        Known(Alternatives("a", (("p", block(call(1))), ("q", block())), 9), 10, 10, 10),
    ],
    ids=lambda known: type(known.term).__name__,
)
def test_each_term(known: Known) -> None:
    amounts = [10.0, 1.0]
    one = workflow(known.term)
    assert worst_total(one, amounts) == known.total
    assert worst_seconds(one, amounts, execution="sequential") == known.sequential
    assert worst_seconds(one, amounts) == known.concurrent


def test_what_a_region_reads_is_waited_for() -> None:
    later = Map("m", 0, block(call(3, reads=1)), 1, 1, 4)
    assert worst_seconds(workflow(call(1), call(2), later), [10.0]) == 20


def test_tied_choices_are_made_once() -> None:
    two, one = block(call(1), call(2)), block(call(3))
    first = Alternatives("way", (("p", one), ("q", two)), 8)
    second = Alternatives("way", (("p", two), ("q", one)), 9)
    structures = (Structure("way", ("p", "q")),)
    assert worst_calls(workflow(first, second, structures=structures)) == 3


def test_with_too_many_ties_to_try_it_is_still_a_bound() -> None:
    names = [f"n{i}" for i in range(13)]
    two, one = block(call(1), call(2)), block(call(3))
    terms = [
        Alternatives(name, cases, 100 + i)
        for i, name in enumerate(names)
        for cases in ((("p", one), ("q", two)), (("p", two), ("q", one)))
    ]
    structures = tuple(Structure(name, ("p", "q")) for name in names)
    assert worst_calls(workflow(*terms, structures=structures)) == 4 * 13
