"""Where control goes after a node of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xdsl.ir import SSAValue

from flowir.backends.asyncio.layout import Expression

END = "END"


@dataclass(frozen=True)
class Target:
    """What has to happen after a node: some of the state written, then nodes started.

    Attributes:
        nodes: what may start: all of them without a router, else those that the router names.
        router: the function that names them; conditional edges call it.
        updates: what the node before has to write, by key of the state: a value, or an expression.
        name: what a node is called that does nothing but this.
    """

    nodes: tuple[str, ...]
    router: str | None = None
    updates: tuple[tuple[str, SSAValue | str], ...] = ()
    name: str = "go_on"

    @property
    def plain(self) -> bool:
        """Whether nothing is to be done before nodes start."""
        return self.router is None and not self.updates

    def after(self, name: str, *updates: tuple[str, SSAValue | str]) -> Target:
        """The same, with something written first."""
        return replace(self, updates=(*updates, *self.updates), name=name)


@dataclass(frozen=True)
class GraphNode:
    """A node of the graph, as `add_node` is told of it."""

    name: str
    metadata: Mapping[str, Expression] = field(default_factory=dict)
    destinations: tuple[str, ...] = ()
