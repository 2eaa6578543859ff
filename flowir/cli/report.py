"""`flowir report`: a front as one page."""

from __future__ import annotations

from flowir.cli.writing import write
from flowir.report.gather import gather
from flowir.report.render import render
from flowir.search.observed import read_observed
from flowir.source.workflows import read_front


def run(path: str, out: str, profile: str | None, prices: str | None, name: str | None) -> None:
    """Write the page.

    Raises:
        FlowirError: no such front, observations that do not fit, or a file that cannot be written.
    """
    module, _, front = read_front(path, name)
    observed = None if profile is None else read_observed(profile, prices, front.facts.seed)
    write([(out, render(gather(module, name, observed)))])
    print(f"wrote {out}")
