"""`flowir simulate`: points of a front, run on a simulated provider."""

from __future__ import annotations

from typing import Any

import click

from flowir.cli.executors import executing


@click.command()
@click.argument("front", type=click.Path())
@click.option("--profile", required=True, type=click.Path(), help="What the front was made from.")
@click.option("--prices", type=click.Path(), help="As the front was made with.")
@click.option("--points", default="all", show_default=True, help="Numbers, commas between.")
@click.option("--runs", default=1000, show_default=True, type=click.IntRange(2), help="Per point.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--workflow", "name", metavar="NAME", help="Of several in the file.")
@executing
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(front: str, **options: Any) -> None:
    """Run the emitted program of a front on a simulated provider: no key, no network, virtual time.

    Answers, tokens and latency are drawn from the cost model. What comes out shows whether the
    program does what was predicted, and nothing of any real model.

    Example: flowir simulate front.mlir --profile calls.csv --prices prices.csv --points 0,3
    """
    from flowir.cli.simulate import run

    run(front, **options)
