"""Where jobs run, behind one small protocol, and the default: this process.

A *service* does jobs of one kind and holds what they need, such as a model client or an imported
program. A *recipe* makes one. It is a value that can be pickled, so that a service can be made
where it is to work; keys are no part of it, services find them in the environment they are made in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

from flowir.errors import FlowirError

MANY = 10_000
"""Jobs at the same time where it is no matter how many."""
MOST_LOST = 3
"""A job that so many workers died with is not given to another one: it may be what kills them."""

Job = TypeVar("Job")
Done = TypeVar("Done")
Service = Callable[[Job], Awaitable[Done]]
"""Does a job. Cancelling it ends the job where it runs."""
Recipe = Callable[[], AbstractAsyncContextManager[Service[Job, Done]]]
"""Makes a service, and closes it."""


class ExecutorError(FlowirError):
    """There is nowhere to run a job: no cluster, no worker left, or a service cannot be made."""


class WorkerLostError(FlowirError):
    """The worker died with the job under way. Whether it was done nobody knows; it may be given
    again."""


class JobError(FlowirError):
    """A job failed on a worker with an error that does not travel; says which."""


class Executor(Protocol):
    """Runs jobs."""

    def serving(
        self, recipe: Recipe[Job, Done], *, each: int = MANY
    ) -> AbstractAsyncContextManager[Service[Job, Done]]:
        """A service where jobs run, as long as the context lasts; may be asked many at a time.

        Args:
            each: jobs that one worker does at the same time; others wait.

        Raises:
            ExecutorError: there is no worker, or a service cannot be made; jobs raise it where no
                worker is left.
            FlowirError: what the recipe raises.
            WorkerLostError: of a job.
        """
        ...


class InProcess:
    """Runs jobs here: this process is the one worker."""

    @asynccontextmanager
    async def serving(
        self, recipe: Recipe[Job, Done], *, each: int = MANY
    ) -> AsyncIterator[Service[Job, Done]]:
        """See :class:`Executor`."""
        slots = asyncio.Semaphore(each)
        async with recipe() as service:

            async def do(job: Job) -> Done:
                async with slots:
                    return await service(job)

            yield do


def persistent(service: Service[Job, Done]) -> Service[Job, Done]:
    """A service that gives a job to another worker where one died with it, `MOST_LOST` times."""

    async def do(job: Job) -> Done:
        for _ in range(MOST_LOST - 1):
            try:
                return await service(job)
            except WorkerLostError:
                continue
        return await service(job)

    return do
