"""Serving under load: what share of the fluid bound schedulers carry, and how fast a round is.

    python -m benchmarks.serving [--data DIR] [--quick | --full] [--seed N] [--json FILE]

Simulated: engines are fits to measured ones (H200; aiconfigurator), tokens and recorded arrivals
are those of Azure 2023 conversations where the data is given, and which configurations keep
accuracy comes from a difficulty model. A load is a share of the fluid bound of the very same
requests: what no scheduler can pass. Slowdown is latency over what the reference configuration
takes alone. Ten seeds. Cut for time: capacities are found on a grid of 5 % of the bound; --full has
longer runs and more clusters.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.serving_rounds import round_milliseconds
from benchmarks.serving_routing import routing
from benchmarks.serving_runs import (
    AWARE,
    CHEAPEST,
    LATE,
    OURS,
    SCHEDULERS,
    STATIC,
    Bench,
    Load,
)
from flowir.sim.serving.clusters import ENGINES, SPLITS
from flowir.sim.serving.simulate import Conditions, SpeedChange
from flowir.sim.serving.workload import HARD, MIX, WORKFLOWS, azure, look_alike

GRID = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))
GRID_STATIC = tuple(round(0.05 * step, 2) for step in range(1, 13))

PUBLISHED = (
    ("max throughput over per-input routing", 42.8, 76.3),
    ("max throughput over per-workflow routing", 78.1, 217.0),
)
"""Percent (Aragog, arXiv 2511.20975 v2)."""


def loads(figures: Figures, bench: Bench, names: Sequence[str]) -> None:
    """Schedulers side by side on the mix."""
    for kind in ("poisson", "recorded"):
        load = Load(MIX, kind=kind)
        for share in (0.5, 0.9):
            figures.heading(
                f"Mix of four workflows, {kind} arrivals, at {share:g} of the bound. Simulated."
            )
            for name in names:
                found = bench.run(name, load, share)
                strict = float(np.percentile(found.strict, 95))
                figures.add(
                    f"{kind}, {share:g}: p95 slowdown, {name}", found.p95, "x",
                    at_most=3.0 if name == OURS and share == 0.9 else None,
                    note=f"median {found.median:.1f} s, against the fastest alone p95 {strict:.2f}",
                )  # fmt: skip


def sustained(figures: Figures, bench: Bench, requests: int) -> None:
    """Close to the physical limit."""
    figures.heading(
        "At .95 of the bound: completions over arrivals while requests arrive. Simulated."
    )
    for kind in ("poisson", "recorded"):
        found = bench.run(OURS, Load(MIX, kind=kind), 0.95, requests)
        figures.add(f"{kind}, .95: sustained, {OURS}", found.sustained, at_least=0.98,
                    note=f"p95 slowdown {found.p95:.2f}")  # fmt: skip
        figures.add(
            f"{kind}, .95: share of requests whose accuracy is kept", found.kept, at_least=0.98
        )


def single(figures: Figures, bench: Bench) -> None:
    """Each workflow by itself."""
    figures.heading("One workflow alone at .85 of the bound. Simulated.")
    for workflow in WORKFLOWS:
        load = Load(replace(MIX, workflows=(workflow,)))
        found = bench.run(OURS, load, 0.85)
        figures.add(f"{workflow.name}, .85: p95 slowdown, {OURS}", found.p95, "x", at_most=3.0)


def light(figures: Figures, bench: Bench) -> None:
    """Where there is no contention nothing is to be lost."""
    figures.heading("Light load: median latency against the best baseline. Simulated.")
    for share in (0.3, 0.5):
        load = Load(MIX)
        medians = {name: bench.run(name, load, share).median for name in (CHEAPEST, AWARE, LATE)}
        best = min(medians, key=medians.__getitem__)
        ours = bench.run(OURS, load, share).median
        figures.add(f"{share:g}: median over that of the best baseline", ours / medians[best], "x",
                    at_most=1.02, note=f"{ours:.2f} s; {best} {medians[best]:.2f} s")  # fmt: skip


def capacities(figures: Figures, bench: Bench, full: bool) -> None:
    """How much is carried, by whom, on which cluster."""
    cases = {f"split {split}": Load(MIX, split) for split in SPLITS[1:]}
    cases["hard mix, split (1, 1, 2)"] = Load(HARD)
    if full:
        cases["split (1, 1, 1)"] = Load(MIX, SPLITS[0])
        cases["recorded, split (1, 1, 2)"] = Load(MIX, kind="recorded")
    ratios = []
    for case, load in cases.items():
        figures.heading(f"Share of the bound carried with p95 slowdown <= 3: {case}. Simulated.")
        found = {name: bench.carried(name, load, GRID) for name in (CHEAPEST, AWARE, OURS)}
        for name, share in found.items():
            figures.add(f"{case}: share carried, {name}", share)
        over = found[OURS] / found[CHEAPEST] if found[CHEAPEST] else float("inf")
        wanted = 1.30 if case == "split (1, 1, 2)" else 1.0
        figures.add(f"{case}: stage-wise over cheapest per-input", over, "x", at_least=wanted,
                    note=f"published {PUBLISHED[0][1]} to {PUBLISHED[0][2]} % more")  # fmt: skip
        ratios.append(found[OURS] / found[AWARE])
        figures.add(f"{case}: stage-wise over load-aware per-input", ratios[-1], "x", at_least=0.97)
    static = bench.carried(STATIC, Load(MIX), GRID_STATIC)
    ours = bench.carried(OURS, Load(MIX), GRID)
    figures.add(f"split (1, 1, 2): share carried, {STATIC}", static)
    if static:
        figures.add("split (1, 1, 2): stage-wise over static per-workflow", ours / static, "x",
                    note=f"published {PUBLISHED[1][1]} to {PUBLISHED[1][2]} % more")  # fmt: skip


def regions(figures: Figures, bench: Bench) -> None:
    """Where choosing stage by stage should pay: stale load, revised sets, long stages, speed."""
    small = f"{ENGINES[0].name}/0"
    slow = Conditions(changes=(SpeedChange(20.0, small, 3.0), SpeedChange(50.0, small, 1.0)))
    cases = {
        "as it is": Load(MIX),
        "load seen every 2 s": Load(MIX, conditions=Conditions(refresh_s=2.0)),
        "load seen every 10 s": Load(MIX, conditions=Conditions(refresh_s=10.0)),
        "half of the sets too cautious until the first stage ends": Load(
            replace(MIX, cautious=0.5)
        ),
        "a fifth of the sets wrong": Load(replace(MIX, wrong=0.2)),
        "outputs four times as long": Load(replace(MIX, longer=4.0)),
        "the small engine three times slower for 30 s": Load(MIX, conditions=slow),
    }
    figures.heading("At .8 of the bound: latency over that of load-aware per-input. Simulated.")
    for case, load in cases.items():
        ours, late, aware = (bench.run(name, load, 0.8) for name in (OURS, LATE, AWARE))
        mean = float(ours.latency.mean() / aware.latency.mean())
        figures.add(f"{case}: mean latency", mean, "x",
                    note=f"p95 slowdown {ours.p95:.2f}; per-input {aware.p95:.2f}, late {late.p95:.2f}"
                    f"; kept {ours.kept:.3f}, {aware.kept:.3f}")  # fmt: skip


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--full", action="store_true", help="longer runs, more clusters; minutes")
    asked = parser.parse_args(given)
    figures = Figures(simulated=True)
    began = time.perf_counter()
    trace = azure(asked.data) if asked.data else look_alike()
    if not asked.data:
        print("no --data: tokens are log-normal with the means and spreads of Azure 2023, and "
              "recorded arrivals are even")  # fmt: skip
    count = 3 if asked.quick else 10
    requests = 250 if asked.quick else 2000 if asked.full else 400
    bench = Bench(trace, range(asked.seed, asked.seed + count), requests)
    print(f"{count} seeds, {requests} requests each; engines "
          f"{', '.join(f'{e.name} ({e.slots} slots)' for e in ENGINES)}; of the requests "
          f"{MIX.failed:.0%} are such as even the reference fails: everything keeps them")  # fmt: skip
    names = (
        (CHEAPEST, AWARE, OURS)
        if asked.quick
        else tuple(name for name in SCHEDULERS if name != STATIC)
    )
    loads(figures, bench, names)
    sustained(figures, bench, requests if asked.quick else 3 * requests)
    single(figures, bench)
    light(figures, bench)
    if not asked.quick:
        capacities(figures, bench, asked.full)
        regions(figures, bench)
    figures.heading("A round of the scheduler, 256 calls waiting. Measured on this machine.")
    for name, milliseconds in round_milliseconds().items():
        figures.add(f"round, 256 waiting: {name}", milliseconds, "ms", at_most=5.0, simulated=False)
    routing(figures, asked.data, asked.seed)
    print(f"\n{time.perf_counter() - began:.0f} s")
    if asked.json:
        write_json(figures.found, asked.json)


if __name__ == "__main__":
    main()
