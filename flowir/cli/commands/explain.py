"""`flowir explain`: why a point is what it is."""

from __future__ import annotations

from typing import Any

import click

from flowir.cli.selecting import selecting, taken


@click.command()
@click.argument("front", type=click.Path())
@selecting
@click.option("--profile", required=True, type=click.Path(), help="What the front was made from.")
@click.option("--prices", type=click.Path(), help="As the front was made with.")
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@click.option("--all", "everything", is_flag=True, help="Every change, not the telling ones only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(front: str, **options: Any) -> None:
    """Explain a point: where its time goes, what each setting buys, what would move the front,
    and what is only assumed.

    Example: flowir explain front.mlir --point 3 --profile calls.csv --prices prices.csv
    """
    from flowir.cli.explain import run

    run(front, taken(options), **options)
