"""`flowir`: the compiler for people. Each command is a thin layer over the library."""

from __future__ import annotations

import sys

import click

from flowir._version import __version__
from flowir.errors import FlowirError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flowir")
def cli() -> None:
    """An optimizing compiler for LLM workflows.

    `flowir-opt` reads, explores and emits workflows; see `flowir-opt --help`.
    """


@cli.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False),
    default="out",
    show_default=True,
    help="Folder for the annotated IR and the emitted Python.",
)
@click.option(
    "--runs",
    default=2000,
    show_default=True,
    help="Simulated runs per point.",
    type=click.IntRange(2),
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def demo(out: str, runs: int, seed: int) -> None:
    """Compile an example, show its front, run what was emitted on a simulated provider.

    Needs no key and no network; every observation it uses is synthetic.

    Example: flowir demo -o out
    """
    from flowir.cli.demo import run

    run(out, runs, seed)


@cli.command()
@click.argument("profile", type=click.Path())
@click.option("--prices", type=click.Path(), help="CSV of model,input_per_mtok,output_per_mtok.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def fit(profile: str, prices: str | None, seed: int, as_json: bool) -> None:
    """Fit the cost model to observations of single calls and print what was learned.

    PROFILE is .csv, .jsonl, .parquet, .sqlite, or .json (a trace). Fits are kept by content in
    $FLOWIR_CACHE_DIR, by default the user's cache folder.

    Example: flowir fit observations.csv --prices prices.csv
    """
    from flowir.cli.fit import run

    try:
        run(profile, prices, seed, as_json)
    except FlowirError as error:
        raise click.ClickException(str(error)) from None


@cli.command()
@click.argument("target", metavar="FILE|MODULE:WORKFLOW")
def check(target: str) -> None:
    """Read a workflow and explain what is wrong with it, with a caret at the place.

    FILE is textual IR, or Python that ends in .py, with :WORKFLOW for one of its workflows. Python
    is imported, which runs it.

    Example: flowir check workflow.mlir
    """
    from flowir.cli.check import run

    sys.exit(run(target))


@cli.command(name="import")
@click.argument("source", type=click.Choice(["langgraph"]))
@click.argument("target", metavar="MODULE:GRAPH")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="The IR; tools go beside it.")
@click.option("--bound", "bounds", multiple=True, metavar="NODE=N", help="Of a loop or a map.")
@click.option("--input", "inputs", multiple=True, metavar="KEY", help="Given, though written too.")
@click.option("--result", metavar="KEY", help="The key of the state that is the answer.")
@click.option("--facts", "only_facts", is_flag=True, help="Print what is read; write nothing.")
@click.option("--time-limit", default=60.0, show_default=True, type=click.FloatRange(0.1))
def import_(
    source: str,
    target: str,
    out: str | None,
    bounds: tuple[str, ...],
    inputs: tuple[str, ...],
    result: str | None,
    only_facts: bool,
    time_limit: float,
) -> None:
    """Import a workflow that was written for something else.

    The module is imported, which runs it, in a process of its own that may take --time-limit
    seconds.

    Example: flowir import langgraph my.module:graph -o workflow.mlir
    """
    from flowir.cli.import_ import run

    try:
        run(target, out, bounds, inputs, result, only_facts, time_limit)
    except FlowirError as error:
        raise click.ClickException(str(error)) from None


def main() -> None:
    """The entry point: a user's mistake is one message and exit code 1."""
    try:
        cli()
    except FlowirError as error:
        click.echo(f"flowir: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
