"""Recipes of services for tests: workers of a cluster import them from here."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from flowir.errors import SimulationError
from flowir.executors.executor import Service


@dataclass(frozen=True)
class Calls:
    """The recipe of a service that calls a function with each job."""

    function: Callable[[Any], Any]

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Service[Any, Any]]:
        async def do(job: Any) -> Any:
            given = self.function(job)
            return await given if asyncio.iscoroutine(given) else given

        yield do


async def process(seconds: float) -> int:
    """Which process did the job."""
    await asyncio.sleep(seconds)
    return os.getpid()


def failing(job: str) -> None:
    """Fails as the job says."""
    raise {"ours": SimulationError("no samples"), "other": KeyError("k")}[job]


@dataclass(frozen=True)
class Broken:
    """The recipe of a service that cannot be made."""

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Service[Any, Any]]:
        raise SimulationError("nothing to be made here")
        yield lambda job: job  # type: ignore[unreachable]


def held(folder: str) -> int:
    """Say that the job has begun, and by whom; wait until it may end."""
    with open(os.path.join(folder, f"begun-{os.getpid()}"), "a") as file:
        file.write(".")
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.02)
    return os.getpid()


async def holding(folder: str) -> int:
    """`held`, many at a time."""
    return await asyncio.to_thread(held, folder)
