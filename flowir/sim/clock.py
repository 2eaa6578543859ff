"""A virtual clock: an asyncio event loop whose time jumps to the next timer when nothing is ready.

Code that sleeps, times out and races runs unchanged, in the order it would run in, without waiting.
Python code takes no virtual time, so `loop.time()` is exact: a sleep of d seconds that starts at t
ends at t + d.
"""

from __future__ import annotations

import asyncio
import math
import os
import selectors
from collections.abc import Callable, Coroutine
from types import CodeType, FrameType
from typing import Any, TypeVar, TypeVarTuple

from flowir.errors import SimulationError

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_Events = list[tuple[selectors.SelectorKey, int]]

_ASYNCIO = os.path.dirname(asyncio.__file__)
_TASKS_SHOWN = 5


class DeadlockError(SimulationError):
    """Nothing is ready, no timer is set, and nothing outside the loop can wake it."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0 virtual seconds and never waits for a timer.

    Work in threads (`run_in_executor`, `asyncio.to_thread`) takes no virtual time: the clock stands
    still, and the loop really waits, until it is done.

    Raises (out of `run_until_complete` and `run_forever`):
        DeadlockError: every task waits for something that cannot happen.
    """

    # Kept by asyncio.BaseEventLoop: the heap of timers, and how far ahead of now a timer is due.
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float

    def __init__(self) -> None:
        self._now = 0.0
        self._outside = 0
        super().__init__(_IdleSelector(self._idle))
        self._clock_resolution = math.ulp(self._now)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def run_in_executor(
        self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        future = super().run_in_executor(executor, func, *args)
        self._outside += 1
        future.add_done_callback(self._came_back)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._outside += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._outside -= 1

    def _came_back(self, _: object) -> None:
        self._outside -= 1

    def _idle(self, files: int) -> bool:
        """Move to the next timer; True says to wait in real time for the outside instead."""
        if self._outside:
            return True
        due = self._scheduled[0].when() if self._scheduled else math.inf
        if due < math.inf:
            self._now = due
            # Exactly the timers that are due now run next, however late the clock is.
            self._clock_resolution = math.ulp(due)
            return False
        if files > 1:  # one is the loop's own wake-up pipe
            return True
        raise DeadlockError(self._deadlock())

    def _deadlock(self) -> str:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: (len(task.get_name()), str(task)))
        lines = [f"  {task.get_name()}: {_waits_at(task)}" for task in tasks[:_TASKS_SHOWN]]
        if len(tasks) > _TASKS_SHOWN:
            lines.append(f"  and {len(tasks) - _TASKS_SHOWN} more")
        who = "1 task waits" if len(tasks) == 1 else f"{len(tasks)} tasks wait"
        return (
            f"deadlock at {self._now:g} virtual seconds: {who}, and no timer is set that could end "
            "it; see to what is waited for, or give the wait a timeout\n"
        ) + "\n".join(lines)


class _IdleSelector(selectors.DefaultSelector):
    """Polls, and asks what to do where a selector would wait."""

    def __init__(self, idle: Callable[[int], bool]) -> None:
        super().__init__()
        self._idle = idle

    def select(self, timeout: float | None = None) -> _Events:
        ready = super().select(0)
        if ready or timeout == 0 or not self._idle(len(self.get_map())):
            return ready
        return super().select(None)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a new virtual clock, like `asyncio.run`.

    Raises:
        DeadlockError: every task waits for something that cannot happen.
    """
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)


def _waits_at(task: asyncio.Task[Any]) -> str:
    """The innermost frame of a suspended task that is not asyncio's own: where its wait is."""
    coroutine: Any = task.get_coro()
    place = getattr(coroutine, "__qualname__", repr(coroutine))
    while coroutine is not None:
        frame: FrameType | None = getattr(coroutine, "cr_frame", None)
        if frame is not None and not _is_asyncio(frame.f_code):
            code = frame.f_code
            place = f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})"
        coroutine = getattr(coroutine, "cr_await", None)
    return place


def _is_asyncio(code: CodeType) -> bool:
    return code.co_filename.startswith(_ASYNCIO)
