"""A program: a graph of primitives, and what each of them does with which values.

It is made of an IR graph (:mod:`flowir.runtime.primitives.from_ir`), or written in Python with
:mod:`flowir.runtime.primitives.writing`, as emitted files have it. It needs no IR to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from flowir.prim.graph import PrimitiveGraph

Kind: TypeAlias = str
"""The type of a value in words: text, label, json, bool, or list[…] of one of these."""

Mode = Literal[
    "all", "gather", "concat", "union", "text", "vote", "vote_by", "pick", "choose", "feedback"
]
"""How an aggregate makes one value of several; see `flowir.dialects.prim.Gathering`."""

Test = Literal["label", "verdict", "present"]
"""What a condition looks at; see `flowir.dialects.prim.Test`."""


class Source(NamedTuple):
    """Where a value comes from: a node, and which of its results; node -1: an input."""

    node: int
    place: int = 0


@dataclass(frozen=True)
class Part:
    """`number` of `count` nearly equal parts of a list, from 1; of an answer, its items.

    Part k of n of m items are those from ⌊(k-1)·m/n⌋ to ⌊k·m/n⌋. Part k of an answer is item k of
    it, and the last part all that is left.
    """

    number: int
    count: int

    def of(self, items: list[Any]) -> list[Any]:
        """The items of this part of a list."""
        size = len(items)
        begin, end = ((self.number + i) * size // self.count for i in (-1, 0))
        return items[begin:end]


@dataclass(frozen=True)
class Agent:
    """A sub-agent as it is asked.

    Attributes:
        model: the provider's model name.
        params: sampling parameters, and the reasoning budget as `budget` if there is one.
        parser: how its answer is read: text, code, label, lines, json or verdict.
        gives: what that gives.
    """

    name: str
    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    parser: str = "text"
    gives: Kind = "text"


class Piece(NamedTuple):
    """A piece of a prompt: literal text, or a value shown as its kind has it."""

    content: str | Source
    kind: Kind = "text"
    role: str = "user"


@dataclass(frozen=True)
class Embed:
    """Texts, each with its vector."""

    texts: Source
    part: Part | None = None


@dataclass(frozen=True)
class Ingest:
    """Writes embeddings into a store, and gives an index over exactly those."""

    embedded: Source
    part: Part | None = None


@dataclass(frozen=True)
class Find:
    """For each embedded query the `top` nearest texts, one query after another."""

    index: Source
    queries: Source
    top: int
    part: Part | None = None


@dataclass(frozen=True)
class Rerank:
    """The `top` texts that suit a query best, best first."""

    query: Source
    texts: Source
    top: int


@dataclass(frozen=True)
class Prefill:
    """Reads pieces of a prompt, behind those of the KV cache that it continues."""

    agent: Agent
    pieces: tuple[Piece, ...]
    continued: Source | None = None


@dataclass(frozen=True)
class Decode:
    """Writes an answer, or the next part of it, and reads it as the agent declares.

    Attributes:
        before: the prompt, or what the part before left.
        labels: what a label is held against.
    """

    agent: Agent
    before: Source
    labels: tuple[str, ...] = ()
    part: Part | None = None


@dataclass(frozen=True)
class CallTool:
    """A call of code.

    Attributes:
        writes: it may change the world, so it is never left out.
    """

    tool: str
    inputs: tuple[Source, ...]
    writes: bool = False


@dataclass(frozen=True)
class Item:
    """One item of a list, from 0; missing where the list is shorter.

    Attributes:
        last: no item may follow it.
    """

    items: Source
    place: int
    last: bool = False


@dataclass(frozen=True)
class Aggregate:
    """One value of several."""

    mode: Mode
    values: tuple[Source, ...]


@dataclass(frozen=True)
class Condition:
    """Which case a value is; as many guards as cases, of which one holds; `""` is `else`."""

    test: Test
    value: Source
    cases: tuple[str, ...]


Step: TypeAlias = (
    Embed | Ingest | Find | Rerank | Prefill | Decode | CallTool | Item | Aggregate | Condition
)


def sources(step: Step) -> tuple[Source, ...]:
    """What a step reads, in the order of its fields."""
    match step:
        case Embed():
            return (step.texts,)
        case Ingest():
            return (step.embedded,)
        case Find():
            return (step.index, step.queries)
        case Rerank():
            return (step.query, step.texts)
        case Prefill():
            before = () if step.continued is None else (step.continued,)
            return (*before, *(p.content for p in step.pieces if isinstance(p.content, Source)))
        case Decode():
            return (step.before,)
        case Item():
            return (step.items,)
        case CallTool():
            return step.inputs
        case Aggregate():
            return step.values
        case Condition():
            return (step.value,)


class Input(NamedTuple):
    """What a program is given."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Program:
    """See the module.

    Attributes:
        steps: what each node of the graph does, by index.
        sites: of each node, the call of the workflow that it belongs to.
        result: the value that it gives.
        ahead: nodes that run ahead of a condition: what goes wrong there matters only to those
            who read it.
    """

    name: str
    inputs: tuple[Input, ...]
    graph: PrimitiveGraph
    steps: tuple[Step, ...]
    sites: tuple[str, ...]
    result: Source
    ahead: frozenset[int] = frozenset()
