"""Expressions that connect nodes, and that write the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowir.backends.asyncio.layout import Expression, Group, call, collection, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.langgraph.targets import END


def edge(sources: Sequence[str], end: str) -> Group:
    """An edge; from several nodes one that waits for all of them."""
    start: Expression = quoted(sources[0])
    if len(sources) > 1:
        start = collection([quoted(source) for source in sources])
    return call("builder.add_edge", start, named(end))


def named(node: str) -> str:
    """A node as an argument."""
    return node if node == END else quoted(node)


def going_to(nodes: Sequence[str]) -> Expression:
    """Where to go: a node, or a list of them."""
    return named(nodes[0]) if len(nodes) == 1 else collection([named(node) for node in nodes])


def returned(update: Mapping[str, Expression]) -> Expression:
    """The statement that gives an update of the state."""
    return prefixed("return ", as_dict(update))


def as_dict(items: Mapping[str, Expression]) -> Group:
    """A dict with text for keys."""
    return collection([prefixed(f"{quoted(key)}: ", value) for key, value in items.items()], "{}")
