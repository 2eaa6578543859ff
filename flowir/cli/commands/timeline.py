"""`flowir timeline`: a run of primitives as a page."""

from __future__ import annotations

import click


@click.command()
@click.argument("trace", type=click.Path(dir_okay=False))
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="The page; beside TRACE if not.")
def timeline(trace: str, out: str | None) -> None:
    """Draw a run of primitives: a lane for each engine, batches, the critical path.

    TRACE is what an emitted program writes with --trace.

    Example: flowir timeline run.json -o timeline.html
    """
    from flowir.cli.timeline import run

    run(trace, out)
