"""Nodes that several terms share: what is fused, and how long that takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings

from flowir.calculus.expectation import expect
from flowir.calculus.fusing import segments_to_fuse, with_fused
from flowir.calculus.realised import realise
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.supersteps import supersteps
from flowir.calculus.terms import Block, Checker, Fallback, Map, Workflow, walk
from flowir.errors import CalculusError
from tests.budget import some
from tests.calculus.oracle import TooManyRuns
from tests.calculus.rounds import every_run, settled
from tests.calculus.samples import call, call_model, point, workflow
from tests.calculus.strategies import scenarios_for, settings_batches, workflows

MODELS = point([call_model(1.0, seconds=0.1), call_model(1.0, seconds=0.4)])


def fuse(random: Workflow) -> Workflow:
    return with_fused(random, segments_to_fuse(random))


@settings(max_examples=some(150), deadline=None)
@given(workflows(quorums=False), scenarios_for(), settings_batches(1))
def test_nested_graphs_take_what_rounds_with_barriers_take(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray
) -> None:
    """Every region is a graph of its own, with barriers of its own, unless it is fused."""
    assume(not any(isinstance(t, Map) and t.mean for t in walk(random.body)))
    scenarios = settled(scenarios)
    for one in (random, fuse(random)):
        try:
            possible = every_run(one, setting[0], scenarios)
        except TooManyRuns:
            assume(False)
        drawn = realise(one, setting, scenarios, "langgraph", seed=3)
        row = np.array([drawn.right.item(), drawn.calls.item(), drawn.latency.item()])
        assert any(np.allclose(row, run, rtol=1e-9) for run in possible)
        if len(possible) == 1:
            exact = expect(one, setting, scenarios, "langgraph")
            assert exact.latency.item() == pytest.approx(possible[0][2])


@settings(max_examples=some(150), deadline=None)
@given(workflows(), scenarios_for(noise=True), settings_batches(2))
def test_fusing_saves_time_and_changes_nothing_else(
    random: Workflow, scenarios: Scenarios, batch: np.ndarray
) -> None:
    fused = fuse(random)
    for track in (expect, realise):
        before = track(random, batch, scenarios, "langgraph")
        after = track(fused, batch, scenarios, "langgraph")
        assert (after.latency <= before.latency * (1 + 1e-9) + 1e-12).all()
        for name in ("calls", "cost", "success" if track is expect else "right"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


@settings(max_examples=some(100), deadline=None)
@given(workflows(depth=0, quorums=False), scenarios_for(), settings_batches(1))
def test_no_barrier_is_left_in_a_flat_workflow(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray
) -> None:
    """It takes as long as the longest of what asyncio waits for, whatever its result reads."""
    assume(not any(isinstance(term, Map) for term in random.body.terms))
    fused = fuse(random)
    longest = 0.0
    for term in random.body.terms:
        until = Workflow(
            "until", Block(random.body.terms, term.output, random.body.arguments), random.decisions
        )
        longest = max(longest, realise(until, setting, scenarios).latency.item())
    found = realise(fused, setting, scenarios, "langgraph").latency.item()
    assert found == pytest.approx(longest, rel=1e-9)


def test_a_node_runs_when_all_its_terms_can() -> None:
    """A shared node starts with the superstep in which the last of what it reads is there."""
    chain = workflow([call(1, 0), call(2, 1, by=1), call(3, 0), call(4, 2, 3)])
    assert supersteps(chain.body, {3: "n", 4: "n"}) == (((1,),), ((2,),), ((3, 4),))


def test_nodes_that_wait_for_each_other_are_refused() -> None:
    chain = workflow([call(1, 0), call(2, 1), call(3, 2)])
    with pytest.raises(CalculusError, match="wait for each other"):
        supersteps(chain.body, {1: "n", 3: "n"})


def test_a_region_in_a_shared_node_has_no_barriers() -> None:
    inner = (call(11, 0), call(12, 11, by=1), call(13, 0, by=1), call(14, 13), call(15, 12, 14))
    tier = Block(inner, 15)
    once = Fallback("f", Checker("t", "f.check"), (tier,), 2)
    nested = workflow([once])
    alone = Workflow("sample", nested.body, decisions=workflow(inner).decisions)
    marked = Workflow("sample", alone.body, alone.decisions, fused=((2, "n"),))
    for track in (expect, realise):
        assert track(alone, [[0, 0]], MODELS, "langgraph").latency.item() == pytest.approx(0.9)
        assert track(marked, [[0, 0]], MODELS, "langgraph").latency.item() == pytest.approx(0.6)


def test_what_runs_in_series_keeps_its_nodes() -> None:
    diamond = workflow([call(1, 0), call(2, 1), call(3, 1, by=1), call(4, 2, 3)])
    assert segments_to_fuse(diamond) == ()
