"""`flowir demo`: from workflow text to a front, to Python, to simulated runs of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path
from types import ModuleType

from rich.table import Table
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from flowir.backends.asyncio.loading import load
from flowir.backends.asyncio.target import AsyncioTarget
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.terms import Workflow
from flowir.cli import tables
from flowir.files import write_atomically
from flowir.passes.flow_dse import FlowDse
from flowir.runtime.llm import LLM, Tools
from flowir.search.annotate import front_from_ir
from flowir.search.front import Front, FrontPoint
from flowir.search.observed import given_rates, read_observed
from flowir.sim.simulate import RunOne, Simulated, simulate, standard_error
from flowir.universe import context

EXAMPLE = "code_repair"
MAX_POINTS = 12


def run(out: str, runs: int, seed: int) -> None:
    """Compile the example into `out`, print its front, and simulate three of its points."""
    console = tables.console()
    started = time.perf_counter()
    with as_file(files("flowir.examples") / EXAMPLE) as folder:
        module = _parse(folder / f"{EXAMPLE}.mlir")
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

    workflow = workflow_terms(find_workflow(module))
    rates = given_rates(module)
    scenarios = observed.source(workflow, rates, "population")(200, 256, seed)
    emitted = load(module, EXAMPLE)
    simulated = [
        simulate(
            _runner(emitted, number),
            workflow.specialise(_choices(front, front.points[number])),
            _settings(workflow, front.points[number]),
            scenarios,
            inputs={"task": "a task"},
            parsers={"coder": "code"},
            samples=runs,
            seed=seed,
        )
        for number in _spread(front)
    ]
    console.print(_comparison(front, simulated, runs))
    console.print(f"{time.perf_counter() - started:.1f} s")


def _parse(path: Path) -> ModuleOp:
    module = Parser(context(), path.read_text(), path.name).parse_module()
    module.verify()
    return module


def _runner(emitted: ModuleType, point: int) -> RunOne:
    async def run_one(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> object:
        result = await emitted.run(inputs, point=point, llm=llm, tools=tools)
        return result.value

    return run_one


def _spread(front: Front) -> list[int]:
    """Three points: the fastest, the middle one and the most accurate."""
    last = max(range(len(front.points)), key=lambda i: front.points[i].estimates["accuracy"].mean)
    return sorted({0, (len(front.points) - 1) // 2, last})


def _choices(front: Front, point: FrontPoint) -> dict[str, str]:
    return {
        structure.name: label if label is not None else structure.labels[0]
        for structure, label in zip(front.structures, point.choices, strict=True)
    }


def _settings(workflow: Workflow, point: FrontPoint) -> list[int]:
    return [
        0 if chosen is None else decision.configurations.index(chosen)
        for decision, chosen in zip(workflow.decisions, point.configurations, strict=True)
    ]


def _comparison(front: Front, simulated: list[Simulated], runs: int) -> Table:
    table = tables.table(
        f"Predicted beside simulated: the emitted file, {runs} runs per point",
        "point", "quantity", "predicted", "simulated (± standard error)",
    )  # fmt: skip
    for number, result in zip(_spread(front), simulated, strict=True):
        estimates = front.points[number].estimates
        for name, quantity, values, scale, unit in (
            ("accuracy", "accuracy", result.right, 100.0, " %"),
            ("latency", "latency_s", result.latency_s, 1.0, " s"),
            ("cost", "cost_usd", result.cost_usd, 1000.0, " $ / 1000"),
        ):
            mean, error = scale * values.mean(), scale * standard_error(values)
            table.add_row(
                str(number) if name == "accuracy" else "",
                name,
                f"{scale * estimates[quantity].mean:.3g}{unit}",
                f"{mean:.3g} ± {error:.2g}{unit}",
                end_section=name == "cost",
            )
    return table
