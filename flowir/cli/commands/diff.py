"""`flowir diff`: two fronts, or two workflows."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--workflow", "name", metavar="NAME", help="Of several in the files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(old: str, new: str, name: str | None, as_json: bool) -> None:
    """Say what changed between two workflows, and between their fronts where both have one.

    Exits with 0 where nothing did, with 3 where something did.

    Example: flowir diff before.mlir after.mlir
    """
    from flowir.cli.diff import run

    sys.exit(run(old, new, name, as_json))
