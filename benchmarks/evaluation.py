"""Predicted beside measured, where the truth is known: fronts of a made-up world, evaluated.

    python -m benchmarks.evaluation [--quick] [--seed N] [--json FILE]

For each seed the world is profiled, the cost model fitted and a front explored; then every point
is run on queries that were not profiled, by the file that is emitted for it, on a provider that
answers as the world does. All of it is simulated. First the evaluation itself: of predictions that
are true by construction it must find the share within their intervals that these promise.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.evaluation_truth import PRICES, WORKFLOW, World
from benchmarks.figures import Figures, arguments, write_json
from benchmarks.search_problems import module_of
from flowir.calculus.expectation import expect
from flowir.calculus.from_ir import find_workflow
from flowir.calculus.scenarios import Scenarios
from flowir.evaluation.comparison import Comparison, compare
from flowir.evaluation.store import Run
from flowir.passes.flow_dse import FlowDse
from flowir.profile import observations_of
from flowir.profile.store import store_observations
from flowir.search.annotate import front_from_ir
from flowir.search.front import Estimate, Front
from flowir.sim.points import Case, PointSimulation
from flowir.sim.simulate import Simulated
from flowir.sim.sweep import sweep

PROFILED, HELD_OUT, POPULATION = 60, 120, 20_000
"""Queries that are profiled, that the points are run on, and that the truth is worked out on."""
SEEDS = 10
QUANTITIES = {"accuracy": "accuracy", "latency_s": "latency", "cost_usd": "cost"}
UNITS = {"accuracy": ("", 1.0), "latency_s": ("s", 1.0), "cost_usd": ("m$", 1e3)}
NOMINAL_AT_LEAST = 0.85
"""Intervals are of 90 %; points of one world share their queries, so ten worlds are few."""
Values = Mapping[str, Sequence[float]]


def main() -> None:
    asked = arguments(__doc__).parse_args()
    figures = Figures(simulated=True)
    seeds = range(asked.seed, asked.seed + (1 if asked.quick else SEEDS))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLOWIR_CACHE_DIR"] = folder  # Every fit is made, not remembered.
        worlds = [evaluated(seed, Path(folder)) for seed in seeds]
    figures.add("worlds", len(worlds))
    figures.add("points evaluated, all worlds together", sum(len(w.rows) for w in worlds))
    figures.heading("Predictions that are true by construction")
    for name, word in QUANTITIES.items():
        target = NOMINAL_AT_LEAST if name == "accuracy" else None
        within = mean(world.oracle.agreement[name].coverage for world in worlds)
        figures.add(f"{word}: share measured where it should be", within, at_least=target)
    figures.heading("Predictions of the cost model, profile to front")
    for name, word in QUANTITIES.items():
        pick = [world.predicted.agreement[name] for world in worlds]
        target = NOMINAL_AT_LEAST if name == "accuracy" else None
        within = mean(one.coverage for one in pick)
        figures.add(f"{word}: share measured where it should be", within, at_least=target)
        figures.add(f"{word}: Spearman", mean(one.spearman for one in pick))
        figures.add(f"{word}: pairs in order", mean(one.pairwise for one in pick))
        unit, scale = UNITS[name]
        error = mean(scale * one.mean_absolute_error for one in pick)
        figures.add(f"{word}: mean absolute error", error, unit)
        true = mean(scale * world.error(name) for world in worlds)
        figures.add(f"{word}: mean absolute error against the truth", true, unit)
    figures.heading("What choosing by the front is worth")
    pick = [world.predicted for world in worlds]
    figures.add("hypervolume claimed", mean(one.claimed for one in pick))
    figures.add("hypervolume attained", mean(one.attained for one in pick))
    figures.add("attained, of what the same points can", mean(w.attained / w.best for w in pick))
    figures.add("utility, of the best choice", mean(w.utility / w.best_utility for w in pick))
    if asked.json:
        write_json(figures.found, asked.json)


def mean(values: Iterable[float | None]) -> float:
    """The mean of what is known."""
    return float(np.mean([value for value in values if value is not None]))


@dataclass(frozen=True)
class Evaluated:
    """One world: its front as predicted, and with the truth in its place, against measurements.

    Attributes:
        truth: of every point, by quantity.
    """

    predicted: Comparison
    oracle: Comparison
    truth: Values

    @property
    def rows(self) -> Sequence[object]:
        """The points."""
        return self.predicted.rows

    def error(self, name: str) -> float:
        """Mean of |predicted − true| over the points."""
        pairs = zip(self.predicted.rows, self.truth[name], strict=True)
        return float(np.mean([abs(row.values[name].predicted - true) for row, true in pairs]))


def evaluated(seed: int, folder: Path) -> Evaluated:
    """A world, profiled, explored, and its points run on fresh queries."""
    rng = np.random.default_rng(seed)
    module = explored(World.drawn(PROFILED, rng), rng, folder, seed)
    front = front_from_ir(find_workflow(module))
    decisions = len(front.decisions)
    held_out = World.drawn(HELD_OUT, rng).scenarios(decisions)
    simulation = PointSimulation.of(module, held_out, inputs={"task": "a task"})
    numbers = range(len(front.points))
    # One run of each point on each of the held-out queries.
    swept = sweep(simulation, [Case(number, seed, HELD_OUT) for number in numbers])
    runs = {number: runs_of(simulated) for number, simulated in zip(numbers, swept, strict=True)}
    true = truth(simulation, World.drawn(POPULATION, rng).scenarios(decisions), numbers)
    return Evaluated(compare(front, runs), compare(instead(front, true), runs), true)


def explored(world: World, rng: np.random.Generator, folder: Path, seed: int) -> ModuleOp:
    """The workflow with the front that a profile of the world gives."""
    profile, prices = folder / f"profile{seed}.sqlite", folder / "prices.csv"
    store_observations(profile, observations_of(world.observations(rng)))
    lines = (f"{m},{p.input_per_mtok},{p.output_per_mtok}\n" for m, p in PRICES.items())
    prices.write_text("model,input_per_mtok,output_per_mtok\n" + "".join(lines))
    text = folder / "w.mlir"
    text.write_text(WORKFLOW)
    module = module_of(text)
    FlowDse(profile=str(profile), prices=str(prices), seed=seed).apply(Context(), module)
    return module


def runs_of(simulated: Simulated) -> list[Run]:
    """Simulated runs as an evaluation stores them, in the order of the queries."""
    order = np.argsort(simulated.scenario)
    columns = ("right", "latency_s", "cost_usd", "calls")
    values = [getattr(simulated, name)[order].tolist() for name in columns]
    return [
        Run("", "truth", right, seconds, dollars, int(calls), 0, 0, 0)
        for right, seconds, dollars, calls in zip(*values, strict=True)
    ]


def truth(simulation: PointSimulation, population: Scenarios, numbers: Sequence[int]) -> Values:
    """What each point is worth on all queries there are: exact expectations, no runs."""
    found: dict[str, list[float]] = {name: [] for name in QUANTITIES}
    for number in numbers:
        labels, settings = simulation.points[number]
        workflow = simulation.workflow.specialise(labels)
        expected = expect(workflow, [list(settings)], population)
        for name, values in zip(
            QUANTITIES, (expected.success, expected.latency, expected.cost), strict=True
        ):
            found[name].append(float(values.mean()))
    return found


def instead(front: Front, true: Values) -> Front:
    """The front with the truth as its predictions, which nothing is uncertain about."""
    points = tuple(
        replace(point, estimates={name: Estimate(*[true[name][n]] * 3) for name in QUANTITIES})
        for n, point in enumerate(front.points)
    )
    return replace(front, points=points, dominated=())


if __name__ == "__main__":
    main()
