"""`flowir run`: one run of a workflow on a live endpoint."""

from __future__ import annotations

import sys
from typing import Any

import click

from flowir.cli.selecting import selecting, taken


@click.command()
@click.argument("workflow", metavar="FILE|MODULE:WORKFLOW")
@selecting
@click.option("--input", "texts", multiple=True, metavar="NAME=TEXT", help="One text input.")
@click.option("--inputs", "file", metavar="FILE|-", help="A JSON object with the inputs.")
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible, with its version, or litellm.")
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds, of the run.")
@click.option("--call-timeout", default=120.0, show_default=True, type=click.FloatRange(0))
@click.option("--retries", default=3, show_default=True, type=click.IntRange(0))
@click.option("--max-concurrency", type=click.IntRange(1), help="Open requests.")
@click.option("--provider", metavar="NAME", help="Whose endpoint it is, for reasoning budgets.")
@click.option("--budget-field", metavar="FIELD", help="Where in a request budgets go: a.b.")
@click.option("--json", "as_json", is_flag=True, help="The value and what the run used, as JSON.")
def run(workflow: str, **options: Any) -> None:
    """Run a workflow once, at a point of its front; today's where nothing is said.

    Prints its value; what it used goes to standard error. The key comes from OPENAI_API_KEY.

    Example: flowir run front.mlir --max-latency 2 --input task="def one(): ..."
    """
    from flowir.cli.run import run_once

    sys.exit(run_once(workflow, taken(options), **options))
