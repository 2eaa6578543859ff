"""`flowir report`: a front as a page."""

from __future__ import annotations

import click


@click.command()
@click.argument("front", type=click.Path())
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The HTML.")
@click.option("--profile", type=click.Path(), help="Adds agents, timelines and explanations.")
@click.option("--prices", type=click.Path(), help="As the front was made with.")
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
def report(front: str, out: str, profile: str | None, prices: str | None, name: str | None) -> None:
    """Write a front as one HTML file that needs nothing else: to look at, to choose from, to send.

    Example: flowir report front.mlir --profile calls.csv --prices prices.csv -o report.html
    """
    from flowir.cli.report import run

    run(front, out, profile, prices, name)
