"""Tools that judge, for workflows of tests."""

from __future__ import annotations


def even(task: str, value: str) -> bool:
    """Accepts even numbers."""
    return int(value) % 2 == 0
