"""Code that the workflows call."""

from __future__ import annotations

PARTS = 4
"""A problem is split into at most so many parts; what would be the next ones is the last."""


def lines(text: str) -> list[str]:
    """The lines of a text that are not empty, as parts of a problem; one at least."""
    found = [line.strip() for line in text.splitlines() if line.strip()] or [text]
    if len(found) > PARTS:
        found = [*found[: PARTS - 1], "\n".join(found[PARTS - 1 :])]
    return found
