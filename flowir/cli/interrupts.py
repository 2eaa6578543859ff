"""What Ctrl-C does to a command that makes many calls."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

import click


def stop_on_interrupt(stop: Callable[[], None], what: str) -> None:
    """The first Ctrl-C lets what is under way finish; a second one drops it.

    Args:
        stop: begin nothing more.
        what: is under way, in words.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    stopped = False

    def interrupt() -> None:
        nonlocal stopped
        if stopped:
            task.cancel()
            return
        stopped = True
        click.echo(f"\nfinishing the {what} under way; once more to drop them", err=True)
        stop()

    with suppress(NotImplementedError):  # Not every event loop has handlers of signals.
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, interrupt)
