"""Limits of time and memory under which a search stops where it is."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from flowir.errors import SearchError


class StoppedError(SearchError):
    """A limit is reached; what was found until then still counts."""


@dataclass(frozen=True)
class _Limits:
    """The clock at which to stop, and the resident memory, in bytes; None if there is no limit."""

    until: float | None
    memory: float | None
    seconds: float | None
    report: Callable[[str], None] | None


_limits: ContextVar[_Limits | None] = ContextVar("limits of a search", default=None)


@contextmanager
def limited(
    seconds: float | None = None,
    megabytes: float | None = None,
    report: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """While this lasts, `check` raises once so much time is gone or so much memory is in use.

    Args:
        seconds: of wall time, from now.
        megabytes: of memory the process has resident, in all.
        report: is told how far the search is.
    """
    until = None if seconds is None else time.monotonic() + seconds
    memory = None if megabytes is None else megabytes * 1e6
    token = _limits.set(_Limits(until, memory, seconds, report))
    try:
        yield
    finally:
        _limits.reset(token)


def check() -> None:
    """Raises `StoppedError` where a limit is reached."""
    limits = _limits.get()
    if limits is None:
        return
    if limits.until is not None and time.monotonic() >= limits.until:
        raise StoppedError(f"stopped after {limits.seconds:g} s, as max-seconds asks")
    if limits.memory is not None and _resident() > limits.memory:
        raise StoppedError(f"stopped at {limits.memory / 1e6:g} MB, as max-memory asks")


def report(words: str) -> None:
    """Says how far the search is, to whoever listens."""
    limits = _limits.get()
    if limits is not None and limits.report is not None:
        limits.report(words)


def _resident() -> float:
    """Bytes the process has in memory; the most it ever had, where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return float(pages * resource.getpagesize())
    except (OSError, ValueError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
