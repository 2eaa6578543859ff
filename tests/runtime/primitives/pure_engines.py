"""Engines that do what those of the reference execution do, behind the protocols of real ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser

from flowir.dialects import flow, prim
from flowir.dialects.dse import Dse
from flowir.dialects.flow_checks import module_symbols
from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.prim import reference
from flowir.prim.from_ir import find_graph
from flowir.runtime.llm import Completion, Message, Usage
from flowir.runtime.primitives.answering import LanguageModel
from flowir.runtime.primitives.from_ir import program_of
from flowir.runtime.primitives.program import CallTool, Decode, Program
from flowir.runtime.retrieval.values import Entry, Hit, Search

ENGINES: Mapping[str, Engine] = {
    "llm": LanguageModelEngine("llm", 0.01, 1e-4, 0.01, slots=2),
    "embedding": BatchEngine("embedding", 0.05, largest_batch=4, efficient_batch=4),
    "vector store": BatchEngine("vector store", 0.01, largest_batch=3, efficient_batch=3),
    "reranker": BatchEngine("reranker", 0.01, largest_batch=2, efficient_batch=2, slots=2),
    "tools": BatchEngine("tools", 0.01, largest_batch=2, efficient_batch=2, slots=2),
}


def parsed(text: str) -> ModuleOp:
    """A module from text, verified."""
    context = Context()
    for dialect in (Builtin, flow.Flow, Dse, prim.PrimDialect):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def outcome(graph: prim.GraphOp, inputs: Sequence[Any], salt: int = 0) -> reference.Outcome:
    """What the reference execution gives."""
    return reference.run(graph, inputs, reference.PureEngines(salt))


class Pure:
    """All engines of a program; `pause_s` is what each of their calls takes.

    Attributes:
        batches: (kind, items) of each call.
        asked: messages of each request by site, and of each that was sent ahead.
        written: calls of tools that write.
    """

    def __init__(self, graph: prim.GraphOp, salt: int = 0, pause_s: float = 0.01) -> None:
        self.graph = graph
        self.program: Program = program_of(graph)
        self.engines = reference.PureEngines(salt)
        self.pause_s = pause_s
        self.batches: list[tuple[str, int]] = []
        self.asked: list[tuple[str, list[Message]]] = []
        self.written: Counter[tuple[str, str]] = Counter()
        self.texts: dict[int, str] = {}
        self.entries: dict[str, list[tuple[int, str, int]]] = {}
        self.symbols = module_symbols(graph) or {}
        self.sites: dict[str, str] = {}
        self.steps: dict[str, Decode] = {}
        for site, node, step in zip(
            self.program.sites, self.program.graph.nodes, self.program.steps, strict=True
        ):
            if isinstance(step, Decode):
                self.steps[site or node.name] = step
                self.sites[site or node.name] = site

    @property
    def parts(self) -> dict[str, Any]:
        """By the name of the engine."""
        return {
            "llm": LanguageModel(self),
            "embedding": self.embed,
            "vector store": self,
            "reranker": _Reranker(self),
        }

    @property
    def tools(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        called = {step.tool for step in self.program.steps if isinstance(step, CallTool)}
        return {name: self.tool(name) for name in called}

    def tool(self, name: str) -> Callable[..., Any]:
        declared = self.symbols[name]
        assert isinstance(declared, flow.ToolOp)

        async def call(*given: Any) -> Any:
            await self.took("tool", 1)
            if declared.effect.data is flow.Effect.WRITES:
                self.written[name, repr(list(given))] += 1
            return self.engines.tool(declared, list(given))

        return call

    async def took(self, kind: str, items: int) -> None:
        self.batches.append((kind, items))
        await asyncio.sleep(self.pause_s)

    async def embed(self, texts: Sequence[str]) -> Any:
        await self.took("embedding", len(texts))
        numbers = [self.engines.rank(None, text) for text in texts]
        self.texts.update(zip(numbers, texts, strict=True))
        return numbers

    async def add(self, entries: Sequence[Entry], vectors: Any) -> None:
        await self.took("ingestion", len(entries))
        for entry, vector in zip(entries, vectors, strict=True):
            found = (entry.number, entry.text, int(vector))
            self.entries.setdefault(entry.index, []).append(found)

    async def search(self, asked: Sequence[Search]) -> list[list[Hit]]:
        await self.took("searching", len(asked))
        found = []
        for one in asked:
            number: int = int(one.vector)
            query = (self.texts[number], number)
            there = [
                (text, vector)
                for index in one.indices
                for _, text, vector in sorted(self.entries[index])
            ]
            ranked = sorted(there, key=lambda entry: (self.engines.rank(query, entry), entry))
            found.append(
                [Hit(Entry("", place, text), -place) for place, (text, _) in enumerate(ranked)]
            )
        return [hits[: one.top] for hits, one in zip(found, asked, strict=True)]

    async def drop(self, indices: Sequence[str]) -> None:
        for index in indices:
            self.entries.pop(index, None)

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        assert params.get("max_tokens") == 1  # Answers are streamed.
        self.asked.append(("ahead", messages))
        await asyncio.sleep(self.pause_s)
        return Completion("A", Usage(1, 1), None, model)

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        self.asked.append((self.sites[node], messages))
        step = self.steps[node]
        agent = self.symbols[step.agent.name]
        assert isinstance(agent, flow.AgentOp)
        prompt = tuple((message["role"], message["content"]) for message in messages)
        text = self.engines.write(agent, self.sites[node], prompt, step.labels)
        for begin in range(0, len(text), 3):
            await asyncio.sleep(self.pause_s)
            yield text[begin : begin + 3]
        yield Completion(text, Usage(1, 1), None, model)


class _Reranker:
    pairwise = True

    def __init__(self, pure: Pure) -> None:
        self.pure = pure

    async def __call__(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        await self.pure.took("reranking", sum(len(passages) for _, passages in asked))
        found = []
        for query, passages in asked:
            found.append([-float(self.pure.engines.rank(query, text)) for text in passages])
        return found


def pure(text: str, **options: Any) -> Pure:
    """The engines of the one graph of a module."""
    return Pure(find_graph(parsed(text)), **options)
