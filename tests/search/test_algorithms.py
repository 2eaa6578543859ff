"""Fronts found by the algorithms against fronts by pairwise comparison of every point."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from flowir.calculus.expectation import expect
from flowir.calculus.terms import Workflow
from flowir.search.anytime import limited
from flowir.search.enumerate import enumerate_some, enumerate_space, every_loss
from flowir.search.exchange import exchange, neighbours, spread
from flowir.search.explore import Source, explore
from flowir.search.options import Options
from flowir.search.pareto import hypervolume, non_dominated
from flowir.search.problem import Measure, Problem, losses
from flowir.search.space import UNREACHED, Points, Space

SEQUENTIAL = Measure("sequential")
MakeWorkflow = Callable[[int], Workflow]
SourceOf = Callable[[Workflow], Source]


def problem_of(workflow: Workflow, source_of: SourceOf, measure: Measure = SEQUENTIAL) -> Problem:
    scenarios = source_of(workflow)(4, 8, 1)
    return Problem(Space(workflow), scenarios, ("accuracy", "latency", "cost"), measure, 1)


def whole(space: Space) -> Points:
    return Points.join([space.points(s, 0, space.settings_of(s)) for s in space.structures()])


def one_by_one(problem: Problem, points: Points) -> np.ndarray:
    """[B, 3] of each point by itself, straight from the calculus."""
    rows = []
    for structure, settings in zip(points.structure, points.settings, strict=True):
        choices = {
            s.name: s.labels[label]
            for s, label in zip(problem.space.workflow.structures, structure, strict=True)
            if label != UNREACHED
        }
        workflow = problem.space.workflow.specialise(choices)
        found = expect(workflow, settings[None, :], problem.scenarios, "sequential")
        rows.append([found.success.mean(), found.latency.mean(), found.cost.mean()])
    return np.array(rows)


@pytest.mark.parametrize("seed", range(15))
def test_a_batch_equals_its_points_one_by_one(
    seed: int, make_workflow: MakeWorkflow, source_of: SourceOf
) -> None:
    problem = problem_of(make_workflow(seed), source_of)
    points = whole(problem.space)
    order = np.random.default_rng(seed).permutation(len(points))[:60]
    found = problem.evaluate(points[order])
    np.testing.assert_allclose(found, one_by_one(problem, points[order]), rtol=1e-12)


def test_objectives_of_a_draw_average_to_the_whole(workflow: Workflow, source_of: SourceOf) -> None:
    problem = problem_of(workflow, source_of)
    points = whole(problem.space)
    by_draw = problem.evaluate_per_draw(points)
    assert by_draw.shape == (len(points), 3, 4)
    np.testing.assert_allclose(by_draw.mean(axis=-1), problem.evaluate(points), rtol=1e-12)


def test_mean_field_sees_the_average_query_only(workflow: Workflow, source_of: SourceOf) -> None:
    problem = problem_of(workflow, source_of, Measure("sequential", "mean-field"))
    points = whole(problem.space)
    found = problem.evaluate(points)
    average = Problem(
        problem.space, problem.scenarios.point(), problem.objectives, SEQUENTIAL
    ).evaluate(points)
    np.testing.assert_allclose(found, average, rtol=1e-12)
    assert not np.allclose(found, problem_of(workflow, source_of).evaluate(points), rtol=1e-3)


@pytest.mark.parametrize("seed", range(25))
def test_enumeration_finds_the_front(
    seed: int, make_workflow: MakeWorkflow, source_of: SourceOf
) -> None:
    problem = problem_of(make_workflow(seed), source_of)
    points = whole(problem.space)
    values = losses(one_by_one(problem, points), problem.objectives)
    expected = {
        key
        for key, own in zip(points.identities(), values, strict=True)
        if not any((other <= own).all() and (other < own).any() for other in values)
    }
    assert set(enumerate_space(problem).identities()) == expected


def test_enumeration_adds_the_next_best(workflow: Workflow, source_of: SourceOf) -> None:
    problem = problem_of(workflow, source_of)
    front = set(enumerate_space(problem).identities())
    more = enumerate_space(problem, len(front) + 5)
    assert front < set(more.identities())
    assert len(more) >= len(front) + 5
    everything = enumerate_space(problem, 10**6)
    assert len(everything) == problem.space.size()


def exchanged(space: Space, structure: np.ndarray, settings: np.ndarray) -> set[bytes]:
    """Every point that differs in one setting."""
    found = set()
    for decision, choice in (
        (d, c)
        for d in range(space.decisions)
        if settings[d] != UNREACHED
        for c in space.workflow.decisions[d].choices
    ):
        other = settings.copy()
        other[decision] = choice
        found |= set(space.point(structure, np.maximum(other, 0)).identities())
    return found


@pytest.mark.parametrize("seed", range(25))
def test_neighbours_are_one_exchange_away(seed: int, make_workflow: MakeWorkflow) -> None:
    space = Space(make_workflow(seed))
    points = whole(space)
    every = set(points.identities())
    for i in np.random.default_rng(seed).permutation(len(points))[:10]:
        structure, settings = points.structure[i], points.settings[i]
        found = neighbours(space, points[[i]])
        same = (found.structure == structure).all(axis=1)
        keys = found.identities()
        assert set(keys) <= every
        own = points.identities()[i]
        moved = {key for key, here in zip(keys, same, strict=True) if here}
        assert moved == exchanged(space, structure, settings) - {own}
        assert structures_one_label_away(space, structure) == {
            tuple(row) for row in found.structure[~same].tolist()
        }


def structures_one_label_away(space: Space, structure: np.ndarray) -> set[tuple[int, ...]]:
    """By trying every full assignment of labels that keeps all reached labels but one."""
    sizes = [range(len(s.labels)) for s in space.workflow.structures]
    found = set()
    for assignment in product(*sizes):
        changed = [
            i
            for i, (old, new) in enumerate(zip(structure.tolist(), assignment, strict=True))
            if old not in (UNREACHED, new)
        ]
        if len(changed) == 1:
            found.add(space.canonical(assignment))
    return found - {tuple(structure.tolist())}


@pytest.mark.parametrize("seed", range(25))
def test_local_search_ends_where_no_exchange_helps(
    seed: int, make_workflow: MakeWorkflow, source_of: SourceOf
) -> None:
    problem = problem_of(make_workflow(seed), source_of)
    found = exchange(problem, spread(problem))
    assert found.closed
    points = found.points
    near = Points.join([neighbours(problem.space, points[[i]]) for i in range(len(points))])
    together = Points.join([points, near]).distinct()
    front = together[non_dominated(problem.losses(together), duplicates=True)]
    assert set(front.identities()) == set(points.identities())


def test_local_search_recovers_almost_all_of_the_front(
    make_workflow: MakeWorkflow, source_of: SourceOf
) -> None:
    recalls, regrets = [], []
    for seed in range(25):
        problem = problem_of(make_workflow(seed), source_of)
        every = every_loss(problem)
        true = set(enumerate_space(problem).identities())
        found = exchange(problem, problem.space.baseline)
        recalls.append(len(true & set(found.points.identities())) / len(true))
        corner = every.max(axis=0) + 1.0
        best = hypervolume(every, corner)
        regrets.append(1 - hypervolume(problem.losses(found.points), corner) / best)
    assert np.mean(recalls) > 0.97
    assert np.mean(regrets) < 1e-4


def test_local_search_stops_at_its_limit(workflow: Workflow, source_of: SourceOf) -> None:
    problem = problem_of(workflow, source_of)
    found = exchange(problem, problem.space.baseline, limit=20)
    assert not found.closed
    assert found.evaluations <= 20
    assert len(found.points)


def test_equal_losses_stay_equal_through_rounding() -> None:
    values = np.array([[0.1 + 0.2, 1.0], [0.3, 1.0], [0.3 + 1e-9, 1.0]])
    found = losses(values, ("latency", "cost"))
    assert (found[0] == found[1]).all()
    assert found[2, 0] > found[1, 0]


def test_pair_closure_is_closure_under_all_pairs(
    make_workflow: MakeWorkflow, source_of: SourceOf
) -> None:
    """Checked without the search's own idea of a pair: by every point two settings away."""
    closures = []
    for seed in range(12):
        problem = problem_of(make_workflow(seed), source_of)
        found = exchange(problem, problem.space.baseline)
        closures.append(found.closure)
        every = whole(problem.space)
        front = found.points[non_dominated(problem.losses(found.points), duplicates=True)]
        same = (every.structure[:, None] == front.structure).all(axis=2)
        near = same & ((every.settings[:, None] != front.settings).sum(axis=2) <= 2)
        together = Points.join([front, every[near.any(axis=1)]]).distinct()
        best = together[non_dominated(problem.losses(together), duplicates=True)]
        assert set(best.identities()) == set(front.identities())
    assert set(closures) == {"pairs"}


def test_a_stopped_search_gives_what_it_has(workflow: Workflow, source_of: SourceOf) -> None:
    problem = problem_of(workflow, source_of)
    with limited(megabytes=1.0):
        assert exchange(problem, problem.space.baseline).stopped
        points, evaluated, every = enumerate_some(problem)
    assert (len(points), evaluated, every) == (0, 0, False)
    assert not exchange(problem, problem.space.baseline).stopped
    tight = Options(draws=2, scenarios=9, execution="sequential", max_memory=1.0)
    front = explore(workflow, source_of(workflow), tight)
    assert front.facts.method == "partial"
    assert any("max-memory=1.0" in sentence for sentence in front.facts.warnings)
    assert front.points
