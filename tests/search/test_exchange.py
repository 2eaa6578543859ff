"""Local search by exchanges: what it calls closed is closed, and no point is looked at twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from flowir.calculus.expectation import expect
from flowir.calculus.terms import Block, Call, Workflow
from flowir.search.exchange import exchange
from flowir.search.explore import explore
from flowir.search.options import Options
from flowir.search.problem import Measure, Objective, Problem
from flowir.search.rules import Combination
from flowir.search.space import UNREACHED, Points, Space
from tests.search.conftest import fake_scenarios, random_workflow

TWO: tuple[Objective, ...] = ("accuracy", "latency")


def with_dead_call(workflow: Workflow) -> Workflow:
    """One more call of a decision of its own, which nothing reads."""
    own = workflow.decisions[-1]
    dead = Call("dead", len(workflow.decisions), (), 9_999)
    body = workflow.body
    return Workflow(
        workflow.name,
        Block((dead, *body.terms), body.result, body.arguments),
        (*workflow.decisions, type(own)("w", "dead", "", own.configurations, baseline=None)),
        workflow.structures,
    )


def problem_of(
    workflow: Workflow,
    objectives: tuple[Objective, ...],
    execution: str = "asyncio",
    rules: tuple[Combination, ...] = (),
) -> Problem:
    scenarios = fake_scenarios(workflow, 2, 8, 1)
    return Problem(Space(workflow, rules), scenarios, objectives, Measure(execution))  # type: ignore


def seeds_with_choices(count: int) -> list[int]:
    """Random workflows whose last decision has several configurations."""
    found = (s for s in range(500) if len(random_workflow(s).decisions[-1].configurations) > 1)
    return [next(found) for _ in range(count)]


@pytest.mark.parametrize("seed", seeds_with_choices(8))
def test_a_dead_call_costs_no_evaluations(seed: int) -> None:
    """The same search as without it: not once more per configuration of what nothing reads."""
    plain = random_workflow(seed)
    beside = problem_of(with_dead_call(plain), TWO)
    same = replace(beside.scenarios, calls=beside.scenarios.calls[:-1])
    alone = Problem(Space(plain), same, TWO, beside.measure)
    one = exchange(alone, alone.space.baseline)
    other = exchange(beside, beside.space.baseline)
    assert one.evaluations == other.evaluations
    np.testing.assert_array_equal(one.points.settings, other.points.settings[:, :-1])
    assert set(other.points.settings[:, -1].tolist()) == {0}
    assert one.closure == other.closure


def test_a_dead_call_counts_where_it_is_paid_or_waited_for() -> None:
    workflow = with_dead_call(random_workflow(seeds_with_choices(1)[0]))
    dead = len(workflow.decisions) - 1
    for objectives, execution, counts in (
        (TWO, "asyncio", False),
        (TWO, "sequential", True),
        (TWO, "langgraph", True),
        (("accuracy",), "sequential", False),
        (("accuracy", "cost"), "asyncio", True),
    ):
        problem = problem_of(workflow, objectives, execution)
        for structure in problem.space.structures():
            assert (dead not in problem.indifferent(structure)) == counts, (objectives, execution)


def test_a_dead_call_that_a_rule_names_stays_as_it_is() -> None:
    """Its configuration decides what else may be chosen."""
    workflow = with_dead_call(random_workflow(seeds_with_choices(1)[0]))
    dead = len(workflow.decisions) - 1
    rule = Combination(
        "rule", ((("decision", dead), frozenset({0})), (("decision", 0), frozenset({0})))
    )
    problem = problem_of(workflow, TWO, rules=(rule,))
    found = exchange(problem, problem.space.start())
    assert problem.space.legal(found.points).all()
    assert set(found.points.settings[:, dead].tolist()) > {0}


def test_equal_points_are_one_point_of_the_front() -> None:
    """Whether the space is exchanged in or enumerated."""
    workflow = with_dead_call(random_workflow(seeds_with_choices(1)[0]))
    dead = len(workflow.decisions) - 1
    for limit in (1, 1 << 18):
        front = explore(
            workflow,
            lambda draws, queries, seed: fake_scenarios(workflow, draws, queries, seed),
            Options(objectives=TWO, draws=4, scenarios=16, limit=limit),
        )
        chosen = [(p.choices, p.configurations[:dead]) for p in front.every]
        assert len(chosen) == len(set(chosen))


def plain_values(problem: Problem, points: Points) -> np.ndarray:
    """[B, K] of every point by itself, straight from the calculus."""
    found = []
    for structure, settings in zip(points.structure, points.settings, strict=True):
        choices = {
            s.name: s.labels[label]
            for s, label in zip(problem.space.workflow.structures, structure, strict=True)
            if label != UNREACHED
        }
        one = problem.space.workflow.specialise(choices)
        run = expect(one, np.maximum(settings, 0)[None], problem.scenarios, "sequential")
        means = {
            "accuracy": -run.success.mean(),
            "latency": run.latency.mean(),
            "cost": run.cost.mean(),
        }
        found.append([means[objective] for objective in problem.objectives])
    return np.array(found)


def every_full_point(space: Space) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every assignment of a label to each alternatives and a configuration to each decision."""
    labels = product(*(range(len(s.labels)) for s in space.workflow.structures))
    settings = list(product(*(d.choices for d in space.workflow.decisions)))
    return [(one, other) for one in labels for other in settings]


@pytest.mark.parametrize("objectives", [TWO, ("accuracy", "cost"), (*TWO, "cost")])
@pytest.mark.parametrize("seed", range(12))
def test_closure_by_every_exchange_there_is(seed: int, objectives: tuple[Objective, ...]) -> None:
    """Not by the search's own neighbours, batches or rounding.

    Exchanges are changes of one coordinate of a full assignment, every one written out; a result
    is closed if no exchange of a point of it dominates a point of it or is dominated by none.
    """
    problem = problem_of(random_workflow(seed), objectives, "sequential")
    space = problem.space
    found = exchange(problem, space.baseline)
    assert found.closed
    own = set(found.points.identities())
    full = every_full_point(space)
    standing = [space.point(labels, settings) for labels, settings in full]
    inside = [p.identities()[0] in own for p in standing]
    rows = np.array([(*labels, *settings) for labels, settings in full])
    rows = rows.reshape(len(full), -1)
    near = set()
    for place in np.flatnonzero(inside):
        for other in np.flatnonzero((rows != rows[place]).sum(axis=1) == 1):
            near.add(int(other))
    values = plain_values(problem, found.points)
    best = {p.identities()[0]: p for p in (standing[i] for i in sorted(near))}
    for key, point in best.items():
        if key not in own:
            value = plain_values(problem, point)[0]
            assert (values <= value + 1e-9).all(axis=1).any(), "an exchange that nothing beats"
    for value in values:
        better = (values <= value - 1e-9).any(axis=1) & (values <= value + 1e-12).all(axis=1)
        assert not better.any(), "a point of the result is dominated"
