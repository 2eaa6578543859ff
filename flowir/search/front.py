"""The Pareto front of a workflow: what exploration hands to the IR, to JSON, and to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import Execution
from flowir.calculus.terms import Decision, Structure
from flowir.configuration import Configuration
from flowir.profile.prices import Price
from flowir.search.pareto import thin
from flowir.search.problem import LatencyStatistic, Model, Objective, Queries, losses

QUANTITY: Mapping[Objective, str] = {
    "accuracy": "accuracy",
    "latency": "latency_s",
    "cost": "cost_usd",
}
"""Name of an objective's estimate: its unit is part of the name, accuracy is a share."""


CERTAIN = 0.5
"""P(non-dominated) below which a point's place on the front is uncertain."""


@dataclass(frozen=True)
class Estimate:
    """A posterior mean with its equal-tailed credible interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class FrontPoint:
    """One way to compile the workflow.

    Attributes:
        estimates: by quantity: `accuracy` (share), `latency_s`, `cost_usd`.
        p_non_dominated: share of posterior draws in which no other survivor dominates it.
        worst: the worst any run can do, by quantity: `calls`.
        configurations: per decision; None where the point does not reach it.
        choices: label per structure; None where the point does not reach it.
        baseline: whether it is what is done today.
    """

    estimates: Mapping[str, Estimate]
    p_non_dominated: float
    worst: Mapping[str, int]
    configurations: tuple[Configuration | None, ...]
    choices: tuple[str | None, ...]
    baseline: bool = False

    @property
    def uncertain(self) -> bool:
        """Whether in most draws some other survivor dominates it."""
        return self.p_non_dominated < CERTAIN


@dataclass(frozen=True)
class Facts:
    """How a front came about.

    Attributes:
        objectives: what was compared.
        latency: `mean`, `p50` or `p95` of latency.
        execution, model, queries: see the options of exploration.
        method: `enumerated`, `exact`, `pair-closed`, `exchange-closed` or `partial`, or the
            black-box algorithm.
        credible: mass of the intervals.
        draws: posterior draws behind the estimates.
        scenarios: queries per draw, and (draw, query) pairs during the search.
        seed: of everything random.
        space: number of points in the space; None where there are too many structures to count.
        evaluated: points evaluated during the search.
        found: points on the front and today's, before it was thinned.
        limits: what points keep to, as `max-latency=5`.
        profile: SHA-256 of the observations, empty where none is known.
        prices: of the models in the space, by name, where they were known.
        rules: what was allowed, locked and forbidden, as `lock="coder: gpt-4"`.
        assumptions, warnings: one sentence each.
    """

    objectives: tuple[Objective, ...]
    latency: LatencyStatistic
    execution: Execution
    model: Model
    queries: Queries
    method: str
    credible: float
    draws: int
    scenarios: int
    seed: int
    space: int | None
    evaluated: int
    found: int
    limits: tuple[str, ...] = ()
    profile: str = ""
    prices: tuple[tuple[str, Price], ...] = ()
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Front:
    """Points in ascending order of latency; today's configuration is one of them.

    Attributes:
        workflow: its name.
        decisions, structures: what points choose, as in the workflow's terms.
        points: what no other point dominates in the posterior means; and today's.
        dominated: other points that were estimated and keep to the limits. They are numbered after
            `points`.
    """

    workflow: str
    decisions: tuple[Decision, ...]
    structures: tuple[Structure, ...]
    points: tuple[FrontPoint, ...]
    facts: Facts
    dominated: tuple[FrontPoint, ...] = ()

    @property
    def every(self) -> tuple[FrontPoint, ...]:
        """All points by number, the dominated ones last."""
        return (*self.points, *self.dominated)

    @property
    def baseline(self) -> int:
        """Index of the point that is done today."""
        return next(i for i, point in enumerate(self.points) if point.baseline)

    def losses(self) -> npt.NDArray[np.float64]:
        """[P, K] posterior means of the objectives, accuracy negated."""
        means = [
            [point.estimates[QUANTITY[objective]].mean for objective in self.facts.objectives]
            for point in self.points
        ]
        return losses(np.array(means), self.facts.objectives)

    def thinned(self, at_most: int) -> Front:
        """At most `at_most` points: today's, the best of each objective, then the knees."""
        kept = thin(self.losses(), at_most, [self.baseline])
        return replace(self, points=tuple(self.points[i] for i in kept), dominated=())


@dataclass(frozen=True)
class Difference:
    """A point against today's: points of accuracy (percentage points), ratios of the others.

    None where a quantity has no estimate, or today's is zero.
    """

    accuracy_points: float | None = None
    latency_ratio: float | None = None
    cost_ratio: float | None = None

    def __str__(self) -> str:
        words = []
        if self.latency_ratio is not None:
            words.append(f"{_ratio(self.latency_ratio)}× latency")
        if self.cost_ratio is not None:
            words.append(f"{_ratio(self.cost_ratio)}× cost")
        if self.accuracy_points is not None:
            words.append(_points(self.accuracy_points))
        return ", ".join(words)


def difference(point: FrontPoint, baseline: FrontPoint) -> Difference:
    """How the posterior means of a point differ from today's."""

    def mean(of: FrontPoint, quantity: str) -> float | None:
        estimate = of.estimates.get(quantity)
        return None if estimate is None else estimate.mean

    def ratio(quantity: str) -> float | None:
        own, today = mean(point, quantity), mean(baseline, quantity)
        return None if own is None or not today else own / today

    own, today = mean(point, "accuracy"), mean(baseline, "accuracy")
    return Difference(
        None if own is None or today is None else 100.0 * (own - today),
        ratio("latency_s"),
        ratio("cost_usd"),
    )


def _ratio(value: float) -> str:
    """Two significant digits, as few characters as they need."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


def _points(value: float) -> str:
    """Percentage points with a sign, one decimal below ten."""
    text = f"{value:+.0f}" if abs(value) >= 9.95 else f"{value:+.1f}"
    text = text.removesuffix(".0")
    if float(text) == 0.0:
        return "same accuracy"
    return f"{text.replace('-', '−')} point{'' if text in ('+1', '-1') else 's'}"


def words(front: Front, point: FrontPoint) -> str:
    """What a point chooses, in words: `strategy retry; coder gpt-4-0613`."""
    chosen = [
        f"{structure.name} {label}"
        for structure, label in zip(front.structures, point.choices, strict=True)
        if label is not None
    ]
    chosen += [
        f"{decision} {configuration}"
        for decision, configuration in zip(front.decisions, point.configurations, strict=True)
        if configuration is not None
    ]
    return "; ".join(chosen)
