"""How far a profile is: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flowir.profile.calls import CallStore
from flowir.profiler.engine import Outcome
from flowir.profiler.limits import Limits, dollars

EVERY_S = 5.0


class Shown:
    """Shows calls, tokens, dollars and the time left on stderr; a context manager.

    Args:
        total: calls that are to be in the store in the end.
    """

    def __init__(
        self,
        total: int,
        store: CallStore,
        limits: Limits,
        outcome: Outcome,
        what: str = "profiling",
    ) -> None:
        self._console = Console(stderr=True)
        self._total, self._limits, self._outcome = total, limits, outcome
        self._before = len(store.calls)
        self._store = store
        self._started = self._said = time.monotonic()
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn(what),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("calls  {task.fields[used]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, completed=self._before, used="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self) -> None:
        """Show what is true now; cheap enough to be called after every call."""
        now = time.monotonic()
        if now - self._said < (0.1 if self._bar is not None else EVERY_S):
            return
        self._said = now
        done = len(self._store.calls)
        used = f"{_count(self._limits.tokens)} tokens  {dollars(self._limits)}"
        if self._outcome.failed:
            used += f"  {self._outcome.failed} failed"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, used=used)
            return
        rate = (done - self._before) / (now - self._started)
        left = f", about {_minutes((self._total - done) / rate)} left" if rate > 0 else ""
        self._console.print(
            f"{done}/{self._total} calls, {used.replace('  ', ', ')}{left}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _count(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return f"{number:.0f}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
