"""`flowir demo`: from workflow text to a front, to Python, to simulated runs of it."""

from __future__ import annotations

import time
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path

from flowir.backends.asyncio.target import AsyncioTarget
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.cli import tables
from flowir.cli.simulate import comparison
from flowir.files import write_atomically
from flowir.passes.flow_dse import FlowDse
from flowir.search.annotate import front_from_ir
from flowir.search.front import Front
from flowir.search.observed import given_rates, read_observed
from flowir.sim.points import Case, PointSimulation
from flowir.sim.sweep import sweep
from flowir.source.workflows import read_ir
from flowir.universe import context

EXAMPLE = "code_repair"
MAX_POINTS = 12


def run(out: str, runs: int, seed: int) -> None:
    """Compile the example into `out`, print its front, and simulate three of its points."""
    console = tables.console()
    started = time.perf_counter()
    with as_file(files("flowir.examples") / EXAMPLE) as folder:
        module = read_ir(str(folder / f"{EXAMPLE}.mlir"))
        profile, prices = folder / "observations.synthetic.csv", folder / "prices.csv"
        with console.status("fitting the cost model and exploring"):
            FlowDse(
                profile=str(profile), prices=str(prices), seed=seed, max_points=MAX_POINTS
            ).apply(context(), module)
        observed = read_observed(str(profile), str(prices), seed)
    front = front_from_ir(find_workflow(module))
    console.print(tables.expectations(front))
    console.print(tables.choices(front))
    tables.say(console, *tables.provenance(front), "the observations are synthetic", "")

    ir, python = Path(out, f"{EXAMPLE}.mlir"), Path(out, f"{EXAMPLE}.py")
    ir.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(ir, str(module) + "\n")
    text = StringIO()
    AsyncioTarget().emit(context(), module, text)
    write_atomically(python, text.getvalue())
    console.print(f"wrote {ir} (the front in IR) and {python} (standard library only)\n")

    source = observed.source(
        workflow_terms(find_workflow(module)), given_rates(module), "population"
    )
    simulation = PointSimulation.of(module, source(200, 256, seed), inputs={"task": "a task"})
    numbers = _spread(front)
    simulated = sweep(simulation, [Case(number, seed, runs) for number in numbers])
    console.print(comparison(front, numbers, simulated, runs))
    console.print(f"{time.perf_counter() - started:.1f} s")


def _spread(front: Front) -> list[int]:
    """Three points: the fastest, the middle one and the most accurate."""
    last = max(range(len(front.points)), key=lambda i: front.points[i].estimates["accuracy"].mean)
    return sorted({0, (len(front.points) - 1) // 2, last})
