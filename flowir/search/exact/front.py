"""The exact Pareto front of a workflow in the mean-field model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import Execution
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow, walk
from flowir.errors import SearchError
from flowir.search.enumerate import enumerate_space
from flowir.search.exact.calls import Calls
from flowir.search.exact.columns import Array, Indices
from flowir.search.exact.composer import Composer
from flowir.search.exact.dominance import undominated
from flowir.search.exact.entangled import EntangledError
from flowir.search.exact.partial import Key, PartialFront, choices
from flowir.search.exact.reached import reached
from flowir.search.exact.thin import Limits
from flowir.search.exact.timing import UncomposableError
from flowir.search.problem import OBJECTIVES, Measure, Objective, Problem
from flowir.search.rules import Combination
from flowir.search.space import Points, Space

Method = Literal["composed", "structures", "enumerated"]

WIDTH = 1 << 25
"""Pairs of options × joint states of open events that one merge may work out."""

STRUCTURES = 4096
"""Structures that are composed one by one where they cannot be composed together."""

MOST = 2048
"""Options of a part that are kept where three objectives are compared."""

FRAMES = 16
"""Calls that composing one term inside another nests."""

POINTS = 1 << 20
"""Points that are enumerated where a structure cannot be composed."""


@dataclass(frozen=True, eq=False)
class ExactFront:
    """The Pareto front of the mean-field model: of points of equal value, one.

    Attributes:
        objectives: what is compared, in the order of the columns of `values`.
        structure: [N, A] index of the label chosen for each structural choice, −1 where a point
            does not reach it.
        settings: [N, D] index of the configuration chosen for each decision, −1 where not reached.
        values: [N, K] accuracy (0..1, more is better), latency (seconds), cost (US dollars);
            ordered by the first objective, the best last.
        method: whether the workflow was composed as a whole, structure by structure, or whether
            some structure had to be enumerated.
        epsilon: no point of the true front is better than every one of these by more than this
            factor: some point here has at least 1/(1 + ε) of its accuracy, at most 1 + ε times its
            latency and cost. 0 if this is the true front.
    """

    objectives: tuple[Objective, ...]
    structure: Indices
    settings: Indices
    values: Array
    method: Method = "composed"
    epsilon: float = 0.0

    def __len__(self) -> int:
        return len(self.values)


def exact_front(
    workflow: Workflow,
    scenarios: Scenarios,
    objectives: Sequence[Objective] = ("accuracy", "latency"),
    execution: Execution = "asyncio",
    *,
    width: int = WIDTH,
    most: int | None = None,
    forbidden: Sequence[Combination] = (),
) -> ExactFront:
    """The true Pareto front over all decisions and structures, without enumerating the space.

    Equal to the front of `expect` over every point, with the scenarios averaged into one. The work
    grows with the fronts of the parts, and exponentially in how many choices and shared values are
    open at once.

    Args:
        workflow: alternatives still open.
        scenarios: of its decisions; their mean is searched.
        objectives: some of accuracy, latency and cost.
        execution: how independent calls run.
        width: most pairs of options × joint states of shared values that one merge may work out.
        most: options of a part beyond which similar ones are left out, and `epsilon` says what that
            lost. None for all of them in one or two objectives; three then keep `MOST`.
        forbidden: what may not be chosen at once. Options that differ in what these name are kept
            apart to the end, so the work grows with the product of their numbers.

    Raises:
        SearchError: an objective that is not known for every configuration, or more has to be kept
            apart than `width` allows; the message names the site and what to untie.
        CalculusError: a workflow that the calculus cannot compose.
    """
    wanted = tuple(objective for objective in OBJECTIVES if objective in objectives)
    if len(wanted) != len(objectives) or not wanted:
        raise SearchError(
            f"objectives {', '.join(objectives)}: give each of {', '.join(OBJECTIVES)} at most once"
        )
    if execution not in get_args(Execution):
        raise SearchError(f"execution={execution}: use one of {', '.join(get_args(Execution))}")
    limits = Limits(width, MOST if most is None and len(wanted) > 2 else most)
    search = _Search(workflow, scenarios, wanted, execution, limits, tuple(forbidden))
    with _deep(FRAMES * sum(1 for _ in walk(workflow.body))):
        try:
            found = search.composed(workflow)
        except (EntangledError, UncomposableError):
            found = search.one_by_one()
    return replace(found, epsilon=_distance(found.values, search.outer, wanted))


@contextmanager
def _deep(frames: int) -> Iterator[None]:
    """Let calls nest deeper by so many frames: a value is composed inside its reader."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@dataclass(eq=False)
class _Search:
    """
    Attributes:
        outer: [N, K] values that no point is better than, of what was thinned on the way.
    """

    workflow: Workflow
    scenarios: Scenarios
    objectives: tuple[Objective, ...]
    execution: Execution
    limits: Limits
    forbidden: tuple[Combination, ...] = ()
    outer: list[Array] = field(default_factory=list)

    def composed(self, workflow: Workflow) -> ExactFront:
        """The front of the workflow, or of one of its structures."""
        composer = self._composer(workflow, self.limits)
        front = composer.workflow(self._apart(workflow))
        if composer.thinned:
            bounds = self._composer(workflow, replace(self.limits, outer=True))
            self.outer.append(self._values(bounds.workflow(self._apart(workflow))))
        values = self._values(front)
        made = reached(workflow.body, choices(front.origin, np.arange(front.size)), front.size)
        found = (
            _stacked([made[structure.name] for structure in workflow.structures], front.size),
            _stacked([made[d] for d in range(len(workflow.decisions))], front.size),
            values,
        )
        if not workflow.structures and self.workflow.structures:
            return ExactFront(self.objectives, *found)
        return self._front(*found, "composed")

    def _apart(self, workflow: Workflow) -> frozenset[Key]:
        """The choices that forbidden combinations name."""
        names = [structure.name for structure in self.workflow.structures]
        places = [place for each in self.forbidden for place, _ in each.terms]
        return frozenset(
            number if kind == "decision" else names[number]
            for kind, number in places
            if kind == "decision" or workflow.structures
        )

    def _front(
        self, structure: Indices, settings: Indices, values: Array, method: Method
    ) -> ExactFront:
        """The front of the legal ones of these points."""
        if self.forbidden:
            space = Space(self.workflow, self.forbidden)
            points = Points(structure.astype(np.int16), settings.astype(np.int16))
            legal = space.legal(points)
            if not legal.any():
                rules = " and ".join(each.text for each in self.forbidden)
                raise SearchError(f"{rules}: no configuration is left")
            structure, settings, values = structure[legal], settings[legal], values[legal]
        return _front(self.objectives, structure, settings, values, method)

    def _composer(self, workflow: Workflow, limits: Limits) -> Composer:
        spent = tuple(objective for objective in self.objectives if objective != "accuracy")
        calls = Calls(workflow, self.scenarios, spent)
        success, timed = "accuracy" in self.objectives, self.execution == "asyncio"
        return Composer(workflow, calls, limits, success=success, timed=timed)

    def _values(self, front: PartialFront) -> Array:
        values = np.zeros((front.size, len(self.objectives)))
        for column, name in enumerate(self.objectives):
            known = front.columns.right if name == "accuracy" else front.columns.amounts.get(name)
            if known is not None:
                values[:, column] = known.reshape(-1)
        return values

    def one_by_one(self) -> ExactFront:
        """The front of the fronts of all structures."""
        space = Space(self.workflow, self.forbidden)
        found = list(islice(space.structures(), STRUCTURES + 1))
        if len(found) > STRUCTURES:
            names = ", ".join(structure.name for structure in self.workflow.structures)
            raise SearchError(
                f"exact search of {self.workflow.name}: what alternatives {names} give on changes "
                "what other parts read, and there are more than "
                f"{STRUCTURES} structures to compose one by one; make fewer choices open, "
                "or use the local search"
            )
        fronts = [self._structure(space, structure) for structure in found]
        methods = {front.method for front in fronts}
        method: Method = "enumerated" if "enumerated" in methods else "structures"
        return self._front(
            np.concatenate(
                [np.tile(row, (len(f), 1)) for row, f in zip(found, fronts, strict=True)]
            ).astype(np.intp),
            np.concatenate([front.settings for front in fronts]),
            np.concatenate([front.values for front in fronts]),
            method,
        )

    def _structure(self, space: Space, structure: tuple[int, ...]) -> ExactFront:
        workflow = space.specialised(structure)
        try:
            return self.composed(workflow)
        except UncomposableError:
            return self._enumerated(workflow, structure)

    def _enumerated(self, workflow: Workflow, structure: tuple[int, ...]) -> ExactFront:
        space = Space(workflow, _within(self.forbidden, structure))
        size = space.size()
        if size is None or size > POINTS:
            raise SearchError(
                f"exact search of {self.workflow.name}: concurrent parts of a region take a time "
                "that depends on a value from outside it, and the space is too large to "
                f"enumerate ({size} points); use execution=sequential, or the local search"
            )
        measure = Measure(self.execution, "mean-field")
        problem = Problem(space, self.scenarios, self.objectives, measure)
        points = enumerate_space(problem)
        return _front(
            self.objectives,
            points.structure.astype(np.intp),
            points.settings.astype(np.intp),
            problem.evaluate(points),
            "enumerated",
        )


def _front(
    objectives: tuple[Objective, ...],
    structure: Indices,
    settings: Indices,
    values: Array,
    method: Method,
) -> ExactFront:
    signs = np.array([-1.0 if objective == "accuracy" else 1.0 for objective in objectives])
    rows = undominated(values * signs, None)[::-1]
    return ExactFront(objectives, structure[rows], settings[rows], values[rows], method)


def _within(forbidden: Sequence[Combination], structure: Sequence[int]) -> tuple[Combination, ...]:
    """What is forbidden of settings once a structure is chosen."""
    found = []
    for each in forbidden:
        labels = [which for (kind, i), which in each.terms if kind == "structure"]
        places = [i for (kind, i), _ in each.terms if kind == "structure"]
        if all(structure[i] in which for i, which in zip(places, labels, strict=True)):
            settings = tuple(term for term in each.terms if term[0][0] == "decision")
            found.append(Combination(each.text, settings))
    return tuple(found)


def _distance(values: Array, bounds: Sequence[Array], objectives: Sequence[Objective]) -> float:
    """The factor, less 1, by which some bound is better than all values at most."""
    gap = 0.0
    for bound in (row for some in bounds for row in some):
        worse = np.ones(len(values))
        for column, objective in enumerate(objectives):
            good, bad = values[:, column], np.full(len(values), bound[column])
            if objective != "accuracy":
                good, bad = bad, good
            with np.errstate(divide="ignore", invalid="ignore"):
                worse = np.maximum(worse, np.where(bad > good, bad / good, 1.0))
        gap = max(gap, float(worse.min()) - 1.0)
    return gap


def _stacked(columns: Sequence[npt.NDArray[np.intp]], size: int) -> Indices:
    return np.column_stack(columns) if columns else np.empty((size, 0), dtype=np.intp)
