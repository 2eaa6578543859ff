"""Programs in Python: a function that calls one method per primitive; emitted files are such.

    def answer(g: Graph, question: Source, texts: Source) -> Source:
        embedded = g.embedding(texts, engine="embedding", work=Work(items=48))
        …
        return g.decoding(ANSWER, prompt, engine="llm", at="answer")

    PROGRAM = written(answer, {"question": "text", "texts": "list[text]"})

Methods only note what is to be done; an executor does it, as early as values allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from flowir.prim.graph import DECODES, KINDS, PREFILLS, Node, PrimitiveGraph, Work
from flowir.runtime.primitives.program import (
    Agent,
    Aggregate,
    CallTool,
    Condition,
    Decode,
    Embed,
    Find,
    Ingest,
    Input,
    Item,
    Mode,
    Part,
    Piece,
    Prefill,
    Program,
    Rerank,
    Source,
    Step,
    Test,
    sources,
)

BATCHABLE = frozenset({"embedding", "ingestion", "searching", "reranking"}) | PREFILLS | DECODES
SPLITTABLE = frozenset({"embedding", "ingestion", "searching"}) | DECODES


class Common(TypedDict, total=False):
    """What every primitive may have.

    at: the call of the workflow that it belongs to.
    called: what else a person finds it by.
    engine: what runs it; nothing where it takes no time.
    work: how much that is expected to do.
    guard: a guard of a condition, without which it does not run.
    after: what it waits for without reading it.
    ahead: it runs ahead of a condition: its failure matters only to who reads it.
    """

    at: str
    called: str
    engine: str | None
    work: Work
    guard: Source
    after: Sequence[Source]
    ahead: bool


def written(
    function: Callable[..., Source], inputs: Mapping[str, str], name: str | None = None
) -> Program:
    """The program that a function notes.

    Args:
        function: of a graph and one source for each input, in order.
        inputs: their kinds, by name.
        name: of the program; the function's if None.
    """
    graph = Graph()
    result = function(graph, *(Source(-1, place) for place in range(len(inputs))))
    given = [Input(one, kind) for one, kind in inputs.items()]
    return graph.program(function.__name__ if name is None else name, given, result)


def system(content: str | Source, kind: str = "text") -> Piece:
    """A piece of the system prompt."""
    return Piece(content, kind, "system")


class Graph:
    """Takes note of primitives. Every method gives where its result will be."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._steps: list[Step] = []
        self._sites: list[str] = []
        self._ahead: set[int] = set()
        self._odds: dict[int, Mapping[str, float]] = {}
        self._labels: dict[Source, str] = {}
        self._guards: dict[int, tuple[tuple[int, str], ...]] = {}

    def embedding(
        self, texts: Source, part: tuple[int, int] | None = None, **common: Unpack[Common]
    ) -> Source:
        """Texts, each with its vector."""
        return self._add("embedding", Embed(texts, _part(part)), common)

    def ingestion(
        self, embedded: Source, part: tuple[int, int] | None = None, **common: Unpack[Common]
    ) -> Source:
        """An index over embeddings that are written into a store."""
        return self._add("ingestion", Ingest(embedded, _part(part)), common)

    def searching(
        self,
        index: Source,
        queries: Source,
        top: int,
        part: tuple[int, int] | None = None,
        **common: Unpack[Common],
    ) -> Source:
        """For each embedded query the nearest texts."""
        return self._add("searching", Find(index, queries, top, _part(part)), common)

    def reranking(self, query: Source, texts: Source, top: int, **common: Unpack[Common]) -> Source:
        """The texts that suit a query best."""
        return self._add("reranking", Rerank(query, texts, top), common)

    def prefilling(
        self, agent: Agent, pieces: Sequence[str | Source | Piece], **common: Unpack[Common]
    ) -> Source:
        """A whole prompt, read."""
        return self._add("prefilling", Prefill(agent, _pieces(pieces)), common)

    def partial_prefilling(
        self, agent: Agent, pieces: Sequence[str | Source | Piece], **common: Unpack[Common]
    ) -> Source:
        """The beginning of a prompt, read before the rest is known."""
        return self._add("partial prefilling", Prefill(agent, _pieces(pieces)), common)

    def full_prefilling(
        self,
        agent: Agent,
        before: Source,
        pieces: Sequence[str | Source | Piece],
        **common: Unpack[Common],
    ) -> Source:
        """The rest of a prompt whose beginning was read before."""
        return self._add("full prefilling", Prefill(agent, _pieces(pieces), before), common)

    def decoding(
        self, agent: Agent, prompt: Source, labels: Sequence[str] = (), **common: Unpack[Common]
    ) -> Source:
        """A whole answer."""
        return self._add("decoding", Decode(agent, prompt, tuple(labels)), common)

    def partial_decoding(
        self,
        agent: Agent,
        before: Source,
        part: tuple[int, int],
        labels: Sequence[str] = (),
        **common: Unpack[Common],
    ) -> tuple[Source, Source]:
        """The next item of an answer, or all that are left; and what the next part goes on from."""
        step = Decode(agent, before, tuple(labels), Part(*part))
        items = self._add("partial decoding", step, common)
        return items, Source(items.node, 1)

    def tool(
        self, name: str, *inputs: Source, writes: bool = False, **common: Unpack[Common]
    ) -> Source:
        """A call of code."""
        return self._add("tool", CallTool(name, inputs, writes), common)

    def item(
        self, items: Source, place: int, last: bool = False, **common: Unpack[Common]
    ) -> Source:
        """One item of a list, from 0; nothing where the list is shorter."""
        return self._add("item", Item(items, place, last), common)

    def aggregate(self, mode: Mode, *values: Source, **common: Unpack[Common]) -> Source:
        """One value of several."""
        return self._add("aggregate", Aggregate(mode, values), common)

    def condition(
        self, test: Test, value: Source, odds: Mapping[str, float], **common: Unpack[Common]
    ) -> tuple[Source, ...]:
        """A guard for each case of a value; `odds` is how often each is expected to hold."""
        first = self._add("condition", Condition(test, value, tuple(odds)), common)
        guards = tuple(Source(first.node, place) for place in range(len(odds)))
        self._odds[first.node] = dict(odds)
        self._labels.update(zip(guards, odds, strict=True))
        return guards

    def program(self, name: str, inputs: Sequence[Input], result: Source) -> Program:
        """What has been noted."""
        return Program(
            name,
            tuple(inputs),
            PrimitiveGraph(tuple(self._nodes), result.node, self._odds),
            tuple(self._steps),
            tuple(self._sites),
            result,
            frozenset(self._ahead),
        )

    def _add(self, kind: str, step: Step, common: Common) -> Source:
        node = len(self._nodes)
        part: Part | None = getattr(step, "part", None)
        before = step.before if isinstance(step, Decode) else getattr(step, "continued", None)
        read = (*sources(step), *common.get("after", ()))
        guards = self._around(common.get("guard"))
        words = "" if part is None else f" {part.number} of {part.count}"
        self._guards[node] = guards
        self._nodes.append(
            Node(
                name=f"{common.get('at') or common.get('called') or node}: {kind}{words}",
                kind=kind if kind in KINDS else "aggregate",
                engine=common.get("engine"),
                work=common.get("work", Work()),
                after=tuple(sorted({source.node for source in read if source.node >= 0})),
                kv=None if before is None else before.node,
                guards=guards,
                batchable=kind in BATCHABLE,
                splittable=kind in SPLITTABLE,
            )
        )
        self._steps.append(step)
        self._sites.append(common.get("at", ""))
        if common.get("ahead"):
            self._ahead.add(node)
        return Source(node)

    def _around(self, guard: Source | None) -> tuple[tuple[int, str], ...]:
        """The case that must hold, behind those around its condition."""
        if guard is None:
            return ()
        return (*self._guards[guard.node], (guard.node, self._labels[guard]))


def _part(part: tuple[int, int] | None) -> Part | None:
    return None if part is None else Part(*part)


def _pieces(pieces: Sequence[Any]) -> tuple[Piece, ...]:
    return tuple(piece if isinstance(piece, Piece) else Piece(piece) for piece in pieces)
