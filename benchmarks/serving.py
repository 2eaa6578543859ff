"""Serving under load: what share of the fluid bound schedulers carry, and how fast a round is.

    python -m benchmarks.serving [--data DIR] [--quick | --full] [--seed N] [--processes N]
                                 [--json FILE]

Simulated: engines are fits to measured ones (H200; aiconfigurator), tokens and recorded arrivals
are those of Azure 2023 conversations where the data is given, and which configurations keep
accuracy comes from a difficulty model. A load is a share of the fluid bound of the very same
requests: what no scheduler can pass. Slowdown is latency over what the reference configuration
takes alone. Five seeds of 1000 requests; cut for time: capacities (on a grid of 5 % of the bound),
regions and other schedulers than the main ones have two seeds, light loads and single workflows 500
requests. --full has ten seeds and cuts nothing. Seeds run side by side on all cores; what comes out
does not depend on how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.measure import cores
from benchmarks.serving_processes import Processes
from benchmarks.serving_rounds import round_milliseconds
from benchmarks.serving_routing import routing
from benchmarks.serving_runs import (
    AWARE,
    CHEAPEST,
    LATE,
    OURS,
    SCHEDULERS,
    SLOWEST,
    STATIC,
    Bench,
    Here,
    Load,
    Workers,
)
from flowir.sim.serving.clusters import ENGINES, SPLITS
from flowir.sim.serving.simulate import Conditions, SpeedChange
from flowir.sim.serving.workload import HARD, MIX, WORKFLOWS, azure, look_alike

GRID = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))
GRID_STATIC = tuple(round(0.05 * step, 2) for step in range(1, 13))

PER_INPUT = "published 42.8 to 76.3 % more than per-input"
PER_WORKFLOW = "published 78.1 to 217.0 % more than per-workflow"
"""Throughput (Aragog, arXiv 2511.20975 v2)."""

LONG = {"poisson": 3000, "recorded": 1500}
"""Requests of the runs at .95 of the bound."""

MAIN = "split (1, 1, 2)"
"""Replicas of the small, the middle and the large model: provisioned for the large one."""


def loads(figures: Figures, bench: Bench, kind: str, names: Sequence[str]) -> None:
    """Schedulers side by side on the mix."""
    figures.heading(
        f"Mix of four workflows, {kind} arrivals, .9 of the bound, {MAIN}. Slowdown is over the "
        "reference alone; also over the fastest configuration that keeps accuracy. Simulated."
    )
    for name in names:
        found = bench.run(name, Load(MIX, kind=kind), 0.9)
        figures.add(
            f"mix, {kind}, .9: p95 slowdown, {name}",
            found.p95,
            "×",
            at_most=SLOWEST if name == OURS else None,
            note=f"median {found.median:.1f} s, completions over arrivals {found.sustained:.3f}",
        )
        figures.add(f"mix, {kind}, .9: p95 over the fastest, {name}", found.strict_p95, "×")


def sustained(figures: Figures, bench: Bench) -> None:
    """Close to the physical limit, where queues take minutes to become what they will be."""
    figures.heading("At .95 of the bound, completions over arrivals while both go on. Simulated.")
    for kind, requests in LONG.items():
        found = bench.run(OURS, Load(MIX, kind=kind), 0.95, requests)
        told = f"{requests} requests a seed, p95 slowdown {found.p95:.2f}"
        figures.add(f"mix, {kind}, .95: sustained", found.sustained, at_least=0.98, note=told)
        name = f"mix, {kind}, .95: requests whose accuracy is kept"
        figures.add(name, found.kept, at_least=0.98)


def single(figures: Figures, bench: Bench) -> None:
    """Each workflow by itself."""
    figures.heading("One workflow alone at .85 of the bound. Simulated.")
    for workflow in WORKFLOWS:
        found = bench.run(OURS, Load(replace(MIX, workflows=(workflow,))), 0.85)
        name = f"{workflow.name}, .85: p95 slowdown, {OURS}"
        told = f"completions over arrivals {found.sustained:.3f}"
        figures.add(name, found.p95, "×", at_most=SLOWEST, note=told)


def light(figures: Figures, bench: Bench) -> None:
    """Where there is no contention nothing is to be lost."""
    figures.heading("Light load: median latency over that of the best baseline. Simulated.")
    for share in (0.3, 0.5):
        baselines = (CHEAPEST, AWARE, LATE)
        medians = {name: bench.run(name, Load(MIX), share).median for name in baselines}
        best = min(medians, key=medians.__getitem__)
        ours = bench.run(OURS, Load(MIX), share).median
        told = f"{ours:.2f} s; {best} {medians[best]:.2f} s"
        name = f"mix, {share:g}: median over the best baseline"
        figures.add(name, ours / medians[best], "×", at_most=1.02, note=told)


def capacities(figures: Figures, bench: Bench, full: bool) -> None:
    """How much is carried, by whom, on which cluster."""
    cases = {f"split {split}": Load(MIX, split) for split in SPLITS[1:]}
    cases[f"hard mix, {MAIN}"] = Load(HARD)
    if full:
        cases["split (1, 1, 1)"] = Load(MIX, SPLITS[0])
        cases[f"recorded, {MAIN}"] = Load(MIX, kind="recorded")
    for case, load in cases.items():
        figures.heading(f"Share of the bound carried with p95 slowdown <= 3: {case}. Simulated.")
        found = {name: bench.carried(name, load, GRID) for name in (CHEAPEST, AWARE, OURS)}
        for name, share in found.items():
            figures.add(f"{case}: carried, {name}", share)
        over = found[OURS] / max(found[CHEAPEST], GRID[0])
        wanted = 1.30 if case == MAIN else 1.0
        name = f"{case}: stage-wise over cheapest per-input"
        most = 1 / bench.limit(CHEAPEST, load)
        told = f"no scheduler can have more than {most:.2f}; {PER_INPUT}"
        figures.add(name, over, "×", at_least=wanted, note=told)
        name = f"{case}: stage-wise over load-aware per-input"
        figures.add(name, found[OURS] / max(found[AWARE], GRID[0]), "×", at_least=0.97)
    static = bench.carried(STATIC, Load(MIX), GRID_STATIC)
    figures.add(f"{MAIN}: carried, {STATIC}", static)
    over = bench.carried(OURS, Load(MIX), GRID) / max(static, GRID_STATIC[0])
    figures.add(f"{MAIN}: stage-wise over {STATIC}", over, "×", note=PER_WORKFLOW)


def regions(figures: Figures, bench: Bench) -> None:
    """Where choosing stage by stage should pay: stale load, revised sets, long stages, speed."""
    small = f"{ENGINES[0].name}/0"
    slow = Conditions(changes=(SpeedChange(20.0, small, 3.0), SpeedChange(50.0, small, 1.0)))
    cautious = replace(MIX, cautious=0.5)
    cases = {
        "as it is": Load(MIX),
        "load seen every 2 s": Load(MIX, conditions=Conditions(refresh_s=2.0)),
        "load seen every 10 s": Load(MIX, conditions=Conditions(refresh_s=10.0)),
        "half of the sets too cautious until the first stage ends": Load(cautious),
        "a fifth of the sets wrong": Load(replace(MIX, wrong=0.2)),
        "outputs four times as long": Load(replace(MIX, longer=4.0)),
        "the small engine three times slower for 30 s": Load(MIX, conditions=slow),
    }
    figures.heading(
        "At .8 of the bound: mean latency over that of load-aware per-input. Below 1 it pays to "
        "choose stage by stage. Simulated."
    )
    for case, load in cases.items():
        ours, late, aware = (bench.run(name, load, 0.8) for name in (OURS, LATE, AWARE))
        told = (
            f"p95 slowdown {ours.p95:.2f}; per-input {aware.p95:.2f}, late {late.p95:.2f}; "
            f"accuracy kept {ours.kept:.3f}, per-input {aware.kept:.3f}"
        )
        figures.add(case, float(ours.latency.mean() / aware.latency.mean()), "×", note=told)


def rounds(figures: Figures) -> None:
    """How long a scheduler thinks."""
    figures.heading("A round of the scheduler while 256 calls wait. Measured on this machine.")
    for name, (median, longest) in round_milliseconds().items():
        told = f"longest of 60 {longest:.1f} ms: the first, in which all 256 are new"
        name = f"round, 256 waiting: {name}"
        figures.add(name, median, "ms", at_most=5.0, note=told, simulated=False)


def simulations(
    figures: Figures,
    workers: Workers,
    seeds: Sequence[int],
    requests: int,
    quick: bool,
    full: bool,
) -> None:
    """All that is simulated."""
    bench = Bench(workers, seeds, requests)
    few = (CHEAPEST, AWARE, OURS)
    if not quick:
        rougher = bench if full else Bench(workers, seeds[:2], requests)
        sustained(figures, bench)
        capacities(figures, rougher, full)
        regions(figures, rougher)
        others = [name for name in SCHEDULERS if name not in (STATIC, *few)]
        loads(figures, rougher, "poisson", others)
    shorter = bench if full else Bench(workers, seeds, 500)
    single(figures, shorter)
    light(figures, shorter)
    loads(figures, bench, "recorded", few)
    loads(figures, bench, "poisson", few)


def main(given: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__)
    parser.add_argument("--full", action="store_true", help="ten seeds everywhere; long")
    parser.add_argument("--processes", type=int, help="side by side; all cores otherwise")
    asked = parser.parse_args(given)
    figures = Figures(simulated=True)
    began = time.perf_counter()
    trace = azure(asked.data) if asked.data else look_alike()
    if not asked.data:
        print(
            "no --data: tokens are log-normal with the means and spreads of Azure 2023, and "
            "recorded arrivals are even"
        )
    count, requests = (2, 500) if asked.quick else (10 if asked.full else 5, 1000)
    seeds = range(asked.seed, asked.seed + count)
    engines = ", ".join(f"{engine.name} ({engine.slots} slots)" for engine in ENGINES)
    print(
        f"{count} seeds, {requests} requests each; engines {engines}; of the requests "
        f"{MIX.failed:.0%} are such as even the reference fails: everything keeps them"
    )
    rounds(figures)  # Before others take the cores.
    processes = min(count, asked.processes or cores())
    if processes == 1:
        simulations(figures, Here(trace), seeds, requests, asked.quick, asked.full)
    else:
        with Processes(trace, processes) as workers:
            simulations(figures, workers, seeds, requests, asked.quick, asked.full)
    routing(figures, asked.data, asked.seed)
    print(f"\n{time.perf_counter() - began:.0f} s")
    if asked.json:
        write_json(figures.found, asked.json)


if __name__ == "__main__":
    main()
