"""Black-box search: optimisers that see nothing of a workflow, behind the same problem object.

They choose a value for every variable, are told the losses, and choose again. They know neither
structure nor composition, so they serve as a second opinion and as peers to be measured against.
Optuna and pymoo do the choosing (extra `blackbox`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from flowir.errors import SearchError
from flowir.search.anytime import StoppedError, report
from flowir.search.problem import Array, Problem, one_of
from flowir.search.space import Points

BlackBox = Literal["optuna-nsga2", "optuna-tpe", "pymoo-nsga2"]

BLACK_BOXES: tuple[BlackBox, ...] = get_args(BlackBox)

POPULATION = 50
"""Points of one generation of NSGA-II: the default of Optuna."""

MOST = 3_000
"""Evaluations beyond which an optimiser takes far longer to choose a point than to see it."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Asked:
    """Everything that an optimiser asked for.

    Attributes:
        points: N legal points in the order in which they were asked for; some perhaps several
            times.
        losses: [N, K] what `Problem.losses` says of them.
        stopped: which limit of time or memory ended it; empty if none did.
    """

    points: Points
    losses: Array
    stopped: str = ""


def black_box(problem: Problem, algorithm: BlackBox, *, evaluations: int, seed: int = 0) -> Asked:
    """Let an optimiser ask for so many points; what it asks for twice is counted twice.

    A forbidden combination is counted, not evaluated, and the optimiser told that it is no
    solution. A limit of time or memory ends the asking. A seed gives the same points; a longer run
    begins with those of a shorter one.

    Raises:
        SearchError: an unknown algorithm, the package that has it is not installed, or all that it
            asked for is forbidden.
    """
    one_of("algorithm", algorithm, BLACK_BOXES)
    told = _Told(problem)
    stopped = ""
    try:
        _ASKING[algorithm](told, evaluations, seed)
    except StoppedError as error:
        stopped = str(error)
    except ModuleNotFoundError as error:
        raise SearchError(
            f"algorithm={algorithm}: the package {error.name} is not installed; "
            "install flowir[blackbox], or leave algorithm out"
        ) from None
    asked = told.asked(stopped)
    if not len(asked.points) and not stopped:
        raise SearchError(
            f"algorithm={algorithm}: each of the {evaluations} points asked for is forbidden; "
            "forbid less, raise limit, or leave algorithm out"
        )
    return asked


class _Told:
    """The space as categorical variables: every structural choice, then every decision.

    What a structure does not reach has a value all the same and makes no difference. A point is
    evaluated when it is first asked for, and then remembered.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._known: dict[bytes, Array] = {}
        self._points: list[Points] = []
        self._losses: list[Array] = []

    @cached_property
    def variables(self) -> dict[str, list[int]]:
        """What each variable may be, by a name of its own."""
        workflow = self.problem.space.workflow
        labels = [list(range(len(structure.labels))) for structure in workflow.structures]
        settings = [list(decision.choices) for decision in workflow.decisions]
        empty = [d for d in workflow.decisions if not d.choices]
        if empty:
            raise SearchError(
                f"decision {empty[0]}: no configuration may be chosen; widen its space"
            )
        return {f"structure {i}": values for i, values in enumerate(labels)} | {
            f"decision {i}": values for i, values in enumerate(settings)
        }

    def losses(self, rows: Rows) -> Array:
        """[B, K] losses of values [B, V] of the variables; NaN where they are forbidden."""
        space = self.problem.space
        structures = len(space.workflow.structures)
        points = Points.join(
            [space.point(row[:structures].tolist(), row[structures:].tolist()) for row in rows]
        )
        legal = space.legal(points)
        allowed = points[legal]
        keys = allowed.identities()
        new = allowed[np.array([key not in self._known for key in keys], dtype=np.bool_)].distinct()
        if len(new):
            self._known |= zip(new.identities(), self.problem.losses(new), strict=True)
        values = np.full((len(points), len(self.problem.objectives)), np.nan)
        if len(allowed):
            values[legal] = [self._known[key] for key in keys]
        self._points.append(allowed)
        self._losses.append(values[legal])
        report(f"{len(self._known):,} points evaluated")
        return values

    def asked(self, stopped: str) -> Asked:
        """All points so far."""
        none = np.empty((0, len(self.problem.objectives)))
        points = Points.join([self.problem.space.baseline[:0], *self._points])
        return Asked(points, np.concatenate([none, *self._losses]), stopped)


def _optuna(told: _Told, evaluations: int, sampler: Any) -> None:
    import optuna

    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(values)
        for name, values in told.variables.items()
    }
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        objectives = len(told.problem.objectives)
        study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
        for _ in range(evaluations):
            trial = study.ask(distributions)
            row = [trial.params[name] for name in distributions]
            (values,) = told.losses(np.array([row], dtype=np.intp))
            if np.isnan(values).any():
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, values.tolist())
    finally:
        optuna.logging.set_verbosity(verbosity)


def _optuna_nsga2(told: _Told, evaluations: int, seed: int) -> None:
    from optuna.samplers import NSGAIISampler

    _optuna(told, evaluations, NSGAIISampler(population_size=POPULATION, seed=seed))


def _optuna_tpe(told: _Told, evaluations: int, seed: int) -> None:
    """Multivariate: variables are modelled together, and it is several times faster."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = TPESampler(multivariate=True, seed=seed)
    _optuna(told, evaluations, sampler)


def _pymoo_nsga2(told: _Told, evaluations: int, seed: int) -> None:
    """Uniform crossover; each variable mutates with chance 1/V, V of them.

    The mutation of pymoo sees one categorical variable at a time, and would change half of them.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
    from pymoo.core.mixed import (
        MixedVariableDuplicateElimination,
        MixedVariableMating,
        MixedVariableSampling,
    )
    from pymoo.core.problem import Problem as Variables
    from pymoo.core.variable import Choice
    from pymoo.operators.crossover.ux import UX
    from pymoo.operators.mutation.rm import ChoiceRandomMutation
    from pymoo.operators.selection.tournament import TournamentSelection

    names = list(told.variables)
    unlike = MixedVariableDuplicateElimination()
    mating = MixedVariableMating(
        selection=TournamentSelection(func_comp=binary_tournament),
        crossover={Choice: UX()},
        mutation={Choice: ChoiceRandomMutation(prob_var=1 / max(len(names), 1))},
        eliminate_duplicates=unlike,
    )
    algorithm = NSGA2(
        pop_size=POPULATION,
        sampling=MixedVariableSampling(),
        mating=mating,
        eliminate_duplicates=unlike,
    )
    choices = {name: Choice(options=values) for name, values in told.variables.items()}
    described = Variables(vars=choices, n_obj=len(told.problem.objectives), n_ieq_constr=1)
    algorithm.setup(described, seed=seed, termination=("n_eval", evaluations), verbose=False)
    left = evaluations
    while left > 0:
        population = algorithm.ask()
        if population is None or not len(population):
            return  # nothing unlike what it has: the space is smaller than that
        population = population[:left]
        rows = np.array([[x[name] for name in names] for x in population.get("X")], dtype=np.intp)
        values = told.losses(rows)
        population.set("F", np.nan_to_num(values))
        population.set("G", np.isnan(values[:, :1]).astype(np.float64))
        algorithm.tell(infills=population)
        left -= len(rows)


_ASKING: dict[BlackBox, Callable[[_Told, int, int], None]] = {
    "optuna-nsga2": _optuna_nsga2,
    "optuna-tpe": _optuna_tpe,
    "pymoo-nsga2": _pymoo_nsga2,
}
