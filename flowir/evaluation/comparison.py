"""Predicted beside measured: point by point, and over all points."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.evaluation.agreement import (
    coverage,
    mean_absolute_error,
    pairwise,
    predictive_interval,
    spearman,
)
from flowir.evaluation.fronts import attained, expected_utility
from flowir.evaluation.store import Run
from flowir.search.front import QUANTITY, Front, words
from flowir.search.problem import LatencyStatistic

SCHEMA, VERSION = "flowir.evaluation", 1
RESAMPLES = 1000
"""Bootstrap samples of a quantile."""
ROUNDING = 1e-12
"""A spread of no more, by the mean, is that of floating-point sums of equal values."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Value:
    """A quantity of a point.

    Attributes:
        predicted, low, high: as the front has it.
        predictive_low, predictive_high: where a measurement with so many queries should fall.
        measured, error: and its standard error.
    """

    predicted: float
    low: float
    high: float
    predictive_low: float
    predictive_high: float
    measured: float
    error: float


@dataclass(frozen=True)
class Row:
    """A point: its number, what it chooses in words, and its quantities by name."""

    point: int
    configuration: str
    baseline: bool
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Agreement:
    """How well a quantity was predicted over all points; see :mod:`flowir.evaluation.agreement`."""

    spearman: float | None
    pairwise: float | None
    mean_absolute_error: float
    coverage: float


@dataclass(frozen=True)
class Comparison:
    """Predicted and measured.

    Attributes:
        queries: every point was measured on all of these and nothing else.
        claimed, attained, best: normalised hypervolume: of the front as predicted, of its points as
            measured, of the best of all points evaluated.
        utility, best_utility: expected over preferences: chosen by prediction, by measurement.
        latency: which statistic latencies are.
        cancelled: requests cut short, whose cost is not in what was measured.
        said: assumptions and warnings of the front.
        proxy: what stood in for labels, in a sentence; empty where what is right was known.
    """

    workflow: str
    queries: int
    credible: float
    latency: LatencyStatistic
    rows: tuple[Row, ...]
    agreement: Mapping[str, Agreement]
    claimed: float
    attained: float
    best: float
    utility: float
    best_utility: float
    cancelled: int
    judges: tuple[str, ...]
    said: tuple[str, ...]
    proxy: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON, see docs/evaluation.md."""
        return {"schema": SCHEMA, "version": VERSION, **asdict(self)}


def compare(
    front: Front,
    runs: Mapping[int, Sequence[Run]],
    *,
    cancelled: int = 0,
    seed: int = 0,
    proxy: str = "",
) -> Comparison:
    """Predicted beside measured.

    Args:
        runs: of each point, judged, on the same queries in the same order; one or more.
        proxy: see :class:`Comparison`.
    """
    facts = front.facts
    measures: dict[str, Callable[[Sequence[Run]], tuple[float, float]]] = {
        "accuracy": lambda some: _mean([run.correct or 0.0 for run in some]),
        "latency_s": lambda some: _latency([run.latency_s for run in some], facts.latency, seed),
        "cost_usd": lambda some: _mean([run.cost_usd or 0.0 for run in some]),
    }
    priced = all(run.cost_usd is not None for some in runs.values() for run in some)
    names = [
        name
        for name in (QUANTITY[objective] for objective in facts.objectives)
        if priced or name != "cost_usd"
    ]
    queries = len(next(iter(runs.values())))
    rows = tuple(
        Row(
            number,
            words(front, front.every[number]),
            front.every[number].baseline,
            {name: _value(front, number, name, measures[name](some), queries) for name in names},
        )
        for number, some in runs.items()
    )
    predicted = np.array([[row.values[name].predicted for name in names] for row in rows])
    measured = np.array([[row.values[name].measured for name in names] for row in rows])
    signs = np.array([1.0 if name == "accuracy" else -1.0 for name in names])
    claimed, reached, best = attained(predicted, measured, signs)
    utility, best_utility = expected_utility(predicted, measured, signs, seed=seed)
    return Comparison(
        front.workflow,
        queries,
        facts.credible,
        facts.latency,
        rows,
        {name: _agreement([row.values[name] for row in rows]) for name in names},
        claimed,
        reached,
        best,
        utility,
        best_utility,
        cancelled,
        tuple(dict.fromkeys(run.judge for some in runs.values() for run in some)),
        (*facts.assumptions, *facts.warnings),
        proxy,
    )


def _value(
    front: Front, number: int, name: str, measured: tuple[float, float], queries: int
) -> Value:
    estimate = front.every[number].estimates[name]
    mean, error = measured
    # Of a share the noise follows from what was predicted; of an amount it is what was seen.
    share = min(max(estimate.mean, 0.0), 1.0)
    noise = math.sqrt(share * (1.0 - share) / queries) if name == "accuracy" else error
    low, high = predictive_interval(
        estimate.low, estimate.high, estimate.mean, noise, front.facts.credible
    )
    low, high = max(low, 0.0), min(high, 1.0 if name == "accuracy" else math.inf)
    return Value(estimate.mean, estimate.low, estimate.high, low, high, mean, error)


def _agreement(values: Sequence[Value]) -> Agreement:
    predicted = np.array([value.predicted for value in values])
    measured = np.array([value.measured for value in values])
    intervals = np.array([[value.predictive_low, value.predictive_high] for value in values])
    return Agreement(
        spearman(predicted, measured),
        pairwise(predicted, measured),
        mean_absolute_error(predicted, measured),
        coverage(intervals, measured),
    )


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and its standard error; 0 of a single value."""
    some = np.array(values)
    mean = float(some.mean())
    spread = float(some.std(ddof=1)) if len(some) > 1 else 0.0
    if spread <= ROUNDING * abs(mean):
        spread = 0.0
    return mean, spread / math.sqrt(len(some))


def _latency(
    values: Sequence[float], statistic: LatencyStatistic, seed: int
) -> tuple[float, float]:
    """The statistic, and its standard error: of a quantile by the bootstrap (Efron, 1979)."""
    if statistic == "mean":
        return _mean(values)
    share = {"p50": 0.5, "p95": 0.95}[statistic]
    some = np.array(values)
    drawn = np.random.default_rng(seed).choice(some, size=(RESAMPLES, len(some)))
    spread = np.quantile(drawn, share, axis=1)
    return float(np.quantile(some, share)), float(spread.std(ddof=1))
