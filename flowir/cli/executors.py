"""Where a command does its work."""

from __future__ import annotations

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
