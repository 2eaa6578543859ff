"""Engines that do what those of the reference execution do, behind the protocols of real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.ir import Attribute
from xdsl.parser import Parser

from flowir.dialects import flow, prim
from flowir.dialects.dse import Dse
from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.prim import reference
from flowir.prim.from_ir import find_graph
from flowir.runtime.llm import Completion, Message, Usage
from flowir.runtime.primitives.answering import LanguageModel
from flowir.runtime.primitives.from_ir import program_of
from flowir.runtime.primitives.program import CallTool, Decode, Program
from flowir.runtime.primitives.values import flow_type
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


class OneWord(reference._Run):
    """The reference, but for labels of more than a word, which no answer of a model could give."""

    def answer(
        self, site: str, prompt: reference.Messages, kind: Attribute, labels: Sequence[str]
    ) -> Any:
        found = super().answer(site, prompt, kind, labels)
        return "other" if found == "something else" else found


def outcome(graph: prim.GraphOp, inputs: Sequence[Any], salt: int = 0) -> reference.Outcome:
    """What the reference execution gives."""
    return OneWord(graph, salt).graph(inputs)


class Pure:
    """All engines of a program; `pause_s` is what each of their calls takes.

    Attributes:
        batches: (kind, items) of each call.
        asked: messages of each request, and what it was for.
    """

    def __init__(self, graph: prim.GraphOp, salt: int = 0, pause_s: float = 0.01) -> None:
        self.graph = graph
        self.program: Program = program_of(graph)
        self.run = OneWord(graph, salt)
        self.pause_s = pause_s
        self.batches: list[tuple[str, int]] = []
        self.asked: list[tuple[str, list[Message]]] = []
        self.texts: dict[int, str] = {}
        self.entries: dict[str, list[tuple[int, str, int]]] = {}
        self.steps: dict[str, Decode] = {
            site: step
            for site, step in zip(self.program.sites, self.program.steps, strict=True)
            if isinstance(step, Decode)
        }

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
        found = {}
        for op, step in zip(self.graph.primitives, self.program.steps, strict=True):
            if isinstance(step, CallTool):
                found[step.tool] = self.tool(step.tool, op.results[0].type)
        return found

    def tool(self, name: str, kind: Attribute) -> Callable[..., Any]:
        async def call(*given: Any) -> Any:
            await self.took("tool", 1)
            about = json.dumps(list(given), sort_keys=True, default=repr)
            return self.run.answer(name, (("tool", about),), kind, ())

        return call

    async def took(self, kind: str, items: int) -> None:
        self.batches.append((kind, items))
        await asyncio.sleep(self.pause_s)

    async def embed(self, texts: Sequence[str]) -> Any:
        await self.took("embedding", len(texts))
        numbers = [self.run.draw("vector", text) for text in texts]
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
            ranked = sorted(there, key=lambda entry: (self.run.draw(query, entry), entry))
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
        self.asked.append((node, messages))
        step = self.steps[node]
        prompt = tuple((message["role"], message["content"]) for message in messages)
        value = self.run.answer(node, prompt, flow_type(step.agent.gives), step.labels)
        text = written(value, step.agent.parser)
        for begin in range(0, len(text), 3):
            await asyncio.sleep(self.pause_s)
            yield text[begin : begin + 3]
        yield Completion(text, Usage(1, 1), None, model)


class _Reranker:
    pairwise = False

    def __init__(self, pure: Pure) -> None:
        self.pure = pure

    async def __call__(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        await self.pure.took("reranking", sum(len(passages) for _, passages in asked))
        found = []
        for query, passages in asked:
            order = sorted(passages, key=lambda text: (self.pure.run.draw(query, text), text))
            found.append([-float(order.index(text)) for text in passages])
        return found


def written(value: Any, parser: str) -> str:
    """The text of an answer that is read as a value."""
    match parser:
        case "lines":
            return "\n".join(value)
        case "json":
            return json.dumps(value)
        case "verdict":
            return "ACCEPT" if value else "REJECT"
        case _:
            return str(value)


def pure(text: str, **options: Any) -> Pure:
    """The engines of the one graph of a module."""
    return Pure(find_graph(parsed(text)), **options)
