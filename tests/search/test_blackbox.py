"""Optimisers that see no workflow, behind the same problem: what they may ask for, and get told."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from flowir.calculus.terms import Workflow
from flowir.errors import SearchError
from flowir.passes.flow_dse import FlowDse
from flowir.search.anytime import StoppedError
from flowir.search.blackbox import BLACK_BOXES, BlackBox, black_box
from flowir.search.explore import Source, explore
from flowir.search.options import Options
from flowir.search.pareto import hypervolume, non_dominated
from flowir.search.problem import Measure, Problem
from flowir.search.rules import Combination
from flowir.search.space import UNREACHED, Points, Space
from tests.search.random_workflows import random_scenarios, random_workflow

SourceOf = Callable[[Workflow], Source]

every_algorithm = pytest.mark.parametrize("algorithm", BLACK_BOXES)


def random_problem(seed: int) -> Problem:
    """Any construct, tied decisions and structures, configurations that may not be chosen."""
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, decisions=3)
    scenarios = random_scenarios(rng, workflow, queries=4)
    return Problem(Space(workflow), scenarios, ("accuracy", "latency"), Measure("sequential"))


def sized_problem(seed: int) -> Problem:
    """A random one of one structure, with two decisions or more that make a difference."""
    return next(
        found
        for found in (random_problem(1000 * seed + i) for i in range(1000))
        if len(structures := list(found.space.structures())) == 1
        and found.space.used(structures[0])[:2] == (0, 1)
        and all(len(d.choices) > 1 for d in found.space.workflow.decisions[:2])
    )


def allowed(space: Space) -> set[bytes]:
    """Every point there is."""
    parts = [space.points(s, 0, space.settings_of(s)) for s in space.structures()]
    return set(Points.join(parts).identities())


@every_algorithm
@pytest.mark.parametrize("seed", range(12))
def test_only_points_of_the_space_are_asked_for_and_told_their_losses(
    algorithm: BlackBox, seed: int
) -> None:
    problem = random_problem(seed)
    asked = black_box(problem, algorithm, evaluations=60, seed=seed)
    assert set(asked.points.identities()) <= allowed(problem.space)
    np.testing.assert_array_equal(asked.losses, problem.losses(asked.points))
    assert len(asked.points) <= 60


@every_algorithm
def test_a_seed_gives_the_same_points_and_a_longer_run_begins_with_a_shorter(
    algorithm: BlackBox, workflow: Workflow, source_of: SourceOf
) -> None:
    problem = Problem(
        Space(workflow), source_of(workflow)(2, 8, 1), ("accuracy", "latency", "cost")
    )
    asked = black_box(problem, algorithm, evaluations=120, seed=3)
    again = black_box(problem, algorithm, evaluations=120, seed=3)
    shorter = black_box(problem, algorithm, evaluations=70, seed=3)
    other = black_box(problem, algorithm, evaluations=70, seed=4)
    assert asked.points.identities() == again.points.identities()
    assert asked.points.identities()[:70] == shorter.points.identities()
    assert asked.points.identities()[:70] != other.points.identities()
    np.testing.assert_array_equal(asked.losses, again.losses)


@pytest.mark.slow
@every_algorithm
def test_choosing_beats_chance(
    algorithm: BlackBox, workflow: Workflow, source_of: SourceOf
) -> None:
    """Told the losses the wrong way round, an optimiser finds a worse front: it listens to them."""
    problem = Problem(Space(workflow), source_of(workflow)(2, 8, 1), ("accuracy", "latency"))

    class Reversed(Problem):
        def losses(self, points: Points) -> np.ndarray:
            return -super().losses(points)

    backwards = Reversed(problem.space, problem.scenarios, problem.objectives, problem.measure)
    areas = {}
    for name, one in (("forwards", problem), ("backwards", backwards)):
        runs = [black_box(one, algorithm, evaluations=250, seed=seed) for seed in range(3)]
        # What the last fifty settle on, not what was stumbled on at the start.
        areas[name] = np.mean(
            [hypervolume(problem.losses(run.points[200:]), (0.0, 30.0)) for run in runs]
        )
    assert areas["forwards"] > areas["backwards"]


@every_algorithm
def test_an_exploration_by_it_is_a_front_within_limits(
    algorithm: BlackBox, workflow: Workflow, source_of: SourceOf
) -> None:
    options = Options(
        objectives=("accuracy", "latency"),
        draws=4,
        scenarios=16,
        limit=150,
        survivors=20,
        max_latency=40.0,
        algorithm=algorithm,
    )
    front = explore(workflow, source_of(workflow), options)
    assert front.facts.method == algorithm
    assert 0 < front.facts.evaluated <= 150
    values = np.array(
        [
            [p.estimates["accuracy"].mean, p.estimates["latency_s"].mean]
            for p in front.points
            if not p.baseline
        ]
    )
    assert non_dominated(values * [-1.0, 1.0], duplicates=True).all()
    assert (values[:, 1] <= 40.0).all()
    again = explore(workflow, source_of(workflow), options)
    assert again.points == front.points


@every_algorithm
def test_a_workflow_without_choices_is_one_point(algorithm: BlackBox) -> None:
    problem = next(found for found in map(random_problem, range(200)) if found.space.size() == 1)
    asked = black_box(problem, algorithm, evaluations=5)
    assert len(asked.points.distinct()) == 1


def test_what_may_not_be_chosen_is_never_asked_for() -> None:
    """`closed` configurations: what is done today, and no longer in the space."""
    closed = next(
        found
        for found in map(random_problem, range(200))
        if any(d.closed for d in found.space.workflow.decisions) and (found.space.size() or 0) > 4
    )
    for algorithm in BLACK_BOXES:
        settings = black_box(closed, algorithm, evaluations=100).points.settings
        for d, decision in enumerate(closed.space.workflow.decisions):
            assert set(settings[:, d].tolist()) <= {UNREACHED, *decision.choices}


@every_algorithm
@pytest.mark.parametrize("seed", range(6))
def test_forbidden_combinations_are_never_given_back(algorithm: BlackBox, seed: int) -> None:
    free = sized_problem(seed)
    rng = np.random.default_rng(seed)
    terms = tuple(
        (
            ("decision", d),
            frozenset(rng.choice(decision.choices, max(1, len(decision.choices) - 1)).tolist()),
        )
        for d, decision in enumerate(free.space.workflow.decisions[:2])
    )
    space = Space(free.space.workflow, (Combination("forbid", terms),))
    problem = Problem(space, free.scenarios, free.objectives, free.measure)
    asked = black_box(problem, algorithm, evaluations=120, seed=seed)
    assert 0 < len(asked.points) <= 120
    for row in asked.points.settings:
        assert not all(row[d] in which for (_, d), which in terms)
    np.testing.assert_array_equal(asked.losses, problem.losses(asked.points))


@every_algorithm
def test_where_everything_asked_for_is_forbidden_there_is_one_message(algorithm: BlackBox) -> None:
    free = sized_problem(0)
    used = free.space.used(next(iter(free.space.structures())))
    everything = tuple(
        Combination("forbid", ((("decision", d), frozenset(decision.choices)),))
        for d, decision in enumerate(free.space.workflow.decisions)
    )
    assert used
    space = Space(free.space.workflow, everything)
    problem = Problem(space, free.scenarios, free.objectives, free.measure)
    with pytest.raises(SearchError, match="the 20 points asked for is forbidden; forbid less"):
        black_box(problem, algorithm, evaluations=20)


@every_algorithm
@pytest.mark.parametrize("seed", range(5))
def test_it_keeps_to_lists_locks_and_labels(
    algorithm: BlackBox, seed: int, workflow: Workflow, source_of: SourceOf
) -> None:
    """Of every axis; rules written by hand, checked in the words of the front."""
    options = Options(
        objectives=("accuracy", "latency"),
        draws=2,
        scenarios=9,
        limit=60,
        execution="sequential",
        seed=seed,
        algorithm=algorithm,
        allow=("strategy: two | retry", "coder/: small | large@400"),
        lock=("critic: small",),
        forbid=("coder/: small@100 & fixer: large", "strategy: retry & fixer: small"),
    )
    front = explore(workflow, source_of(workflow), options)
    place = {str(decision): i for i, decision in enumerate(front.decisions)}
    others = [point for point in front.every if not point.baseline]
    assert others
    for point in others:
        chosen = {
            name: "" if point.configurations[i] is None else str(point.configurations[i])
            for name, i in place.items()
        }
        assert point.choices[0] in {"two", "retry"}
        assert chosen["coder"] in {
            "",
            "small, budget 100",
            "small, budget 400",
            "large, budget 400",
        }
        assert chosen["critic"] == "small"
        assert not (chosen["coder"] == "small, budget 100" and chosen["fixer"] == "large")
        assert not (point.choices[0] == "retry" and chosen["fixer"] == "small")


@every_algorithm
def test_a_limit_of_time_leaves_what_was_found(
    algorithm: BlackBox,
    workflow: Workflow,
    source_of: SourceOf,
) -> None:
    problem = Problem(Space(workflow), source_of(workflow)(2, 8, 1), ("accuracy", "latency"))
    whole = black_box(problem, algorithm, evaluations=120, seed=3)
    assert not whole.stopped

    class Clock(Problem):
        """Time is up at the second generation."""

        def losses(self, points: Points) -> np.ndarray:
            if len(self._known) > 1:
                raise StoppedError("time is up")
            self._known[str(len(self._known))] = None  # type: ignore[assignment]
            return Problem(self.space, self.scenarios, self.objectives).losses(points)

    clocked = Clock(problem.space, problem.scenarios, problem.objectives)
    part = black_box(clocked, algorithm, evaluations=120, seed=3)
    assert part.stopped == "time is up"
    assert 0 < len(part.points) < 120
    assert part.points.identities() == whole.points.identities()[: len(part.points)]
    tight = Options(draws=2, scenarios=9, algorithm=algorithm, max_memory=1.0)
    front = explore(workflow, source_of(workflow), tight)
    assert front.facts.method == "partial"
    assert front.points


@pytest.mark.parametrize(
    ("algorithm", "package"), [("optuna-tpe", "optuna"), ("pymoo-nsga2", "pymoo")]
)
def test_a_missing_package_is_named_with_the_extra(
    algorithm: BlackBox, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        SearchError, match=rf"{package}.* not installed; install flowir\[blackbox\]"
    ):
        black_box(random_problem(0), algorithm, evaluations=1)


def test_an_unknown_algorithm_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        SearchError, match="algorithm=annealing: unknown; use one of flowir, optuna"
    ):
        Options(algorithm="annealing")


def test_the_pass_hands_the_algorithm_on() -> None:
    assert FlowDse().options().algorithm == "flowir"
    assert FlowDse(algorithm="optuna-tpe").options().algorithm == "optuna-tpe"
