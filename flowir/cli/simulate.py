"""`flowir simulate`: predicted beside what simulated runs of the emitted program did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from flowir.calculus.from_ir import workflow_terms
from flowir.cli import tables
from flowir.cli.executors import executor
from flowir.cli.selecting import numbered
from flowir.cli.writing import print_json
from flowir.search.front import Front
from flowir.search.observed import given_rates, read_observed
from flowir.search.table import UNITS
from flowir.sim.inputs import any_inputs
from flowir.sim.points import Case, PointSimulation
from flowir.sim.simulate import Simulated, standard_error
from flowir.sim.sweep import sweep
from flowir.source.workflows import read_front

MEASURED = {"accuracy": "right", "latency_s": "latency_s", "cost_usd": "cost_usd"}
"""By estimate, what of simulated runs it is the mean of."""


def run(
    path: str,
    *,
    profile: str,
    prices: str | None,
    points: str,
    runs: int,
    seed: int,
    name: str | None,
    engine: str,
    ray_address: str | None,
    ray_workers: int | None,
    as_json: bool,
) -> None:
    """Simulate and print.

    Raises:
        FlowirError: no such front or points, or a workflow that cannot be simulated.
    """
    module, workflow, front = read_front(path, name)
    numbers = numbered(points, front)
    observed = read_observed(profile, prices, front.facts.seed)
    facts, rates = front.facts, given_rates(module)
    source = observed.source(workflow_terms(workflow), rates, facts.queries)
    simulation = PointSimulation.of(
        module,
        source(facts.draws, facts.scenarios, facts.seed),
        name=front.workflow,
        inputs=any_inputs(workflow),
    )
    cases = [Case(number, seed, runs) for number in numbers]
    found = sweep(simulation, cases, executor(engine, ray_address, ray_workers))
    if as_json:
        print_json(
            {
                "simulated": True,
                "runs": runs,
                "seed": seed,
                "points": [_point(front, *pair) for pair in zip(numbers, found, strict=True)],
            }
        )
        return
    console = tables.console()
    console.print(comparison(front, numbers, found, runs))
    tables.say(console, "simulated: nothing here was measured on a real model")


def comparison(
    front: Front, numbers: Sequence[int], found: Sequence[Simulated], runs: int
) -> Table:
    """Predicted beside simulated, point by point."""
    made = tables.table(
        f"Predicted beside simulated: the emitted file, {runs} runs per point",
        "point", "quantity", "predicted", "simulated (± standard error)",
    )  # fmt: skip
    for number, result in zip(numbers, found, strict=True):
        estimates = front.every[number].estimates
        known = [name for name in MEASURED if name in estimates]
        for place, name in enumerate(known):
            scale, unit = UNITS[name]
            values = getattr(result, MEASURED[name])
            mean, error = scale * values.mean(), scale * standard_error(values)
            made.add_row(
                "" if place else str(number),
                name.partition("_")[0],
                f"{scale * estimates[name].mean:.3g} {unit}",
                f"{mean:.3g} ± {error:.2g} {unit}",
                end_section=place == len(known) - 1,
            )
    return made


def _point(front: Front, number: int, result: Simulated) -> dict[str, Any]:
    estimates = front.every[number].estimates
    return {
        "point": number,
        "calls": result.mean_calls,
        **{
            name: {
                "predicted": estimates[name].mean,
                "simulated": float(getattr(result, attribute).mean()),
                "standard_error": standard_error(getattr(result, attribute)),
            }
            for name, attribute in MEASURED.items()
            if name in estimates
        },
    }
