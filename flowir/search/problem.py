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
from flowir.errors import SearchError
from flowir.search.anytime import check
from flowir.search.measuring import Measuring
from flowir.search.serial import waits_for_one
from flowir.search.space import Points, Space

Array = npt.NDArray[np.float64]

Objective = Literal["accuracy", "latency", "cost"]
LatencyStatistic = Literal["mean", "p50", "p95"]
Model = Literal["scenario", "mean-field"]
Queries = Literal["population", "profiled"]

OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
"""What can be asked of a point, in the order in which it is always reported."""

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

    def evaluate(self, points: Points) -> Array:
        """[B, K] each objective of each point over all scenarios: share, seconds, US dollars.

        Quantiles of latency are those of the posterior predictive distribution.
        """
        if self.measure.model == "mean-field":
            scenarios = self.scenarios.point()
        else:
            scenarios = replace(self.scenarios, draws=1, queries=self.scenarios.size)
        return self._measured(points, scenarios)[:, :, 0]

    def evaluate_per_draw(self, points: Points) -> Array:
        """[B, K, draws] each objective of each point, draw by draw."""
        mean_field = self.measure.model == "mean-field"
        return self._measured(points, self.scenarios.mean_field() if mean_field else self.scenarios)

    def losses(self, points: Points) -> Array:
        """[B, K] what is minimised: `evaluate`, accuracy negated."""
        return losses(self.evaluate(points), self.objectives)

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
        asked = self.objectives
        success, cost, latency = self._measuring(scenarios).success_cost_latency(
            workflow,
            chosen,
            success="accuracy" in asked,
            cost="cost" in asked,
            latency="latency" in asked,
            realised=self.measure.realises(workflow),
        )
        columns: dict[Objective, Array] = {}
        if "accuracy" in asked:
            columns["accuracy"] = scenarios.per_draw(success).mean(axis=-1)
        if "cost" in asked:
            columns["cost"] = scenarios.per_draw(cost).mean(axis=-1)
        if "latency" in asked:
            columns["latency"] = _statistic(scenarios.per_draw(latency), self.measure.latency)
        return np.stack([columns[objective] for objective in self.objectives], axis=1)

    def _measuring(self, scenarios: Scenarios) -> Measuring:
        """Kept from batch to batch, for the noise."""
        known = self._known.get("measuring")
        if known is None or known.scenarios.calls is not scenarios.calls:
            known = Measuring(scenarios, self.measure.execution, self.seed)
            self._known["measuring"] = known
        return replace(known, scenarios=scenarios)


def losses(values: Array, objectives: Sequence[Objective]) -> Array:
    """[B, K, …] what is minimised, without differences that only rounding made.

    40 bits are kept: points that differ by less are the same computed in another order.
    """
    signs = np.array([-1.0 if objective == "accuracy" else 1.0 for objective in objectives])
    mantissa, exponent = np.frexp(values * signs.reshape(-1, *[1] * (values.ndim - 2)))
    return np.asarray(np.ldexp(np.round(mantissa * 2.0**40) / 2.0**40, exponent))


def _statistic(latency: Array, which: LatencyStatistic) -> Array:
    """[B, draws] of latency [B, draws, queries]: the mean, or a quantile inside each draw."""
    if which == "mean":
        return np.asarray(latency.mean(axis=-1))
    return np.asarray(np.quantile(latency, QUANTILES[which], axis=-1))
