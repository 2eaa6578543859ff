"""`flowir doctor`: what is there, what is missing, and the mend."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--endpoint", "endpoints", multiple=True, metavar="URL", help="Ask this one too.")
@click.option("--timeout", default=5.0, show_default=True, type=click.FloatRange(0.1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(endpoints: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Look at the environment: versions, extras, keys, folders, endpoints; say the mend of each.

    Keys are said to be there or not, never shown. Exits with 1 where something is broken.

    Example: flowir doctor --endpoint http://localhost:8000/v1
    """
    from flowir.cli.doctor import run

    sys.exit(run(endpoints, timeout, as_json))
