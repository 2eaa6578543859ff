"""Against Optuna and pymoo on the same evaluator, by hypervolume per evaluation and CPU time.

Every optimiser is given the same problem: one categorical variable per structural choice and per
decision, and the two losses of each point it asks for. Every point asked for is charged, asked for
again or not; a point seen before is not evaluated again, so repeats cost it no time. Populations
are of 50 (Optuna's default); TPE is multivariate; everything else is the library's default. Runs go
on side by side, one per core, each timed by the CPU of its own process. Ours
is charged the evaluations of its local search; the exact mean-field front that it starts from
evaluates no point under the full model, and is charged by time.

Normalised hypervolume is that of the points found, over that of the best front known (all methods
and seeds together), both scaled to the best front's box, with the corner at 1.1.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.figures import Figures
from benchmarks.measure import cores, cpu_seconds
from benchmarks.search_problems import Floats, flowcompile, halved, problem
from benchmarks.search_scenario import searched
from flowir.search.blackbox import BLACK_BOXES, BlackBox, black_box
from flowir.search.pareto import hypervolume, non_dominated
from flowir.search.problem import Problem
from flowir.search.space import Points

SEEDS = 10
BUDGETS = (300, 3_000)
FEWER = {3_000: 5}
"""Seeds at most, by evaluations."""
SLOWEST = "optuna-tpe"
"""Takes a minute and a half a run, and has two seeds where others have `FEWER`."""
CORNER = 1.1
OURS = "flowir"
CLOSED = "flowir, until no exchange improves it"

Found = tuple[Floats, int]
"""[N, 2] losses of points, of optimisers in the order asked for, and how many are charged."""

Method = Callable[[Problem, int, int], Found]
"""(problem, evaluations, seed) -> what is found."""


@dataclass(frozen=True)
class Run:
    """One run of a method: what it found, the evaluations charged, and the CPU seconds it took."""

    losses: Floats
    charged: int
    seconds: float


Runs = dict[tuple[str, int], list[Run]]
"""By method and evaluations, one run per seed."""


def peers(figures: Figures, *, quick: bool, seed: int, plot: Path | None = None) -> None:
    """A table, and a plot where there is a place for it."""
    asked = _problem(seed, quick)
    budgets = BUDGETS[:1] if quick else BUDGETS
    seeds = range(seed, seed + (2 if quick else SEEDS))
    figures.heading(
        f"FlowCompile's math workflow, scenario model, {len(seeds)} seeds, "
        f"{asked.space.size()} configurations"
    )
    with ProcessPoolExecutor(
        cores(), multiprocessing.get_context("spawn"), _begin, (seed, quick)
    ) as pool:
        runs = _runs(pool, budgets, seeds)
    closed, seconds, evaluations = _closed(asked)
    scale = Scale.of([closed, *(run.losses for some in runs.values() for run in some)])
    for (method, budget), some in runs.items():
        shares = [scale.share(run.losses) for run in some]
        name = f"{method}, {budget} evaluations"
        charged = max(run.charged for run in some)
        spread = f"{len(some)} runs, {min(shares):.3f} to {max(shares):.3f}, {charged} charged"
        figures.add(f"{name}: normalised hypervolume, median", median(shares), note=spread)
        figures.add(f"{name}: CPU time, median", median([run.seconds for run in some]), "s")
    figures.add(f"{CLOSED}: normalised hypervolume", scale.share(closed))
    figures.add(f"{CLOSED}: evaluations", evaluations)
    figures.add(f"{CLOSED}: CPU time", seconds, "s")
    _table(runs, scale, budgets)
    if plot is not None:
        _plot(runs, scale, budgets, (evaluations, seconds, scale.share(closed)), plot)


def _problem(seed: int, quick: bool) -> Problem:
    workflow, scenarios = flowcompile("math", seed)
    if quick:
        workflow, scenarios = halved(workflow, scenarios)
    return problem(workflow, scenarios)


_asked: list[Problem] = []
"""Of this process."""


def _begin(seed: int, quick: bool) -> None:
    _asked[:] = [_problem(seed, quick)]
    _asked[0].losses(_asked[0].space.baseline)  # so that nothing is imported while it is timed


def _runs(pool: ProcessPoolExecutor, budgets: Sequence[int], seeds: Sequence[int]) -> Runs:
    keys = [(method, budget) for method in (OURS, "random", *BLACK_BOXES) for budget in budgets]
    longest_first = sorted(keys, key=lambda key: (key[0] == SLOWEST, key[1]), reverse=True)
    asked = {
        (method, budget): [
            pool.submit(_run, method, budget, number)
            for number in seeds[: _seeds(method, budget, len(seeds))]
        ]
        for method, budget in longest_first
    }
    return {key: [one.result() for one in asked[key]] for key in keys}


def _seeds(method: str, budget: int, most: int) -> int:
    """Ours has no seed: what it starts from is exact."""
    if method == OURS:
        return 1
    fewer = FEWER.get(budget, most)
    return min(most, fewer, 2 if method == SLOWEST and budget in FEWER else most)


def _run(method: str, evaluations: int, seed: int) -> Run:
    methods: dict[str, Method] = {OURS: _ours, "random": _random}
    search = methods.get(method) or partial(_peer, name=method)  # type: ignore[arg-type]
    found: list[Found] = []
    seconds = cpu_seconds(lambda: found.append(search(_asked[0], evaluations, seed)))
    return Run(*found[0], seconds)


def _ours(asked: Problem, evaluations: int, seed: int) -> Found:
    found = searched(asked, evaluations)
    return asked.losses(found.points), found.evaluations


def _closed(asked: Problem) -> tuple[Floats, float, int]:
    found = []
    seconds = cpu_seconds(lambda: found.append(searched(asked)))
    return asked.losses(found[0].points), seconds, found[0].evaluations


def _peer(asked: Problem, evaluations: int, seed: int, *, name: BlackBox) -> Found:
    losses = black_box(asked, name, evaluations=evaluations, seed=seed).losses
    return losses, len(losses)


def _random(asked: Problem, evaluations: int, seed: int) -> Found:
    """Every variable uniform and independent."""
    rng = np.random.default_rng([seed, 4])
    space = asked.space
    points = [
        space.point(
            [int(rng.integers(len(s.labels))) for s in space.workflow.structures],
            [int(rng.choice(d.choices)) for d in space.workflow.decisions],
        )
        for _ in range(evaluations)
    ]
    return asked.losses(Points.join(points)), evaluations


@dataclass(frozen=True)
class Scale:
    """The box of the best front known, and its hypervolume there."""

    low: Floats
    high: Floats
    best: float

    @staticmethod
    def of(found: Sequence[Floats]) -> Scale:
        """By everything that was found."""
        every = np.concatenate(found)
        front = every[non_dominated(every)]
        scale = Scale(front.min(axis=0), front.max(axis=0), 1.0)
        return Scale(scale.low, scale.high, scale.share(front))

    def share(self, losses: Floats) -> float:
        """Hypervolume of these points to that of the best front."""
        scaled = (losses - self.low) / (self.high - self.low)
        return hypervolume(scaled, [CORNER] * len(self.low)) / self.best


def _table(runs: Runs, scale: Scale, budgets: Sequence[int]) -> None:
    """Method by method: median hypervolume (worst to best seed) and CPU seconds per budget."""
    print("\n  " + " " * 14 + "".join(f"{f'at {budget} evaluations':>36}" for budget in budgets))
    for method in dict.fromkeys(method for method, _ in runs):
        cells = []
        for budget in budgets:
            some = runs[method, budget]
            shares = [scale.share(run.losses) for run in some]
            seconds = median([run.seconds for run in some])
            spread = f"({min(shares):.3f}–{max(shares):.3f})"
            cells.append(f"{median(shares):.4f} {spread} {seconds:8.2f} s")
        print(f"  {method:<14}" + "".join(f"{cell:>36}" for cell in cells))


def _plot(
    runs: Runs,
    scale: Scale,
    budgets: Sequence[int],
    closed: tuple[int, float, float],
    path: Path,
) -> None:
    """Hypervolume by evaluations (median and range over seeds), and by CPU seconds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    counts = np.unique(np.geomspace(10, budgets[-1], 30).astype(int))
    for number, method in enumerate(dict.fromkeys(method for method, _ in runs)):
        colour = f"C{number}"
        times = [median([run.seconds for run in runs[method, budget]]) for budget in budgets]
        shares = [[scale.share(r.losses) for r in runs[method, budget]] for budget in budgets]
        middles = [median(some) for some in shares]
        if method == OURS:
            evaluations, seconds, share = closed
            steps = [*budgets, evaluations]
            left.plot(steps, [*middles, share], "o-", color=colour, label=method)
            right.plot([*times, seconds], [*middles, share], "o-", color=colour, label=method)
            continue
        curves = np.array(
            [
                [scale.share(run.losses[:count]) for count in counts]
                for run in runs[method, budgets[-1]]
            ]
        )
        left.plot(counts, np.median(curves, axis=0), color=colour, label=method)
        left.fill_between(counts, *np.quantile(curves, [0, 1], axis=0), color=colour, alpha=0.15)
        right.plot(times, middles, "o-", color=colour, label=method)
    left.set(xscale="log", xlabel="evaluations", ylabel="normalised hypervolume")
    right.set(xscale="log", xlabel="CPU seconds")
    left.set_title("FlowCompile's math workflow, synthetic observations", fontsize=10)
    right.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    print(f"\n  wrote {path}")
