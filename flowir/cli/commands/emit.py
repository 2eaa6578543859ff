"""`flowir emit`: a workflow as a program or a drawing."""

from __future__ import annotations

from typing import Any

import click

from flowir.cli.selecting import selecting, taken


@click.command()
@click.argument("workflow", metavar="FILE|MODULE:WORKFLOW")
@selecting
@click.option(
    "-b",
    "--backend",
    type=click.Choice(["asyncio", "langgraph", "mermaid", "dot", "mlir"]),
    default="asyncio",
    show_default=True,
)
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Standard output if left out.")
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
def emit(workflow: str, **options: Any) -> None:
    """Write a workflow as Python, at all points of its front or at one; or as a drawing.

    Example: flowir emit front.mlir -b langgraph --max-latency 2.5 -o workflow.py
    """
    from flowir.cli.emit import run

    run(workflow, taken(options), **options)
