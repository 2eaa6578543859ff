"""Many queries at once: where they come from, at which rate, and what it does to their latency."""

from __future__ import annotations

import csv
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.figures import Figures
from benchmarks.prim_workflows import OPTIMISED, SEQUENTIAL, WORKFLOWS, Passes, Settings
from flowir.engines.defaults import DEFAULTS
from flowir.engines.engine import BatchEngine
from flowir.prim.graph import PrimitiveGraph
from flowir.scheduling.policies import (
    DEPTH_ONLY,
    EARLY_WHEN_IDLE,
    FIFO,
    LONGEST_PATH,
    OLDEST_FIRST,
    PER_INVOCATION,
    SHORTEST_PATH,
    TEOLA,
    THROUGHPUT,
    Policy,
)
from flowir.sim.bounds import Bounds, mean_latency_bound_s, query_bounds
from flowir.sim.primitives import Arrival, PrimitiveRun, simulate_primitives

LOW, HIGH = 0.3, 0.8
"""Rates, as shares of what the sequential workflow's busiest engine can do."""

BURST = 60

PUBLISHED_HIGH = {"advanced RAG": 2.03, "naive RAG": 1.67}
"""At a high rate (arXiv 2407.00326)."""


@dataclass(frozen=True)
class Runs:
    """What is run: seeds, queries of each, and the folder of recorded arrivals, if there is one."""

    seeds: Sequence[int]
    queries: int
    data: Path | None
    settings: Settings

    @property
    def sources(self) -> list[str]:
        """Where arrivals come from."""
        return ["Poisson", "recorded"] if self.data else ["Poisson"]

    def times(self, source: str, rate: float, seed: int) -> list[float]:
        """When queries arrive, from 0 on, at this mean rate."""
        if source == "Poisson":
            draw = random.Random(f"arrivals {seed}")
            gaps = [draw.expovariate(rate) for _ in range(self.queries)]
            return list(itertools.accumulate(gaps))
        assert self.data is not None
        every = recorded(self.data)
        first = random.Random(f"window {seed}").randrange(len(every) - self.queries)
        window = every[first : first + self.queries]
        scale = self.queries / rate / (window[-1] - window[0])
        return [(at - window[0]) * scale for at in window]


def recorded(data: Path) -> list[float]:
    """Seconds at which conversations arrived (Azure 2023, CC-BY-4.0; Patel et al., ISCA'24)."""
    path = data / "arrival_traces" / "azure2023_conv.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [float(row["t_s"]) for row in csv.DictReader(file)]


class Graphs:
    """The workflows' graphs, each made once, and their bounds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._graphs: dict[tuple[str, Passes], PrimitiveGraph] = {}
        self._bounds: dict[tuple[str, tuple[tuple[int, str], ...], int], Bounds] = {}

    def graph(self, workflow: str, passes: Passes) -> PrimitiveGraph:
        key = workflow, passes
        if key not in self._graphs:
            self._graphs[key] = WORKFLOWS[workflow](self._settings, passes)
        return self._graphs[key]

    def bounds(self, workflow: str, labels: Mapping[int, str], together: int) -> Bounds:
        key = workflow, tuple(sorted(labels.items())), together
        if key not in self._bounds:
            graph = self.graph(workflow, OPTIMISED)
            self._bounds[key] = query_bounds(graph, DEFAULTS, labels, together=together)
        return self._bounds[key]


def run(
    graphs: Graphs,
    workflows: Sequence[str],
    passes: Passes,
    policy: Policy,
    times: Sequence[float],
    seed: int,
) -> PrimitiveRun:
    """Query i runs the i-th workflow."""
    arrivals = [
        Arrival(i, at, graphs.graph(name, passes))
        for i, (at, name) in enumerate(zip(times, workflows, strict=True))
    ]
    return simulate_primitives(arrivals, DEFAULTS, policy, seed=seed)


def capacity(graphs: Graphs, workflows: Sequence[str]) -> float:
    """Queries a second at which the busiest engine never idles, sequential, in a burst of them."""
    burst = run(graphs, workflows, SEQUENTIAL, PER_INVOCATION, [0.0] * len(workflows), 0)
    busiest = 0.0
    for name, seconds in burst.busy_s.items():
        engine = DEFAULTS[name]
        slots = engine.slots if isinstance(engine, BatchEngine) else 1
        busiest = max(busiest, seconds / slots)
    return len(workflows) / busiest


def loaded(figures: Figures, runs: Runs) -> None:
    """Each workflow by itself."""
    graphs = Graphs(runs.settings)
    for name in WORKFLOWS:
        full = capacity(graphs, [name] * BURST)
        for source, (level, share) in itertools.product(
            runs.sources, (("low", LOW), ("high", HIGH))
        ):
            rate = share * full
            figures.heading(
                f"{name}, {source} arrivals, {level} rate: {rate:.2f} queries a second, "
                f"{share:.0%} of the busiest engine; {len(runs.seeds)} seeds of {runs.queries} "
                "queries"
            )
            found: dict[str, list[float]] = {"per": [], "through": [], "ours": [], "bound": []}
            for seed in runs.seeds:
                times = runs.times(source, rate, seed)
                same = [name] * len(times)
                for key, passes, policy in (
                    ("per", SEQUENTIAL, PER_INVOCATION),
                    ("through", SEQUENTIAL, THROUGHPUT),
                    ("ours", OPTIMISED, EARLY_WHEN_IDLE),
                ):
                    result = run(graphs, same, passes, policy, times, seed)
                    found[key].append(result.mean_latency_s)
                bounds = [graphs.bounds(name, a.labels, runs.queries) for a in result.answers]
                found["bound"].append(mean_latency_bound_s(times, bounds, DEFAULTS))
            _speedups(figures, f"{name}, {source}, {level}", name, level, source, found)


def _speedups(
    figures: Figures,
    told: str,
    name: str,
    level: str,
    source: str,
    found: Mapping[str, Sequence[float]],
) -> None:
    ours = fmean(found["ours"])
    least = {
        ("advanced RAG", "high", "per"): 1.9,
        ("advanced RAG", "high", "through"): 1.8,
        ("naive RAG", "low", "per"): 1.45,
        ("naive RAG", "high", "per"): 1.7,
    }
    for key, words in (("per", "per-invocation batching"), ("through", "throughput batching")):
        each = [base / mine for base, mine in zip(found[key], found["ours"], strict=True)]
        figures.add(
            f"{told}: over sequential, {words}",
            fmean(found[key]) / ours,
            "×",
            at_least=least.get((name, level, key), 0.99),
            note=f"by seed {min(each):.2f} to {max(each):.2f}",
        )
    if level == "high" and source == "Poisson" and name in PUBLISHED_HIGH:
        figures.add(f"{name}, published, high rate", PUBLISHED_HIGH[name], "×", simulated=False)
    figures.add(f"{told}: mean latency", ours, "s")
    figures.add(f"{told}: over the lower bound of the mean", ours / fmean(found["bound"]), "×")


ORDERS = (
    EARLY_WHEN_IDLE,
    OLDEST_FIRST,
    TEOLA,
    LONGEST_PATH,
    SHORTEST_PATH,
    FIFO,
    PER_INVOCATION,
    DEPTH_ONLY,
)


def mixed(figures: Figures, runs: Runs) -> None:
    """All four at once, in equal parts, and what each policy makes of the optimised graphs."""
    graphs = Graphs(runs.settings)
    names = list(WORKFLOWS)
    full = capacity(graphs, [names[i % len(names)] for i in range(BURST)])
    for source, (level, share, most) in itertools.product(
        runs.sources, (("low", LOW, 1.3), ("high", HIGH, 1.5))
    ):
        rate = share * full
        figures.heading(
            f"Mixed load, the four workflows in equal parts, {source} arrivals, {level} rate: "
            f"{rate:.2f} queries a second; {len(runs.seeds)} seeds of {runs.queries} queries"
        )
        found: dict[str, list[float]] = {"bound": [], "alone": [], "sequential": []}
        for seed in runs.seeds:
            times = runs.times(source, rate, seed)
            draw = random.Random(f"mix {seed}")
            which = [draw.choice(names) for _ in times]
            for policy in ORDERS:
                result = run(graphs, which, OPTIMISED, policy, times, seed)
                found.setdefault(policy.name, []).append(result.mean_latency_s)
            base = run(graphs, which, SEQUENTIAL, PER_INVOCATION, times, seed)
            found["sequential"].append(base.mean_latency_s)
            bounds = [
                graphs.bounds(which[int(str(a.query))], a.labels, runs.queries)
                for a in result.answers
            ]
            found["bound"].append(mean_latency_bound_s(times, bounds, DEFAULTS))
            found["alone"].append(fmean(bound.latency_s for bound in bounds))
        told = f"mixed, {source}, {level}"
        bound = fmean(found["bound"])
        for policy in ORDERS:
            figures.add(
                f"{told}: {policy.name}, over the bound",
                fmean(found[policy.name]) / bound,
                "×",
                at_most=most if policy is EARLY_WHEN_IDLE else None,
            )
        ours = fmean(found[EARLY_WHEN_IDLE.name])
        figures.add(f"{told}: over the bounds of the queries alone", ours / fmean(found["alone"]),
                    "×")  # fmt: skip
        figures.add(f"{told}: over sequential, per-invocation batching",
                    fmean(found["sequential"]) / ours, "×", at_least=0.99)  # fmt: skip
