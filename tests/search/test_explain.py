"""Explanations agree with what exploration estimates, and with closed forms of latency."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Block, Call, Decision, Join, Structure, Workflow
from flowir.configuration import Configuration
from flowir.search.explain import OTHER, explain
from flowir.search.explore import Source, explore
from flowir.search.front import Front
from flowir.search.options import Options

SMALL = Options(execution="asyncio", draws=12, scenarios=16, survivors=20)
SourceOf = Callable[[Workflow], Source]
ONE = (Configuration("m"),)


@pytest.fixture
def front(workflow: Workflow, source_of: SourceOf) -> Front:
    return explore(workflow, source_of(workflow), SMALL)


def two_calls(*, chained: bool) -> Workflow:
    """Agents `a` and `b`: one after the other, or side by side."""
    first = Call("a", 0, ("task",), "x")
    second = Call("b", 1, ("x",) if chained else ("task",), "y")
    both: tuple[object, ...] = (first, second)
    if not chained:
        both = (first, second, Join("all", ("x", "y"), "z"))
    decisions = (Decision("w", "a", "", ONE), Decision("w", "b", "", ONE))
    return Workflow("w", Block(both, "y" if chained else "z"), decisions)  # type: ignore[arg-type]


def constant(*seconds: float) -> Source:
    """Every call takes its seconds, in every scenario."""

    def source(draws: int, queries: int, seed: int) -> Scenarios:
        rng = np.random.default_rng(seed)
        shape = (1, draws * queries)
        calls = tuple(
            CallModel(
                rng.beta(4, 2, shape), np.full(shape, np.log(s)), np.zeros(shape), np.ones(shape)
            )
            for s in seconds
        )
        return Scenarios(draws, queries, calls)

    return source


@pytest.mark.parametrize("chained", [True, False])
def test_shares_of_the_critical_path(chained: bool) -> None:
    """In a chain each call has its part of the sum; side by side the slower one has all of it."""
    workflow, source = two_calls(chained=chained), constant(1.0, 3.0)
    front = explore(workflow, source, SMALL)
    found = {s.decision: s.share.mean for s in explain(workflow, front, [0], source)[0].path}
    expected = {"a": 0.25, "b": 0.75} if chained else {"a": 0.0, "b": 1.0}
    assert found == pytest.approx({**expected, OTHER: 0.0}, abs=1e-6)


def test_shares_sum_to_one(front: Front, workflow: Workflow, source_of: SourceOf) -> None:
    for number in range(len(front.points)):
        (found,) = explain(workflow, front, [number], source_of(workflow))
        path = found.path
        assert sum(share.share.mean for share in path) == pytest.approx(1.0)
        assert all(share.share.mean >= -1e-6 for share in path)


def test_changes_are_differences_between_points(
    front: Front, workflow: Workflow, source_of: SourceOf
) -> None:
    """Of a setting: what the front estimates of the other point, less what it does of this one."""
    numbers = range(len(front.points))
    explanations = explain(workflow, front, numbers, source_of(workflow))
    known = {(p.choices, p.configurations): p.estimates for p in front.every}
    compared = 0
    for number, point in enumerate(front.points):
        for change in explanations[number].changes:
            names = [str(decision) for decision in front.decisions]
            if change.choice not in names:
                continue
            place = names.index(change.choice)
            (new,) = (c for c in front.decisions[place].configurations if str(c) == change.instead)
            other = (*point.configurations[:place], new, *point.configurations[place + 1 :])
            if (point.choices, other) not in known:
                continue
            compared += 1
            for name, estimate in known[point.choices, other].items():
                expected = estimate.mean - point.estimates[name].mean
                assert change.differences[name].mean == pytest.approx(expected, abs=2e-5)
    assert compared > 3


def test_a_point_of_the_front_is_never_surely_beaten(
    front: Front, workflow: Workflow, source_of: SourceOf
) -> None:
    for number in range(len(front.points)):
        if number != front.baseline:
            (found,) = explain(workflow, front, [number], source_of(workflow))
            assert all(change.better < 1.0 for change in found.changes)


def test_what_is_not_known_of_a_lone_agent_is_its_own() -> None:
    workflow = Workflow(
        "w", Block((Call("a", 0, ("task",), "x"),), "x"), (Decision("w", "a", "", ONE),)
    )
    source = constant(1.0)
    (only,) = explain(workflow, explore(workflow, source, SMALL), [0], source)[0].unknown
    assert only.shares["accuracy"] == pytest.approx(1.0)
    assert only.shares["latency_s"] == 0.0  # it is the same in all draws


def test_every_label_of_a_structure_is_tried(
    front: Front, workflow: Workflow, source_of: SourceOf
) -> None:
    axes: dict[str, Structure] = {structure.name: structure for structure in workflow.structures}
    (explanation,) = explain(workflow, front, [0], source_of(workflow))
    chosen = dict(zip(axes, front.points[0].choices, strict=True))
    for name, structure in axes.items():
        if chosen[name] is not None:
            tried = {c.instead for c in explanation.changes if c.choice == name}
            assert tried == {*structure.labels} - {chosen[name]}


def test_points_explained_together_are_as_explained_alone(
    front: Front, workflow: Workflow, source_of: SourceOf
) -> None:
    numbers = list(range(len(front.points)))
    together = explain(workflow, front, numbers, source_of(workflow))
    alone = [explain(workflow, front, [number], source_of(workflow))[0] for number in numbers]
    for one, other in zip(together, alone, strict=True):
        assert [c.instead for c in one.changes] == [c.instead for c in other.changes]
        assert [s.share.mean for s in one.path] == pytest.approx([s.share.mean for s in other.path])
