"""Which point of a front is meant: the options, and what they choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from flowir.errors import SelectionError
from flowir.search.front import Front
from flowir.search.selection import select

_Command = TypeVar("_Command", bound=Callable[..., Any])
NAMES = ("point", "prefer", "max_latency", "min_accuracy", "max_cost")


@dataclass(frozen=True)
class Wanted:
    """A point by its number, by limits, or by preference; see `flowir.search.selection.select`."""

    point: int | None = None
    prefer: float | None = None
    max_latency: float | None = None
    min_accuracy: float | None = None
    max_cost: float | None = None

    @property
    def nothing(self) -> bool:
        """Whether nothing is asked for."""
        return all(getattr(self, name) is None for name in NAMES)

    def number(self, front: Front) -> int:
        """The number of the point.

        Raises:
            SelectionError: no point answers to it, or nothing is asked for.
        """
        return select(front, **{name: getattr(self, name) for name in NAMES})


def selecting(command: _Command) -> _Command:
    """The options that choose a point; the command gets them as `wanted`."""
    for option in reversed(
        (
            click.option("--point", type=click.IntRange(0), metavar="N", help="This one."),
            click.option("--prefer", type=click.FloatRange(0, 1), help="Accuracy 1, latency 0."),
            click.option("--max-latency", type=click.FloatRange(0), metavar="SECONDS"),
            click.option("--min-accuracy", type=click.FloatRange(0, 1), metavar="SHARE"),
            click.option("--max-cost", type=click.FloatRange(0), metavar="DOLLARS", help="A run."),
        )
    ):
        command = option(command)
    return command


def taken(options: dict[str, Any]) -> Wanted:
    """The options of `selecting` out of all of a command."""
    return Wanted(**{name: options.pop(name) for name in NAMES})


def numbered(text: str, front: Front) -> list[int]:
    """The points that `all`, or numbers with commas between, mean; each once.

    Raises:
        SelectionError: one that is not there.
    """
    if text.strip() == "all":
        return list(range(len(front.points)))
    parts = [part.strip() for part in text.split(",") if part.strip()]
    there = len(front.every)
    for part in parts:
        if not part.isdecimal() or int(part) >= there:
            raise SelectionError(
                f"--points {part}: the front has points 0 to {there - 1}; give numbers with "
                "commas between, or all"
            )
    return list(dict.fromkeys(map(int, parts)))
