"""Where a command does its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from flowir.errors import ProfilerError
from flowir.executors.executor import Executor, InProcess


def executor(engine: str, address: str | None, workers: int | None) -> Executor:
    """What the options `--engine`, `--ray-address` and `--ray-workers` mean.

    Raises:
        ProfilerError: options of another engine.
    """
    if engine == "ray":
        from flowir.executors.cluster import RayCluster

        return RayCluster(address, workers)
    for option, given in (("--ray-address", address), ("--ray-workers", workers)):
        if given is not None:
            raise ProfilerError(f"{option} is for --engine ray; give that too, or leave it out")
    return InProcess()


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
