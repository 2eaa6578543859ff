"""`flowir`: the compiler for people. Each command is a thin layer over the library."""

from __future__ import annotations

import sys
from typing import Any

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
@click.argument("workflow", type=click.Path())
@click.option("--data", required=True, type=click.Path(), help="JSON lines: inputs, id, expected.")
@click.option(
    "--endpoint", metavar="URL", help="OpenAI-compatible, with its version path; litellm."
)
@click.option("--store", default="profile.sqlite", show_default=True, type=click.Path())
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--agents", multiple=True, help="Sub-agents to profile; all if left out.")
@click.option("--models", multiple=True, help="Instead of those of the workflow; commas between.")
@click.option("--budgets", multiple=True, help="Tokens or effort labels; commas between.")
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(1))
@click.option("--judge", "judges", multiple=True, metavar="[AGENT=]JUDGE", help="See docs.")
@click.option("--judge-model", metavar="MODEL[@BUDGET]", help="Who the judge llm is.")
@click.option("--rubric", type=click.Path(), help="A text file: what the judge llm looks for.")
@click.option("--reference", metavar="MODEL[@BUDGET]", help="Runs the whole workflow first.")
@click.option("--reference-runs", type=click.IntRange(1), help="Per query: 1, 3 without labels.")
@click.option("--mistakes-by", metavar="MODEL[@BUDGET]", help="Gives wrong inputs; or none.")
@click.option("--datasets", type=click.Path(), help="Folder for the sub-agents' data sets.")
@click.option("--allow-writes", is_flag=True, help="Runs may use tools that write to the world.")
@click.option("--prices", type=click.Path(), help="CSV of model,input_per_mtok,output_per_mtok.")
@click.option("--concurrency", multiple=True, metavar="[MODEL=]N", help="8 if left out.")
@click.option("--rate", multiple=True, metavar="[MODEL=]N", help="Requests a minute.")
@click.option("--max-calls", type=click.IntRange(0))
@click.option("--max-dollars", type=click.FloatRange(0))
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True))
@click.option(
    "--timeout", default=120.0, show_default=True, type=click.FloatRange(0, min_open=True)
)
@click.option("--retries", default=3, show_default=True, type=click.IntRange(0))
@click.option("--texts", type=click.Choice(["keep", "hash"]), default="keep", show_default=True)
@click.option("--provider", metavar="NAME", help="Whose endpoint it is, for reasoning budgets.")
@click.option("--budget-field", metavar="FIELD", help="Where in a request budgets go: a.b.")
@click.option("--stream", is_flag=True, help="Measure the time to the first token too.")
@click.option("--adaptive", is_flag=True, help="The calls that improve the front most per dollar.")
@click.option(
    "--tolerance",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="With --adaptive: share of hypervolume that the front may lack.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would take; ask nobody.")
def profile(**options: Any) -> None:
    """Measure single calls of a workflow's sub-agents on a live endpoint.

    Every call is stored as it ends; the same command goes on where it stopped. The key comes from
    OPENAI_API_KEY.

    Example: flowir profile w.mlir --data dev.jsonl --endpoint http://localhost:8000/v1 --plan
    """
    from flowir.cli.profile import profile
    from flowir.cli.profile_options import Options

    for several in ("agents", "models", "budgets"):
        parts = (part.strip() for text in options[several] for part in text.split(","))
        options[several] = tuple(part for part in parts if part)
    options["agents"] = tuple(name.removeprefix("@") for name in options["agents"])
    try:
        sys.exit(profile(Options(**options)))
    except FlowirError as error:
        raise click.ClickException(str(error)) from None


@cli.command()
@click.argument("front", type=click.Path())
@click.option("--data", required=True, type=click.Path(), help="JSON lines: inputs, id, expected.")
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible, with its version, or litellm.")
@click.option("--points", default="all", show_default=True, help="Numbers, commas between.")
@click.option("--store", default="evaluation.sqlite", show_default=True, type=click.Path())
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--judge", "judges", multiple=True, metavar="[AGENT=]JUDGE", help="See docs.")
@click.option("--max-runs", type=click.IntRange(0))
@click.option("--max-dollars", type=click.FloatRange(0))
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True))
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(1), help="Runs.")
@click.option(
    "--timeout", default=120.0, show_default=True, type=click.FloatRange(0, min_open=True)
)
@click.option("--retries", default=3, show_default=True, type=click.IntRange(0))
@click.option("--provider", metavar="NAME", help="Whose endpoint it is, for reasoning budgets.")
@click.option("--budget-field", metavar="FIELD", help="Where in a request budgets go: a.b.")
@click.option("--allow-writes", is_flag=True, help="Runs may use tools that write to the world.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Also write JSON there.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would take; run nothing.")
def evaluate(**options: Any) -> None:
    """Run points of a front on held-out data; print predicted beside measured.

    FRONT is a workflow with a front, as flowir-opt --dse writes it. Every run is stored as it
    ends; the same command goes on where it stopped. The key comes from OPENAI_API_KEY.

    Example: flowir evaluate front.mlir --data heldout.jsonl --endpoint http://localhost:8000/v1
    """
    from flowir.cli.evaluate import Options, evaluate

    try:
        sys.exit(evaluate(Options(**options)))
    except FlowirError as error:
        raise click.ClickException(str(error)) from None


@cli.command()
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible, with its version, or litellm.")
@click.option("--models", required=True, help="Commas between.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The JSON.")
@click.option("--concurrency", default="1,2,4,8", show_default=True)
@click.option("--input-tokens", default="256,2048", show_default=True, help="Two for prefill.")
@click.option("--output-tokens", default=64, show_default=True, type=click.IntRange(2))
@click.option("--requests", default=16, show_default=True, type=click.IntRange(1))
@click.option("--length-field", default="max_tokens", show_default=True)
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(0.001))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def latency(endpoint: str | None, models: str, out: str, **options: Any) -> None:
    """Measure time to first token and per output token against concurrency.

    The result is an engine profile for simulations.

    Example: flowir latency --endpoint http://localhost:8000/v1 --models m -o engines.json
    """
    from flowir.cli.latency import run
    from flowir.profiler.latency import Probe

    probe = Probe(
        _whole_numbers("--concurrency", options["concurrency"]),
        _whole_numbers("--input-tokens", options["input_tokens"]),
        options["output_tokens"],
        options["requests"],
        options["length_field"],
        options["timeout"],
        options["seed"],
    )
    try:
        run(endpoint, [name.strip() for name in models.split(",") if name.strip()], probe, out)
    except FlowirError as error:
        raise click.ClickException(str(error)) from None


@cli.command()
@click.argument("trace", type=click.Path(dir_okay=False))
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="The page; beside TRACE if not.")
def timeline(trace: str, out: str | None) -> None:
    """Draw a run of primitives: a lane for each engine, batches, the critical path.

    TRACE is what an emitted program writes with --trace.

    Example: flowir timeline run.json -o timeline.html
    """
    from flowir.cli.timeline import run

    try:
        run(trace, out)
    except FlowirError as error:
        raise click.ClickException(str(error)) from None


def _whole_numbers(option: str, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) for part in parts):
        raise click.ClickException(f"{option} {text}: give whole numbers above 0, commas between")
    return tuple(int(part) for part in parts)


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

    try:
        run(target, out, bounds, inputs, result, only_facts, trace, record, time_limit)
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
