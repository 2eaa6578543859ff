"""Simulated loads of `benchmarks.serving`: schedulers on the same requests, and what they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

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
    """Of all seeds together, requests after the warm-up.

    Attributes:
        slowdown: latency over what the reference takes alone.
        strict: latency over what the fastest configuration that keeps accuracy takes alone.
        sustained: completions over arrivals, while requests arrive.
        kept: share of requests served with a configuration that keeps accuracy.
    """

    slowdown: Floats
    strict: Floats
    latency: Floats
    sustained: float
    kept: float

    @property
    def p95(self) -> float:
        return float(np.percentile(self.slowdown, 95))

    @property
    def median(self) -> float:
        """Seconds."""
        return float(np.median(self.latency))


class Bench:
    """Runs schedulers on loads; the same requests for all of them, for each seed.

    Args:
        trace: tokens and recorded arrivals.
        requests: of each run.
    """

    def __init__(self, trace: Trace, seeds: Sequence[int], requests: int) -> None:
        self.trace = trace
        self.seeds = seeds
        self.requests = requests
        self.population = cache(self._population)
        self.bound = cache(self._bound)
        self.run = cache(self._run)

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

    def _run(self, name: str, load: Load, share: float, requests: int | None = None) -> Outcome:
        """A scheduler at a share of the bound."""
        count = requests or self.requests
        warm = count // WARM_UP
        slowdown, strict, latency, kept = [], [], [], []
        ended = came_in = 0
        for seed in self.seeds:
            came, reference, fastest = self.population(load.settings, load.kind, seed, count)
            rate = share * self.bound(load.settings, load.kind, load.split, seed, count)
            at = [replace(arrival, at=arrival.at / rate) for arrival in came]
            served = simulate(at, cluster(load.split), SCHEDULERS[name](), load.conditions)
            slowdown.append((served.latency / reference)[warm:])
            strict.append((served.latency / fastest)[warm:])
            latency.append(served.latency[warm:])
            kept.append(served.kept)
            begin, end = served.arrived[warm], served.arrived[-1]
            ended += int(((served.ended > begin) & (served.ended <= end)).sum())
            came_in += count - warm
        return Outcome(
            np.concatenate(slowdown),
            np.concatenate(strict),
            np.concatenate(latency),
            ended / came_in,
            float(np.concatenate(kept).mean()),
        )

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
        return min(found, self.limit(load, FIXED[name])) if name in FIXED else found

    def limit(self, load: Load, fixed: Fixed) -> float:
        """Share of the bound at which fixed configurations keep some engine busy all the time."""
        shares = []
        for seed in self.seeds:
            of = (load.settings, load.kind, load.split, seed, self.requests)
            came, _, _ = self.population(load.settings, load.kind, seed, self.requests)
            shares.append(bound_rate(came, 1.0, load.split, fixed) / self.bound(*of))
        return float(np.mean(shares))


def _static(arrival: Arrival) -> tuple[int, ...]:
    return tuple(_points()[arrival.workflow.name].values())


@cache
def _points() -> dict[str, dict[str, int]]:
    return static_points(MIX)


FIXED: dict[str, Fixed] = {CHEAPEST: cheapest, STATIC: _static}
"""Schedulers that mind no load when they choose configurations."""
