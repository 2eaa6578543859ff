"""Maps: one task of the graph for every item, and their results in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from langgraph.types import Send

from flowir.backends.asyncio.library.errors import AnswerError

T = TypeVar("T")


def fan_out(
    site: str, node: str, items: Sequence[Mapping[str, Any]], *, at_most: int
) -> list[Send]:
    """A task of the node for every item; its state is the item, with its place as `index`.

    Raises:
        AnswerError: there are more items than the workflow allows.
    """
    if len(items) > at_most:
        raise AnswerError(f"{site}: {len(items)} items, and at most {at_most} are allowed")
    return [Send(node, {"index": index, **item}) for index, item in enumerate(items)]


def in_order(found: Sequence[tuple[int, T]]) -> list[T]:
    """Results in the order of the items, whatever the order in which they came."""
    return [value for _, value in sorted(found, key=lambda entry: entry[0])]
