"""What is known of a LangGraph graph, and from where each thing is known.

Names of nodes inside a subgraph are `outer/inner`; `__start__` and `__end__` stand for where the
graph begins and ends. Everything here is a value: it goes from the importing process as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowir.errors import FlowirError

START = "__start__"
END = "__end__"


class GraphImportError(FlowirError):
    """A graph that cannot be loaded, read, or written faithfully as flow IR."""


class Via(StrEnum):
    """Where a fact was read: the most certain source first."""

    BUILDER = "builder"
    OBJECT = "object"
    AST = "ast"
    RUN = "run"


@dataclass(frozen=True)
class Place:
    """A line of a file; the line counts from 1, 0 where there is no source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Place("<no source>", 0)


@dataclass(frozen=True)
class Model:
    """A chat model that a node calls.

    Attributes:
        name: the provider's name of it.
        retries: how often its client repeats a request, None where it does not say.
        streams_usage: whether streamed answers report tokens; None where nothing was set.
        elsewhere: whether it talks to a `base_url` of the user's.
    """

    name: str
    via: Via
    budget: str | None = None
    temperature: float | None = None
    retries: int | None = None
    streams_usage: bool | None = None
    elsewhere: bool = False


@dataclass(frozen=True)
class Node:
    """A node: what it runs, and what it may read and write of the state."""

    name: str
    place: Place
    kind: str
    """`code`, `subgraph`, `task`, or `opaque` where there is no source to read."""
    models: tuple[Model, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    attempts: int = 1
    defer: bool = False
    interrupts: bool = False
    reads_all: bool = False
    """Whether it may read keys that `reads` does not list: it passes its state on whole."""


@dataclass(frozen=True)
class Edge:
    """A way from one node to another: `plain`, `branch`, `send` or `command`."""

    source: str
    target: str
    kind: str
    via: Via

    @property
    def pair(self) -> tuple[str, str]:
        return self.source, self.target


@dataclass(frozen=True)
class Join:
    """A node that several lead to; `waits` says that it runs once, when all of them are done."""

    sources: tuple[str, ...]
    target: str
    waits: bool
    via: Via


@dataclass(frozen=True)
class Branch:
    """A router: what it may answer, and where each answer leads. Empty where nobody can say."""

    source: str
    name: str
    targets: tuple[tuple[str, str], ...]
    kind: str
    via: Via
    place: Place
    reads: tuple[str, ...] = ()
    reads_all: bool = False


@dataclass(frozen=True)
class Loop:
    """Nodes that can be reached from themselves; `bound` is the number its guard compares with."""

    header: str
    members: tuple[str, ...]
    bound: int | None
    via: Via


@dataclass(frozen=True)
class Question:
    """Something the source does not say, and the attribute of the IR that an answer goes to."""

    about: str
    what: str
    attribute: str
    assumed: str = ""

    def __str__(self) -> str:
        assumed = f"; assumed: {self.assumed}" if self.assumed else ""
        return f"{self.about}: {self.what} ({self.attribute}{assumed})"


@dataclass(frozen=True)
class Lint:
    """Something that is legal and hardly meant."""

    code: str
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: {self.message}"


@dataclass(frozen=True)
class GraphFacts:
    """All that was read of a graph, in an order that does not depend on hashing."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    joins: tuple[Join, ...]
    branches: tuple[Branch, ...]
    loops: tuple[Loop, ...]
    unknown: tuple[str, ...] = ()
    """Places where an edge may start that nobody can see, in words."""

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def successors(self, name: str) -> Sequence[str]:
        return [edge.target for edge in self.edges if edge.source == name]
