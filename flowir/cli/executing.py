"""Where the work of a command is done: the options that say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def executing(command: _Command) -> _Command:
    """In this process, or on a Ray cluster; see docs/scale-out.md."""
    for option in (
        click.option(
            "--ray-workers", type=click.IntRange(1), help="One per processor if left out."
        ),
        click.option("--ray-address", metavar="HOST:PORT", help="A cluster; else one begun here."),
        click.option(
            "--engine",
            type=click.Choice(["in-process", "ray"]),
            default="in-process",
            show_default=True,
            help="Where the work is done.",
        ),
    ):
        command = option(command)
    return command
