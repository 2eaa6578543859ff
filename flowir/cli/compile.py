"""`flowir compile`: explore, say what was found, and write it down."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from flowir.calculus.from_ir import find_workflow
from flowir.cli import tables
from flowir.cli.writing import print_json, write
from flowir.passes.flow_dse import FlowDse
from flowir.search.annotate import front_from_ir, workflow_hash
from flowir.search.observed import read_observed
from flowir.search.pareto_json import front_document
from flowir.source.workflows import read_workflow
from flowir.universe import context


@dataclass(frozen=True)
class Options:
    """The command line, as it was written."""

    workflow: str
    profile: str
    prices: str | None
    out: str | None
    python: str | None
    backend: str
    name: str | None
    objectives: tuple[str, ...]
    latency: str
    max_latency: float | None
    min_accuracy: float | None
    max_cost: float | None
    allow: tuple[str, ...]
    lock: tuple[str, ...]
    forbid: tuple[str, ...]
    execution: str
    queries: str
    credible: float
    seed: int
    max_seconds: float | None
    max_points: int
    as_json: bool


def run(given: Options) -> None:
    """Explore and report.

    Raises:
        FlowirError: what the workflow, the observations or the options lack; nothing is written.
    """
    read = read_workflow(given.workflow, given.name)
    exploring = FlowDse(
        workflow=read.name,
        objectives=given.objectives,
        latency=given.latency,
        execution=given.execution,
        queries=given.queries,
        credible=given.credible,
        seed=given.seed,
        max_latency=given.max_latency,
        min_accuracy=given.min_accuracy,
        max_cost=given.max_cost,
        allow=given.allow,
        lock=given.lock,
        forbid=given.forbid,
        max_seconds=given.max_seconds,
        max_points=given.max_points,
    )
    exploring.options()
    observed = read_observed(given.profile, given.prices, given.seed)
    exploring.explore(context(), read.module, observed)
    workflow = find_workflow(read.module, read.name)
    front = front_from_ir(workflow)
    files = []
    if given.out is not None:
        files.append((given.out, str(read.module) + "\n"))
    if given.python is not None:
        files.append((given.python, program(read.module, front.workflow, given.backend)))
    write(files)
    if given.as_json:
        print_json(front_document(front, workflow_hash(workflow)))
        return
    console = tables.console()
    console.print(tables.expectations(front))
    console.print(tables.choices(front))
    tables.say(console, *tables.provenance(front))
    tables.say(console, *(f"assumed: {sentence}" for sentence in front.facts.assumptions))
    tables.say(console, *(f"wrote {path}" for path, _ in files))


def program(module: ModuleOp, workflow: str, backend: str) -> str:
    """The Python of a workflow, as that back end writes it.

    Raises:
        FlowirError: it cannot be written in that back end's terms.
    """
    if backend == "langgraph":
        from flowir.backends.langgraph.emit import emit as graph

        return graph(module, workflow)
    from flowir.backends.asyncio.emit import emit as coroutines

    return coroutines(module, workflow)
