"""`flowir check`: read a workflow and say what is wrong."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("target", metavar="FILE|MODULE:WORKFLOW")
def check(target: str) -> None:
    """Read a workflow and explain what is wrong with it, with a caret at the place.

    FILE is textual IR, or Python that ends in .py, with :WORKFLOW for one of its workflows. Python
    is imported, which runs it.

    Example: flowir check workflow.mlir
    """
    from flowir.cli.check import run

    sys.exit(run(target))
