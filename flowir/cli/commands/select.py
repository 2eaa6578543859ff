"""`flowir select`: one point of a front."""

from __future__ import annotations

from typing import Any

import click

from flowir.cli.selecting import selecting, taken


@click.command()
@click.argument("front", type=click.Path())
@selecting
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="The workflow at that point.")
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--profile", type=click.Path(), help="Adds estimates to every call.")
@click.option("--prices", type=click.Path(), help="As the front was made with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def select(front: str, **options: Any) -> None:
    """Choose the point of a front that keeps to limits, and compile the workflow to it.

    FRONT is a workflow with a front, as flowir compile writes it.

    Example: flowir select front.mlir --max-latency 2.5 -o chosen.mlir
    """
    from flowir.cli.select import run

    run(front, taken(options), **options)
