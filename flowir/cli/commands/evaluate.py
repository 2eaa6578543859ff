"""`flowir evaluate`: run points on held-out data."""

from __future__ import annotations

import sys
from typing import Any

import click

from flowir.cli.executing import executing


@click.command()
@click.argument("front", type=click.Path())
@click.option("--data", required=True, type=click.Path(), help="JSON lines: inputs, id, expected.")
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible, with its version, or litellm.")
@click.option("--points", default="all", show_default=True, help="Numbers, commas between.")
@click.option("--store", default="evaluation.sqlite", show_default=True, type=click.Path())
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--judge", "judges", multiple=True, metavar="[AGENT=]JUDGE", help="See docs.")
@click.option("--judge-model", metavar="MODEL[@BUDGET]", help="Who the judge llm is.")
@click.option("--rubric", type=click.Path(), help="A text file: what the judge llm looks for.")
@click.option("--prices", type=click.Path(), help="CSV, for models that the front has no price of.")
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
@executing
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would take; run nothing.")
def evaluate(**options: Any) -> None:
    """Run points of a front on held-out data; print predicted beside measured.

    FRONT is a workflow with a front, as flowir-opt --dse writes it. Every run is stored as it
    ends; the same command goes on where it stopped. The key comes from OPENAI_API_KEY.

    Example: flowir evaluate front.mlir --data heldout.jsonl --endpoint http://localhost:8000/v1
    """
    from flowir.cli.evaluate import Options, evaluate

    sys.exit(evaluate(Options(**options)))
