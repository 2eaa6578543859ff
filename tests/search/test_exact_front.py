"""The composed front is the front of the whole space, worked out point by point."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.calculus.expectation import Execution
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Case,
    Map,
    Structure,
    Workflow,
    decisions_used,
)
from flowir.errors import CalculusError
from flowir.search.enumerate import every_loss
from flowir.search.exact import ExactFront, exact_front
from flowir.search.pareto import non_dominated
from flowir.search.problem import Measure, Objective, Problem, losses
from flowir.search.space import UNREACHED, Points, Space
from tests.budget import some
from tests.calculus.samples import call_model, decision, point
from tests.calculus.strategies import scenarios_for, workflows
from tests.search.random_workflows import random_scenarios, random_workflow

TOLERANCE = 1e-9
OBJECTIVES: tuple[tuple[Objective, ...], ...] = (
    ("accuracy", "latency"),
    ("accuracy", "cost"),
    ("accuracy", "latency", "cost"),
    ("latency", "cost"),
    ("accuracy",),
)
EXECUTIONS: tuple[Execution, ...] = ("sequential", "asyncio")
CASES = tuple(product(OBJECTIVES, EXECUTIONS))
ALL = 1 << 30
MANY = 5_000
"""Points beyond which a random space is left out."""


def check_against_enumeration(
    workflow: Workflow,
    scenarios: Scenarios,
    objectives: tuple[Objective, ...],
    execution: Execution,
) -> ExactFront | None:
    """Compare with every point of the space; None if the calculus refuses it, or it is large."""
    space = Space(workflow)
    problem = Problem(space, scenarios, objectives, Measure(execution, "mean-field"))
    if (space.size() or MANY + 1) > MANY:
        return None
    try:
        everything = every_loss(problem)
    except CalculusError:
        return None
    found = exact_front(workflow, scenarios, objectives, execution, most=ALL)
    values = losses(found.values, objectives)
    for losses_of_one in everything[non_dominated(everything)]:
        covered = (values <= losses_of_one + TOLERANCE).all(axis=1).any()
        assert covered, f"nothing is as good as {losses_of_one}"
    for losses_of_one in values:
        beaten = (everything < losses_of_one - TOLERANCE).all(axis=1).any()
        assert not beaten, f"{losses_of_one} is on no front"
    points = Points(found.structure.astype(np.int16), found.settings.astype(np.int16))
    np.testing.assert_allclose(problem.evaluate(points), found.values, rtol=TOLERANCE, atol=1e-12)
    assert found.epsilon == 0.0
    return found


def check_reached(workflow: Workflow, found: ExactFront) -> None:
    """A point says what it chooses exactly where it gets to choose, and only what it may."""
    for structure, setting in zip(found.structure.tolist(), found.settings.tolist(), strict=True):
        chosen = {
            choice.name: choice.labels[label]
            for choice, label in zip(workflow.structures, structure, strict=True)
            if label != UNREACHED
        }
        used = decisions_used(workflow.specialise(chosen).body)
        assert tuple(d for d, c in enumerate(setting) if c != UNREACHED) == used
        assert all(setting[d] in workflow.decisions[d].choices for d in used)


def check_seed(seed: int) -> ExactFront | None:
    """A random workflow under the objectives and execution that its seed stands for."""
    objectives, execution = CASES[seed % len(CASES)]
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, terms=int(rng.integers(2, 8)))
    scenarios = random_scenarios(rng, workflow)
    try:
        found = check_against_enumeration(workflow, scenarios, objectives, execution)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {objectives}, {execution}: {error}") from error
    if found is not None:
        check_reached(workflow, found)
    return found


@pytest.mark.parametrize("part", range(4))
def test_random_workflows(part: int) -> None:
    """Over every construct, with choices tied across regions and values used several times."""
    found = [front for seed in range(part, 240, 4) if (front := check_seed(seed)) is not None]
    assert len(found) > 50
    assert sum(front.method == "composed" for front in found) > 0.9 * len(found)
    assert max(map(len, found)) > 2


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_thousands_of_random_workflows(part: int) -> None:
    found = [check_seed(seed) for seed in range(1_000 + part, 5_000, 8)]
    assert sum(front is not None for front in found) > 450


@settings(max_examples=some(40))
@given(
    workflows(events=8), scenarios_for(), st.sampled_from(OBJECTIVES), st.sampled_from(EXECUTIONS)
)
def test_workflows_that_shrink(
    workflow: Workflow,
    scenarios: Scenarios,
    objectives: tuple[Objective, ...],
    execution: Execution,
) -> None:
    """The calculus's own random workflows: certain calls, and blocks that give what they read."""
    check_against_enumeration(workflow, scenarios, objectives, execution)


def test_whether_a_plan_is_read_while_it_is_written_may_depend_on_a_label() -> None:
    """Its planner is one call in some structures only: they are composed one by one."""
    assert check_seed(4_275) is not None


def test_scenarios_are_averaged() -> None:
    """Several draws and queries are searched as their mean, as the mean-field model is defined."""
    for seed in range(40, 60):
        rng = np.random.default_rng(seed)
        workflow = random_workflow(rng, terms=3)
        scenarios = random_scenarios(rng, workflow, draws=3, queries=4)
        check_against_enumeration(workflow, scenarios, ("accuracy", "latency"), "asyncio")


def test_a_router_that_not_every_structure_calls() -> None:
    """The label's router is chosen even where the value it is read off was made without it."""
    deep = Block((Call("second", 1, (), 2),), 0)
    alternatives = Alternatives("size", (("small", Block((), 0)), ("large", deep)), 3)
    first = Map("first", 0, Block((alternatives,), 0, (1,)), 3, 3, 4)
    easy = Case("easy", Block((Call("easy", 0, (), 5),), 5))
    branch = Branch("route", 4, (easy, Case(None, Block((), 0))), 6, router=1)
    workflow = Workflow(
        "sample",
        Block((first, branch), 6, (0,)),
        tuple(decision(d, 2) for d in range(2)),
        (Structure("size", ("small", "large")),),
    )
    labels = {"easy": np.array([[0.1], [0.9]])}
    models = [
        call_model([[0.5], [0.9]], 1.0, [[1.0], [3.0]]),
        call_model([[0.5], [0.9]], 1.0, [[0.5], [0.2]], labels=labels),
    ]
    for objectives in (("accuracy", "cost"), ("latency", "cost")):
        found = check_against_enumeration(workflow, point(models), objectives, "sequential")
        assert found is not None
        check_reached(workflow, found)


def test_structures_with_the_same_options() -> None:
    """Two blocks that call the same agent are two structures, with the options of both."""
    cases = tuple(
        (label, Block((Call(label, 0, (0,), output),), output))
        for label, output in (("small", 1), ("large", 2))
    )
    either = Alternatives("size", cases, 3)
    workflow = Workflow(
        "sample",
        Block((either, Call("last", 1, (3,), 4)), 4, (0,)),
        tuple(decision(d, 3) for d in range(2)),
        (Structure("size", ("small", "large")),),
    )
    models = [call_model([[0.5], [0.7], [0.9]], [[1.0], [2.0], [4.0]]) for _ in range(2)]
    found = check_against_enumeration(workflow, point(models), ("accuracy", "latency"), "asyncio")
    assert found is not None
    assert len(found) == 5


@pytest.mark.parametrize("seed", [9_105, 10_479])
def test_workflows_that_once_failed(seed: int) -> None:
    """A value shown to two selections, one inside the other; two labels written alike."""
    assert check_seed(seed) is not None


def test_deterministic() -> None:
    for seed in (3, 17, 29):
        rng = np.random.default_rng(seed)
        workflow = random_workflow(rng, terms=6)
        scenarios = random_scenarios(rng, workflow)
        first, second = (exact_front(workflow, scenarios) for _ in range(2))
        for name in ("structure", "settings", "values"):
            assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def check_within_epsilon(
    workflow: Workflow, scenarios: Scenarios, execution: Execution, most: int
) -> bool:
    """Compare a thinned front with the true one; False if the space is large, or refused."""
    space = Space(workflow)
    problem = Problem(space, scenarios, OBJECTIVES[2], Measure(execution, "mean-field"))
    if (space.size() or MANY + 1) > MANY:
        return False
    try:
        everything = every_loss(problem)
    except CalculusError:
        return False
    found = exact_front(workflow, scenarios, OBJECTIVES[2], execution, most=most)
    points = Points(found.structure.astype(np.int16), found.settings.astype(np.int16))
    np.testing.assert_allclose(problem.evaluate(points), found.values, rtol=TOLERANCE, atol=1e-12)
    values, factor = losses(found.values, OBJECTIVES[2]), 1.0 + found.epsilon
    assert np.isfinite(factor)
    for one in everything[non_dominated(everything)]:
        worst = np.array([one[0] / factor, one[1] * factor, one[2] * factor]) + TOLERANCE
        assert (values <= worst).all(axis=1).any(), f"{one} is beyond {factor}"
    return True


def thinned_front_is_within_epsilon(seed: int) -> bool:
    """Whether a random space could be checked."""
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, terms=int(rng.integers(2, 7)))
    scenarios = random_scenarios(rng, workflow)
    try:
        return check_within_epsilon(
            workflow, scenarios, EXECUTIONS[seed % 2], int(rng.integers(2, 12))
        )
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error


@settings(max_examples=some(60))
@given(workflows(events=8), scenarios_for(), st.sampled_from(EXECUTIONS), st.integers(2, 12))
def test_epsilon_holds_of_workflows_that_shrink(
    workflow: Workflow, scenarios: Scenarios, execution: Execution, most: int
) -> None:
    check_within_epsilon(workflow, scenarios, execution, most)


def test_three_objectives_are_thinned_within_epsilon() -> None:
    """24483 has points that take no time at all, 25505 structures without some of the paths."""
    assert sum(map(thinned_front_is_within_epsilon, [*range(100), 24483, 25505])) > 60


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_thousands_are_thinned_within_epsilon(part: int) -> None:
    assert sum(map(thinned_front_is_within_epsilon, range(1_000 + part, 4_000, 4))) > 450
