"""`flowir demo`: an example, from workflow to simulated runs."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False),
    default="out",
    show_default=True,
    help="Folder for the annotated IR and the emitted Python.",
)
@click.option(
    "--runs",
    default=2000,
    show_default=True,
    help="Simulated runs per point.",
    type=click.IntRange(2),
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def demo(out: str, runs: int, seed: int) -> None:
    """Compile an example, show its front, run what was emitted on a simulated provider.

    Needs no key and no network; every observation it uses is synthetic.

    Example: flowir demo -o out
    """
    from flowir.cli.demo import run

    run(out, runs, seed)
