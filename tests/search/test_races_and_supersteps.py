"""What a search is told of races and supersteps: composed, enumerated, or refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.calculus.expectation import Execution, expect
from flowir.calculus.fusing import segments_to_fuse, with_fused
from flowir.calculus.realised import realise
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Block,
    Branch,
    Call,
    Case,
    Checker,
    Fallback,
    First,
    Join,
    Refine,
    Vote,
    Workflow,
    blocks_of,
    walk,
    with_blocks,
)
from flowir.calculus.tracks import Quantity
from flowir.errors import SearchError
from flowir.search.exact import exact_front
from flowir.search.measuring import Measuring
from tests.budget import some
from tests.calculus.samples import call_model, decision, point
from tests.calculus.strategies import scenarios_for, settings_batches, workflows
from tests.search.random_workflows import random_scenarios, random_workflow
from tests.search.test_exact_front import check_against_enumeration, check_reached

EXECUTIONS: tuple[Execution, ...] = ("sequential", "asyncio", "langgraph")


def raced(block: Block, checker: Checker | None) -> Block:
    """The block with a race in the place of every vote."""
    terms = tuple(
        First(f"race_{term.output}", term.inputs, term.output, checker)
        if isinstance(term, Vote)
        else with_blocks(term, {inner: raced(inner, checker) for inner in blocks_of(term)})
        for term in block.terms
    )
    return replace(block, terms=terms)


def racing(workflow: Workflow, checked: bool) -> Workflow:
    checker = Checker("lint", "race.check", latency_s=0.25) if checked else None
    return replace(workflow, body=raced(workflow.body, checker))


@settings(max_examples=some(60), deadline=None)
@given(
    workflows(),
    scenarios_for(draws=2, queries=3, noise=True),
    settings_batches(2),
    st.sampled_from(EXECUTIONS),
    st.sampled_from(["votes", "first", "first, checked"]),
    st.booleans(),
)
def test_a_search_measures_what_the_calculus_says(
    random: Workflow,
    scenarios: Scenarios,
    batch: np.ndarray,
    execution: Execution,
    races: str,
    fuse: bool,
) -> None:
    """However little is asked: who wins a race depends on times that nobody asks for."""
    if races != "votes":
        random = racing(random, races == "first, checked")
    if fuse:
        random = with_fused(random, segments_to_fuse(random))
    exact = expect(random, batch, scenarios, execution)
    drawn = realise(random, batch, scenarios, execution, seed=5)

    def measured(asked: Quantity, drawn: bool = False) -> np.ndarray:
        known = Measuring(scenarios, execution, 5, frozenset({asked}))
        return known.measured(random, batch, drawn=drawn)[asked]

    np.testing.assert_allclose(measured("right"), exact.success, rtol=1e-9)
    np.testing.assert_allclose(measured("cost"), exact.cost, rtol=1e-9)
    np.testing.assert_allclose(measured("latency"), exact.latency, rtol=1e-9)
    np.testing.assert_allclose(measured("latency", True), drawn.latency, rtol=1e-9)


@given(
    workflows(),
    scenarios_for(draws=1, queries=3, noise=True),
    st.sampled_from(EXECUTIONS),
    st.sampled_from(["none", "votes", "first", "first, checked"]),
    st.frozensets(st.sampled_from(["right", "cost", "latency"]), min_size=1),
    st.booleans(),
)
def test_what_nothing_depends_on_makes_no_difference(
    random: Workflow,
    scenarios: Scenarios,
    execution: Execution,
    races: str,
    asked: frozenset[Quantity],
    drawn: bool,
) -> None:
    if races.startswith("first"):
        random = racing(random, races == "first, checked")
    measuring = Measuring(scenarios, execution, 5, asked)
    matters = measuring.depends(random, drawn=drawn)
    for number in set(range(len(random.decisions))) - set(matters):
        count = len(scenarios.calls[number].success)
        batch = np.zeros((count, len(random.decisions)), dtype=np.intp)
        batch[:, number] = np.arange(count)
        for values in measuring.measured(random, batch, drawn=drawn).values():
            np.testing.assert_allclose(values, np.tile(values[:1], (count, 1)), rtol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_what_one_run_skips_makes_a_difference_all_the_same(seed: int) -> None:
    """Which case, tier or body is drawn differs from scenario to scenario, and by configuration."""
    checker = Checker("tests", "check")
    tiers = tuple(Block((Call(f"tier {i}", 2 + i, (0,), 10 + i),), 10 + i) for i in range(2))
    cases = tuple(
        Case(label, Block((Call(f"case {i}", i, (0,), 20 + i),), 20 + i), 0.5)
        for i, label in enumerate(("one", None))
    )
    body = Block((Call("body", 4, (40,), 42),), 42, (40, 41))
    workflow = Workflow(
        "skips",
        Block(
            (
                Branch("branch", 0, cases, 1),
                Fallback("fallback", checker, tiers, 2),
                Refine("refine", checker, 0, body, 1, 3),
                Join("all", (1, 2, 3), 4),
            ),
            4,
            (0,),
        ),
        tuple(decision(i, 2) for i in range(5)),
    )
    calls = [call_model([[0.5], [0.6]], np.array([[1.0], [2.0 + i]])) for i in range(5)]
    scenarios = point(calls, tests=(0.5, 0.5))
    measuring = Measuring(scenarios, "asyncio", seed, frozenset(("latency",)))
    assert measuring.depends(workflow, drawn=True) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("seed", range(40))
def test_supersteps_are_enumerated_where_time_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, terms=int(rng.integers(2, 6)))
    scenarios = random_scenarios(rng, workflow)
    timed = check_against_enumeration(workflow, scenarios, ("accuracy", "latency"), "langgraph")
    untimed = check_against_enumeration(workflow, scenarios, ("accuracy", "cost"), "langgraph")
    for found, methods in ((timed, {"enumerated"}), (untimed, {"composed", "structures"})):
        if found is not None:
            check_reached(workflow, found)
            assert found.method in methods


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_races_are_enumerated(seed: int, execution: Execution) -> None:
    rng = np.random.default_rng(1_000 + seed)
    workflow = racing(random_workflow(rng, terms=int(rng.integers(2, 6))), bool(seed % 2))
    scenarios = random_scenarios(rng, workflow)
    for objectives in (("accuracy", "latency"), ("accuracy", "cost")):
        found = check_against_enumeration(workflow, scenarios, objectives, execution)
        if found is not None:
            check_reached(workflow, found)
            if any(isinstance(term, First) for term in walk(workflow.body)):
                assert found.method == "enumerated"


def many(*ends: First) -> Workflow:
    calls = tuple(Call(f"c{i}", i, (0,), i + 1) for i in range(30))
    body = Block((*calls, *(ends or ())), ends[0].output if ends else 30, (0,))
    return Workflow("wide", body, tuple(decision(i, 4) for i in range(30)))


@pytest.mark.parametrize(
    ("workflow", "execution", "message"),
    [
        (many(First("fastest", (1, 2), 31)), "asyncio", "wide: who wins the race at fastest"),
        (many(), "langgraph", "wide: a superstep waits for all its nodes"),
    ],
)
def test_what_is_too_large_to_enumerate_is_named(
    workflow: Workflow, execution: Execution, message: str
) -> None:
    model = call_model([[0.5], [0.6], [0.7], [0.8]], seconds=[[1.0], [2.0], [3.0], [4.0]])
    with pytest.raises(SearchError, match=f"{message}.*too large to enumerate"):
        exact_front(workflow, point([model] * 30), ("accuracy", "latency"), execution)


def test_a_vote_at_quorum_is_searched_as_a_vote() -> None:
    for seed in range(20):
        rng = np.random.default_rng(2_000 + seed)
        workflow = random_workflow(rng, terms=5)
        scenarios = random_scenarios(rng, workflow)
        waits = replace(workflow, body=_waiting(workflow.body))
        one, other = (exact_front(w, scenarios) for w in (workflow, waits))
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.settings, other.settings)


def _waiting(block: Block) -> Block:
    terms = tuple(
        replace(term, quorum=False)
        if isinstance(term, Vote)
        else with_blocks(term, {inner: _waiting(inner) for inner in blocks_of(term)})
        for term in block.terms
    )
    return replace(block, terms=terms)
