"""Simulated loads of `benchmarks.serving`: schedulers on the same requests, and what they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from flowir.serving.beam import BeamThroughput
from flowir.serving.forecast import delay_cost, dollars, finish_time
from flowir.serving.per_input import PerInput
from flowir.serving.requests import ServedWorkflow
from flowir.serving.scheduler import StageScheduler
from flowir.serving.stagewise import StageWise
from flowir.serving.static import StaticPoint
from flowir.sim.serving.bounds import Fixed, alone_s, bound_rate, cheapest, reference_s
from flowir.sim.serving.clusters import cluster
from flowir.sim.serving.simulate import Conditions, simulate
from flowir.sim.serving.workload import (
    MIX,
    WORKFLOWS,
    Arrival,
    Settings,
    Trace,
    arrivals,
    difficulties,
    keeps,
    poisson,
    recorded,
)

Floats = npt.NDArray[np.float64]

SLOWEST = 3.0
"""p95 of latency, over what the reference takes alone, up to which a load is carried."""

WARM_UP = 5
"""One in so many requests of a run comes before what is measured."""

SAMPLED = 2000
"""Requests that decide which points keep accuracy."""

STATIC_KEEPS = 0.98
"""Share of requests whose accuracy a point keeps that is chosen for all requests of a workflow."""


def static_points(settings: Settings) -> dict[str, dict[str, int]]:
    """Per workflow, the point of least work that keeps accuracy: per-workflow routing."""
    rng = np.random.default_rng(17)
    points = {}
    for workflow in WORKFLOWS:
        drawn = (difficulties(settings, len(workflow.stages), rng)[1] for _ in range(SAMPLED))
        needs = Counter(drawn)
        good = [
            row
            for row in workflow.every()
            if sum(n for need, n in needs.items() if need is None or keeps(workflow, need, row))
            >= STATIC_KEEPS * SAMPLED
        ]
        best = min(good, key=partial(_dollars, workflow))
        points[workflow.name] = dict(zip(workflow.names, best, strict=True))
    return points


def _dollars(workflow: ServedWorkflow, row: Sequence[int]) -> float:
    pairs = zip(workflow.stages, row, strict=True)
    return sum(stage.calls * stage.choices[choice].usd for stage, choice in pairs)


STATIC = "static per-workflow"

SCHEDULERS: dict[str, Callable[[], StageScheduler]] = {
    STATIC: lambda: StaticPoint(_points()),
    "cheapest per-input": lambda: PerInput(dollars),
    "load-aware per-input": lambda: PerInput(delay_cost),
    "load-aware per-input, late": lambda: PerInput(delay_cost, late=True),
    "greedy throughput": lambda: BeamThroughput(1),
    "beam 4 throughput": lambda: BeamThroughput(4),
    "stage-wise, finish time": lambda: StageWise(finish_time),
    "stage-wise, delay cost": lambda: StageWise(delay_cost),
}
OURS = "stage-wise, delay cost"
CHEAPEST = "cheapest per-input"
AWARE = "load-aware per-input"
LATE = "load-aware per-input, late"


AS_IT_IS = Conditions()


@dataclass(frozen=True)
class Load:
    """What is served, and on what.

    Attributes:
        kind: of arrivals: `poisson` or `recorded`.
    """

    settings: Settings
    split: tuple[int, ...] = (1, 1, 2)
    kind: str = "poisson"
    conditions: Conditions = AS_IT_IS


@dataclass(frozen=True, eq=False)
class Outcome:
    """Requests after the warm-up, of one seed or of several together.

    Attributes:
        slowdown: latency over what the reference takes alone.
        strict: latency over what the fastest configuration that keeps accuracy takes alone.
        kept_each: whether a request, of the warm-up too, was served with a configuration that keeps
            accuracy.
        ended: completions while requests arrive.
    """

    slowdown: Floats
    strict: Floats
    latency: Floats
    kept_each: npt.NDArray[np.bool_]
    ended: int

    @property
    def sustained(self) -> float:
        """Completions over arrivals, while requests arrive."""
        return self.ended / len(self.latency)

    @property
    def kept(self) -> float:
        """Share of requests whose accuracy is kept."""
        return float(self.kept_each.mean())

    @property
    def p95(self) -> float:
        return float(np.percentile(self.slowdown, 95))

    @property
    def median(self) -> float:
        """Seconds."""
        return float(np.median(self.latency))

    @property
    def strict_p95(self) -> float:
        """p95 of latency over what the fastest configuration that keeps accuracy takes alone."""
        return float(np.percentile(self.strict, 95))


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Of all seeds."""
    return Outcome(
        np.concatenate([one.slowdown for one in outcomes]),
        np.concatenate([one.strict for one in outcomes]),
        np.concatenate([one.latency for one in outcomes]),
        np.concatenate([one.kept_each for one in outcomes]),
        sum(one.ended for one in outcomes),
    )


class Runs:
    """Runs schedulers on loads; the same requests for all of them, for each seed.

    Args:
        trace: tokens and recorded arrivals.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.population = cache(self._population)
        self.bound = cache(self._bound)

    def _population(
        self, settings: Settings, kind: str, seed: int, requests: int
    ) -> tuple[list[Arrival], Floats, Floats]:
        """Requests that come once a second; seconds with the reference and with the fastest."""
        rng = np.random.default_rng([seed, 11])
        if kind == "poisson":
            times = poisson(requests, 1.0, rng)
        else:
            times = recorded(self.trace, requests, 1.0, rng)
        came = arrivals(settings, times, self.trace, rng)
        return came, reference_s(came), alone_s(came)

    def _bound(
        self, settings: Settings, kind: str, split: tuple[int, ...], seed: int, requests: int
    ) -> float:
        """Fluid bound of these very requests, per second."""
        came, _, _ = self.population(settings, kind, seed, requests)
        return bound_rate(came, 1.0, split)

    def run(self, seed: int, name: str, load: Load, share: float, requests: int) -> Outcome:
        """A scheduler at a share of the bound."""
        came, reference, fastest = self.population(load.settings, load.kind, seed, requests)
        rate = share * self.bound(load.settings, load.kind, load.split, seed, requests)
        at = [replace(arrival, at=arrival.at / rate) for arrival in came]
        served = simulate(at, cluster(load.split), SCHEDULERS[name](), load.conditions)
        warm = requests // WARM_UP
        begin, end = served.arrived[warm], served.arrived[-1]
        return Outcome(
            (served.latency / reference)[warm:],
            (served.latency / fastest)[warm:],
            served.latency[warm:],
            served.kept,
            int(((served.ended > begin) & (served.ended <= end)).sum()),
        )

    def limit(self, seed: int, name: str, load: Load, requests: int) -> float:
        """Share of the bound at which fixed configurations keep some engine busy all the time."""
        came, _, _ = self.population(load.settings, load.kind, seed, requests)
        bound = self.bound(load.settings, load.kind, load.split, seed, requests)
        return bound_rate(came, 1.0, load.split, FIXED[name]) / bound


class Workers(Protocol):
    """Something that has :class:`Runs`, or many of them."""

    def each(self, do: str, seeds: Sequence[int], *given: Any) -> list[Any]:
        """What the method `do` of `Runs` gives for each seed."""
        ...


class Here:
    """This process."""

    def __init__(self, trace: Trace) -> None:
        self._runs = Runs(trace)

    def each(self, do: str, seeds: Sequence[int], *given: Any) -> list[Any]:
        """See :class:`Workers`."""
        return [getattr(self._runs, do)(seed, *given) for seed in seeds]


class Bench:
    """All seeds together.

    Args:
        requests: of each run.
    """

    def __init__(self, workers: Workers, seeds: Sequence[int], requests: int) -> None:
        self.workers = workers
        self.seeds = seeds
        self.requests = requests
        self.run = cache(self._run)

    def _run(self, name: str, load: Load, share: float, requests: int | None = None) -> Outcome:
        """A scheduler at a share of the bound."""
        given = (name, load, share, requests or self.requests)
        return together(self.workers.each("run", self.seeds, *given))

    def carried(self, name: str, load: Load, grid: Sequence[float]) -> float:
        """The largest share of the bound, of a grid, up to which p95 keeps to `SLOWEST`; or 0.

        What gives each request one configuration whatever the load carries no more than the fluid
        bound of just these: in minutes of simulation its queues would only begin to grow.
        """
        low, high = 0, len(grid)  # grid[:low] is carried, grid[high:] is not
        while low < high:
            middle = (low + high) // 2
            if self.run(name, load, grid[middle]).p95 <= SLOWEST:
                low = middle + 1
            else:
                high = middle
        found = grid[low - 1] if low else 0.0
        return min(found, self.limit(name, load)) if name in FIXED else found

    def limit(self, name: str, load: Load) -> float:
        """Share of the bound that a scheduler of fixed configurations cannot pass, on average."""
        return float(np.mean(self.workers.each("limit", self.seeds, name, load, self.requests)))


def _static(arrival: Arrival) -> tuple[int, ...]:
    return tuple(_points()[arrival.workflow.name].values())


@cache
def _points() -> dict[str, dict[str, int]]:
    return static_points(MIX)


FIXED: dict[str, Fixed] = {CHEAPEST: cheapest, STATIC: _static}
"""Schedulers that mind no load when they choose configurations."""
