"""Fronts and other results on a terminal, or as plain lines where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from flowir.search.front import Front
from flowir.search.table import header, rows

WIDTH = 118
"""Columns of the tables where the terminal has fewer, or there is none."""


def console() -> Console:
    """Standard output, wide enough for a front."""
    found = Console()
    return found if found.is_terminal and found.width >= WIDTH else Console(width=WIDTH)


def needed(of: Table) -> int:
    """Columns that a table takes if nothing of it is wrapped or cut."""
    wide = Console(width=1 << 16)
    return wide.measure(of).maximum


def say(to: Console, *sentences: str) -> None:
    """Text as it is, a line each."""
    for sentence in sentences:
        to.print(sentence, markup=False, highlight=False, soft_wrap=True)


def table(title: str | None, *columns: str) -> Table:
    """An empty table in the house style."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in columns:
        made.add_column(name)
    return made


def expectations(front: Front) -> Table:
    """What to expect of each point, today's in bold."""
    made = table(f"Pareto front of {front.workflow}")
    head = header(front)
    columns = ("point", "accuracy", "latency", "cost", "certainty")
    for column in columns:
        made.add_column(getattr(head, column), no_wrap=True)
    for row in rows(front):
        style = "bold" if row.baseline else None
        made.add_row(*(getattr(row, column) for column in columns), style=style)
    return made


def choices(front: Front) -> Table:
    """How each point compares with today's, and what it chooses, in words."""
    made = table(None)
    head = header(front)
    made.add_column(head.point, no_wrap=True)
    made.add_column(head.difference, no_wrap=True)
    made.add_column(head.configuration)
    for row in rows(front):
        style = "bold" if row.baseline else None
        made.add_row(row.point, row.difference, row.configuration, style=style)
    return made


def provenance(front: Front) -> Sequence[str]:
    """How the front was found and what its intervals are about, in words."""
    facts = front.facts
    size = "more configurations than were counted" if facts.space is None else (
        f"{facts.space:,} configurations"
    )  # fmt: skip
    about = "a population of queries" if facts.queries == "population" else "the queries profiled"
    return (f"{size}, {facts.method}; intervals of {facts.credible:.0%} for {about}",)
