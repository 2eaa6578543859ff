"""`flowir profile`: measure single calls."""

from __future__ import annotations

import sys
from typing import Any

import click

from flowir.cli.executing import executing


@click.command()
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
@executing
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
    sys.exit(profile(Options(**options)))
