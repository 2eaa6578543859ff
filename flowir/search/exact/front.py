"""The exact Pareto front of a workflow in the mean-field model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import Execution
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.errors import SearchError
from flowir.search.enumerate import enumerate_space
from flowir.search.exact.calls import Calls
from flowir.search.exact.columns import Array, Indices
from flowir.search.exact.composer import Composer
from flowir.search.exact.dominance import undominated
from flowir.search.exact.entangled import EntangledError
from flowir.search.exact.partial import choices
from flowir.search.exact.reached import reached
from flowir.search.exact.thin import Limits
from flowir.search.exact.timing import UncomposableError
from flowir.search.problem import OBJECTIVES, Measure, Objective, Problem
from flowir.search.space import Space

Method = Literal["composed", "structures", "enumerated"]

WIDTH = 1 << 25
"""Pairs of options × joint states of open events that one merge may work out."""

STRUCTURES = 4096
"""Structures that are composed one by one where they cannot be composed together."""

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
    """

    objectives: tuple[Objective, ...]
    structure: Indices
    settings: Indices
    values: Array
    method: Method = "composed"

    def __len__(self) -> int:
        return len(self.values)


def exact_front(
    workflow: Workflow,
    scenarios: Scenarios,
    objectives: Sequence[Objective] = ("accuracy", "latency"),
    execution: Execution = "asyncio",
    *,
    width: int = WIDTH,
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
    search = _Search(workflow, scenarios, wanted, execution, width)
    try:
        return search.composed(workflow)
    except (EntangledError, UncomposableError):
        return search.one_by_one()


@dataclass(frozen=True)
class _Search:
    workflow: Workflow
    scenarios: Scenarios
    objectives: tuple[Objective, ...]
    execution: Execution
    width: int

    def composed(self, workflow: Workflow) -> ExactFront:
        """The front of the workflow, or of one of its structures."""
        spent = tuple(objective for objective in self.objectives if objective != "accuracy")
        front = Composer(
            workflow,
            Calls(workflow, self.scenarios, spent),
            Limits(self.width),
            success="accuracy" in self.objectives,
            timed=self.execution == "asyncio",
        ).workflow()
        values = np.zeros((front.size, len(self.objectives)))
        for column, name in enumerate(self.objectives):
            known = front.columns.right if name == "accuracy" else front.columns.amounts.get(name)
            if known is not None:
                values[:, column] = known.reshape(-1)
        made = reached(workflow.body, choices(front.origin, np.arange(front.size)), front.size)
        return _front(
            self.objectives,
            _stacked([made[structure.name] for structure in workflow.structures], front.size),
            _stacked([made[d] for d in range(len(workflow.decisions))], front.size),
            values,
            "composed",
        )

    def one_by_one(self) -> ExactFront:
        """The front of the fronts of all structures."""
        space = Space(self.workflow)
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
        return _front(
            self.objectives,
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
            return self._enumerated(workflow)

    def _enumerated(self, workflow: Workflow) -> ExactFront:
        space = Space(workflow)
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


def _stacked(columns: Sequence[npt.NDArray[np.intp]], size: int) -> Indices:
    return np.column_stack(columns) if columns else np.empty((size, 0), dtype=np.intp)
