"""How far a search is, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown() -> Iterator[Callable[[str], None] | None]:
    """A line on standard error that is rewritten while this lasts, and then gone.

    None where standard error is not a terminal: files and pipes see nothing of it.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status("exploring") as status:
        yield lambda words: status.update(f"exploring: {words}")
