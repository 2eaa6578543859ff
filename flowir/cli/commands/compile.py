"""`flowir compile`: from a workflow and observations to its front."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("workflow", metavar="FILE|MODULE:WORKFLOW")
@click.option("--profile", required=True, type=click.Path(), help="Observations of single calls.")
@click.option("--prices", type=click.Path(), help="CSV of model,input_per_mtok,output_per_mtok.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="The IR, with the front in it.")
@click.option("--python", type=click.Path(dir_okay=False), help="A program that runs any point.")
@click.option(
    "--backend", type=click.Choice(["asyncio", "langgraph"]), default="asyncio", show_default=True
)
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--objectives", default="accuracy,latency,cost", show_default=True)
@click.option("--latency", type=click.Choice(["mean", "p50", "p95"]), default="mean")
@click.option("--max-latency", type=click.FloatRange(0), metavar="SECONDS")
@click.option("--min-accuracy", type=click.FloatRange(0, 1), metavar="SHARE")
@click.option("--max-cost", type=click.FloatRange(0), metavar="DOLLARS", help="A run.")
@click.option("--allow", multiple=True, metavar="RULE", help='"coder: gpt-4, gpt-5"; see docs.')
@click.option("--lock", multiple=True, metavar="RULE", help="Exactly this one.")
@click.option("--forbid", multiple=True, metavar="RULE", help="Not all of these at once.")
@click.option(
    "--execution", type=click.Choice(["asyncio", "langgraph", "sequential"]), default="asyncio"
)
@click.option("--queries", type=click.Choice(["population", "profiled"]), default="population")
@click.option("--credible", default=0.9, show_default=True, help="Mass of the intervals.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="For the search.")
@click.option("--max-points", default=32, show_default=True, help="In the IR; 0 for all.")
@click.option("--json", "as_json", is_flag=True, help="Print the front as JSON; see docs.")
def compile(**options: Any) -> None:
    """Find the Pareto front of a workflow, and write it into IR and Python.

    Example: flowir compile w.mlir --profile calls.csv --prices prices.csv -o front.mlir
    """
    from flowir.cli.compile import Options, run

    parts = (part.strip() for part in options["objectives"].split(","))
    options["objectives"] = tuple(part for part in parts if part)
    run(Options(**options))
