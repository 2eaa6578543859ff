"""Jobs on a Ray cluster: one worker per processor, and others in the place of those that die.

Install it with `pip install 'flowir[ray]'`. The same flowir, and whatever modules the jobs import,
must be installed on every node. This process alone decides what is done and keeps what comes of it:
workers need no disk that they share.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from flowir.executors.executor import (
    MANY,
    Done,
    ExecutorError,
    Job,
    Recipe,
    Service,
    WorkerLostError,
)
from flowir.executors.worker import Failure, Worker

START_S = 120.0
"""A cluster that gives no worker for so long is given up."""
REACH_S = 10.0
"""Seconds until an address counts as silent."""
MOST_LOST_IN_A_ROW = 8
"""Workers that die, no job done between, before no others are asked for."""


@dataclass(frozen=True)
class RayCluster:
    """Runs jobs on the workers of a Ray cluster.

    Attributes:
        address: of the cluster; None begins one on this machine, which ends with the jobs.
        workers: how many; one for each processor of the cluster if None.
        start_s: seconds to wait for a worker while there is none.
    """

    address: str | None = None
    workers: int | None = None
    start_s: float = START_S

    @asynccontextmanager
    async def serving(
        self, recipe: Recipe[Job, Done], *, each: int = MANY
    ) -> AsyncIterator[Service[Job, Done]]:
        """See :class:`flowir.executors.executor.Executor`."""
        ray = _imported()
        began = _connect(ray, self.address)
        try:
            count = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            pool = _Pool(ray, ray.put(recipe), each, self.start_s)
            try:
                await pool.begin(count)
                yield pool.do
            finally:
                await pool.end()
        finally:
            if began:
                ray.shutdown()


@dataclass
class _Pool:
    """Workers and how many jobs each of them has.

    Attributes:
        recipe: a reference to it in the cluster.
        problem: why the first of the workers that could not begin did not.
    """

    ray: Any
    recipe: Any
    each: int
    start_s: float
    problem: Exception | None = None
    _jobs: dict[Any, int] = field(default_factory=dict)
    _coming: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _lost_in_a_row: int = 0

    def __post_init__(self) -> None:
        self._kind = self.ray.remote(
            num_cpus=1, scheduling_strategy="SPREAD", max_concurrency=self.each
        )(Worker)

    async def begin(self, count: int) -> None:
        """Ask for workers, and wait for the first."""
        for _ in range(count):
            self._hire()
        worker = await self._take()
        await self._give_back(worker)

    async def do(self, job: Any) -> Any:
        """Do a job on the worker that has the fewest."""
        worker = await self._take()
        reference = worker.do.remote(job)
        try:
            result, failure = await reference
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                self.ray.cancel(reference)
            raise
        except self.ray.exceptions.RayError as error:
            self._lose(worker)
            raise WorkerLostError(f"a worker of the cluster died ({_line(error)})") from None
        finally:
            await self._give_back(worker)
        self._lost_in_a_row = 0
        if failure is not None:
            raise failure.error()
        return result

    async def end(self) -> None:
        """Let all workers go, with whatever is under way."""
        for task in self._coming:
            task.cancel()
        await asyncio.gather(*self._coming, return_exceptions=True)
        for worker in self._jobs:
            self._let_go(worker)

    async def _take(self) -> Any:
        """A worker that has room for a job."""
        async with self._changed:
            try:
                async with asyncio.timeout(None) as patience:
                    while not (free := [w for w, n in self._jobs.items() if n < self.each]):
                        self._check()
                        if self._jobs:
                            patience.reschedule(None)
                        elif patience.when() is None:
                            now = asyncio.get_running_loop().time()
                            patience.reschedule(now + self.start_s)
                        try:
                            await self._changed.wait()
                        except asyncio.CancelledError:
                            self._changed.notify()  # What this one was told of is another's.
                            raise
            except TimeoutError:
                raise ExecutorError(
                    f"the cluster gave no worker for {self.start_s:g} s; see `ray status` for "
                    "what its processors do, or ask for fewer workers"
                ) from None
            worker = min(free, key=self._jobs.__getitem__)
            self._jobs[worker] += 1
            return worker

    async def _give_back(self, worker: Any) -> None:
        async with self._changed:
            if worker in self._jobs:
                self._jobs[worker] -= 1
                self._changed.notify()
            else:
                self._changed.notify_all()

    def _check(self) -> None:
        """Raise where there is no worker and none is coming."""
        if self._jobs or self._coming:
            return
        if self.problem is not None:
            raise self.problem
        raise ExecutorError(
            f"{self._lost_in_a_row} workers of the cluster died one after the other; what is done "
            "is kept, look into the logs of its nodes"
        )

    def _lose(self, worker: Any) -> None:
        """Take a worker that died off the list, and ask for another."""
        if self._jobs.pop(worker, None) is None:
            return  # Another of its jobs has told already.
        self._let_go(worker)
        self._lost_in_a_row += 1
        if self._lost_in_a_row < MOST_LOST_IN_A_ROW:
            self._hire()

    def _let_go(self, worker: Any) -> None:
        with contextlib.suppress(Exception):
            self.ray.kill(worker)

    def _hire(self) -> None:
        task = asyncio.create_task(self._arrival(self._kind.remote()))
        self._coming.add(task)

    async def _arrival(self, worker: Any) -> None:
        """Wait until a worker has made its service."""
        problem: Exception | None = None
        try:
            failure: Failure | None = await worker.begin.remote(self.recipe)
            problem = None if failure is None else failure.error()
        except self.ray.exceptions.RayError as error:
            problem = ExecutorError(
                f"a worker of the cluster could not begin ({_line(error)}); the same flowir must "
                "be installed on every node"
            )
        except asyncio.CancelledError:
            self._let_go(worker)
            raise
        async with self._changed:
            self._coming.discard(asyncio.current_task())
            if problem is None:
                self._jobs[worker] = 0
            else:
                self._let_go(worker)
                self.problem = self.problem or problem
            self._changed.notify_all()


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ExecutorError(
            "Ray is not installed; run: pip install 'flowir[ray]', or leave --engine out"
        ) from error
    return ray


def _connect(ray: Any, address: str | None) -> bool:
    """Whether a connection was made that is to be ended again."""
    if ray.is_initialized():
        return False
    if address is not None:
        _reach(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own = {"address": "local", "include_dashboard": False} if address is None else {}
    try:
        ray.init(
            **{"address": address, **own},
            log_to_driver=False,
            logging_level="error",
            configure_logging=False,
        )
    except Exception as error:
        where = "here" if address is None else f"at {address}"
        raise ExecutorError(f"no Ray cluster {where}: {_line(error)}") from None
    return True


def _reach(address: str) -> None:
    """Raise at once where nobody listens at an address: Ray itself would try for minutes."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal()) or "/" in host:
        raise ExecutorError(
            f"{address} is no address of a Ray cluster; write HOST:PORT of its head, such as "
            "10.0.0.1:6379, or auto for the one of this machine"
        )
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise ExecutorError(f"no Ray cluster at {address}: {_line(error)}") from None


def _line(error: Exception) -> str:
    """What an error says, as one line that is not too long."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:200]}…"
