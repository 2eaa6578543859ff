"""`flowir import`: bring a workflow from elsewhere."""

from __future__ import annotations

import click


@click.command(name="import")
@click.argument("source", type=click.Choice(["langgraph"]))
@click.argument("target", metavar="MODULE:GRAPH")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="The IR; tools go beside it.")
@click.option("--bound", "bounds", multiple=True, metavar="NODE=N", help="Of a loop or a map.")
@click.option("--input", "inputs", multiple=True, metavar="KEY", help="Given, though written too.")
@click.option("--result", metavar="KEY", help="The key of the state that is the answer.")
@click.option("--facts", "only_facts", is_flag=True, help="Print what is read; write nothing.")
@click.option("--trace", type=click.Path(), metavar="RUNS.jsonl", help="Recorded runs.")
@click.option(
    "--record",
    type=click.Path(),
    metavar="INPUTS.jsonl",
    help="Run the graph on each of these inputs, and add the runs to --trace. Calls its models.",
)
@click.option(
    "--time-limit", default=60.0, show_default=True, type=click.FloatRange(0.1), help="In seconds."
)
def import_(
    source: str,
    target: str,
    out: str | None,
    bounds: tuple[str, ...],
    inputs: tuple[str, ...],
    result: str | None,
    only_facts: bool,
    trace: str | None,
    record: str | None,
    time_limit: float,
) -> None:
    """Import a workflow that was written for something else.

    The module is imported, which runs it, in a process of its own that may take --time-limit
    seconds. The graph is run only with --record.

    Example: flowir import langgraph my.module:graph -o workflow.mlir --trace runs.jsonl
    """
    from flowir.cli.import_ import run

    run(target, out, bounds, inputs, result, only_facts, trace, record, time_limit)
