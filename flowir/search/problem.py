"""The problem search solves: which points are better, by what, under which model.

Algorithms see a space, and losses of points; they know nothing of workflows or scenarios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import Execution
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.calculus.tracks import Quantity
from flowir.errors import SearchError
from flowir.search.anytime import check
from flowir.search.measuring import Measuring
from flowir.search.serial import waits_for_one
from flowir.search.space import Labels, Points, Space

Array = npt.NDArray[np.float64]

Objective = Literal["accuracy", "latency", "cost"]
LatencyStatistic = Literal["mean", "p50", "p95"]
Model = Literal["scenario", "mean-field"]
Queries = Literal["population", "profiled"]

OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
"""What can be asked of a point, in the order in which it is always reported."""

QUANTITY: dict[Objective, Quantity] = {
    "accuracy": "right",
    "latency": "latency",
    "cost": "cost",
}
"""What of a run an objective is the mean or a quantile of."""

QUANTILES = {"p50": 0.5, "p95": 0.95}

ELEMENTS = 1 << 21
"""Points × scenarios of one evaluation; larger batches are cut."""


def one_of(option: str, value: str, known: Sequence[str]) -> None:
    """Raises `SearchError` unless `value` is known."""
    if value not in known:
        raise SearchError(f"{option}={value}: unknown; use one of {', '.join(known)}")


@dataclass(frozen=True)
class Measure:
    """How a point is measured.

    Attributes:
        execution: how the workflow runs: one call at a time, or each when its inputs are there.
        model: `scenario`, or `mean-field`, the published independence proxy.
        latency: what is reported of the distribution of latency over queries and noise.
    """

    execution: Execution = "asyncio"
    model: Model = "scenario"
    latency: LatencyStatistic = "mean"

    def __post_init__(self) -> None:
        one_of("execution", self.execution, get_args(Execution))
        one_of("model", self.model, get_args(Model))
        one_of("latency", self.latency, get_args(LatencyStatistic))
        if self.model == "mean-field" and self.latency != "mean":
            raise SearchError(
                f"latency={self.latency} with model=mean-field: mean-field has no distribution of "
                "latency; use model=scenario, or latency=mean"
            )

    def realises(self, workflow: Workflow) -> bool:
        """Whether latency has to be drawn per call: no expectation gives a maximum or quantile."""
        if self.model == "mean-field":
            return False
        sums = self.execution == "sequential"
        if self.execution == "asyncio":
            sums = waits_for_one(workflow)
        return not (sums and self.latency == "mean")


@dataclass(frozen=True, eq=False)
class Problem:
    """A space, and what is minimised over it.

    Attributes:
        space: the points there are.
        scenarios: single calls; for `mean-field` any scenarios, averaged here.
        objectives: what is compared, in the order of `OBJECTIVES`.
        measure: how points are measured.
        seed: of the realised latencies; equal seeds share their random numbers across points.
    """

    space: Space
    scenarios: Scenarios
    objectives: tuple[Objective, ...]
    measure: Measure = Measure()
    seed: int = 0
    _known: dict[str, Measuring] = field(default_factory=dict, repr=False)
    _indifferent: dict[tuple[int, ...], tuple[int, ...]] = field(default_factory=dict, repr=False)

    def evaluate(self, points: Points) -> Array:
        """[B, K] each objective of each point over all scenarios: share, seconds, US dollars.

        Quantiles of latency are those of the posterior predictive distribution.
        """
        return self._measured(points, self._pooled())[:, :, 0]

    def evaluate_per_draw(self, points: Points) -> Array:
        """[B, K, draws] each objective of each point, draw by draw."""
        mean_field = self.measure.model == "mean-field"
        return self._measured(points, self.scenarios.mean_field() if mean_field else self.scenarios)

    def losses(self, points: Points) -> Array:
        """[B, K] what is minimised: `evaluate`, accuracy negated."""
        return losses(self.evaluate(points), self.objectives)

    def canonical(self, points: Points) -> Points:
        """The points [B] that stand for these: what makes no difference is as today.

        A decision makes none in a structure where no objective depends on it, as that of a call
        which nothing reads where cost is not compared, and no rule names it. Points that stand
        for each other are equally good, and so are the points one exchange away.
        """
        settings = points.settings.copy()
        structures, group = np.unique(points.structure, axis=0, return_inverse=True)
        for number, structure in enumerate(structures):
            rows = np.flatnonzero(group.reshape(-1) == number)
            for decision in self.indifferent(structure):
                settings[rows, decision] = self.space.default(decision)
        return Points(points.structure, settings)

    def indifferent(self, structure: Labels) -> tuple[int, ...]:
        """Decisions that a structure reaches and that make no difference, sorted."""
        row = tuple(int(label) for label in structure)
        if row not in self._indifferent:
            workflow = self.space.specialised(row)
            measuring = self._measuring(self._pooled())
            kept = {*measuring.depends(workflow, drawn=self.measure.realises(workflow))}
            kept.update(self.space.ruled)
            self._indifferent[row] = tuple(d for d in self.space.used(row) if d not in kept)
        return self._indifferent[row]

    def _pooled(self) -> Scenarios:
        """All scenarios as those of one draw; of `mean-field` their average."""
        if self.measure.model == "mean-field":
            return self.scenarios.point()
        return replace(self.scenarios, draws=1, queries=self.scenarios.size)

    def _measured(self, points: Points, scenarios: Scenarios) -> Array:
        """[B, K, draws] of any scenarios, structure by structure."""
        result = np.empty((len(points), len(self.objectives), scenarios.draws))
        structures, group = np.unique(points.structure, axis=0, return_inverse=True)
        group = group.reshape(-1)
        step = max(1, ELEMENTS // scenarios.size)
        for number, structure in enumerate(structures):
            rows = np.flatnonzero(group == number)
            for start in range(0, len(rows), step):
                check()
                chunk = rows[start : start + step]
                result[chunk] = self._batch(structure, points.settings[chunk], scenarios)
        return result

    def _batch(
        self, structure: Sequence[int], settings: npt.NDArray[np.int16], scenarios: Scenarios
    ) -> Array:
        """[B, K, draws] of settings [B, D] of one structure."""
        workflow = self.space.specialised(structure)
        chosen = np.maximum(settings, 0).astype(np.intp)
        found = self._measuring(scenarios).measured(
            workflow, chosen, drawn=self.measure.realises(workflow)
        )
        columns: dict[Objective, Array] = {}
        for objective in self.objectives:
            values = scenarios.per_draw(found[QUANTITY[objective]])
            statistic = self.measure.latency if objective == "latency" else "mean"
            columns[objective] = _statistic(values, statistic)
        return np.stack([columns[objective] for objective in self.objectives], axis=1)

    def _measuring(self, scenarios: Scenarios) -> Measuring:
        """Kept from batch to batch, for the noise."""
        known = self._known.get("measuring")
        if known is None or known.scenarios.calls is not scenarios.calls:
            asked = frozenset(QUANTITY[objective] for objective in self.objectives)
            known = Measuring(scenarios, self.measure.execution, self.seed, asked)
            self._known["measuring"] = known
        return replace(known, scenarios=scenarios)


def losses(values: Array, objectives: Sequence[Objective]) -> Array:
    """[B, K, …] what is minimised, without differences that only rounding made.

    40 bits are kept: points that differ by less are the same computed in another order.
    """
    signs = np.array([-1.0 if objective == "accuracy" else 1.0 for objective in objectives])
    mantissa, exponent = np.frexp(values * signs.reshape(-1, *[1] * (values.ndim - 2)))
    return np.asarray(np.ldexp(np.round(mantissa * 2.0**40) / 2.0**40, exponent))


def _statistic(values: Array, which: LatencyStatistic) -> Array:
    """[B, draws] of values [B, draws, queries]: the mean, or a quantile inside each draw."""
    if which == "mean":
        return np.asarray(values.mean(axis=-1))
    return np.asarray(np.quantile(values, QUANTILES[which], axis=-1))
