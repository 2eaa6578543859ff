"""Many simulations, wherever jobs run: the same results in this process and on a cluster.

    sweep(simulation, [Case(point, seed) for point in range(5) for seed in range(10)])

A simulation depends on its case alone, never on where it runs or what ran before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from flowir.executors.executor import Executor, InProcess, Service, persistent

C = TypeVar("C")
R = TypeVar("R")


def sweep(
    simulation: Callable[[C], R], cases: Iterable[C], executor: Executor | None = None
) -> list[R]:
    """The results of a simulation in every case, in the order of the cases.

    Args:
        simulation: a value that can be pickled, and so can its cases and results; what it gives is
            to depend on the case alone. See
            :class:`flowir.sim.points.PointSimulation`.
        executor: where; in this process if None. A worker runs one simulation at a time.

    Raises:
        ExecutorError: there is nowhere to run, or no worker is left.
        FlowirError: what the simulation raises.
    """
    return asyncio.run(swept(simulation, cases, executor))


async def swept(
    simulation: Callable[[C], R], cases: Iterable[C], executor: Executor | None = None
) -> list[R]:
    """:func:`sweep` where an event loop runs already."""
    async with (executor or InProcess()).serving(Simulating(simulation), each=1) as service:
        simulated = persistent(service)
        tasks = [asyncio.ensure_future(simulated(case)) for case in cases]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()


@dataclass(frozen=True)
class Simulating(Generic[C, R]):
    """The recipe of a service that runs a simulation in a thread: it has a clock of its own."""

    simulation: Callable[[C], R]

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Service[C, R]]:
        """The service."""

        async def run(case: C) -> R:
            return await asyncio.to_thread(self.simulation, case)

        yield run
