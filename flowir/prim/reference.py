"""A reference execution of primitives: what a graph means, on engines that are pure functions.

What two graphs give can be compared, and with it what they asked and wrote: every answer, vector,
search and tool follows from what went in, by hashing. Nothing here is real but the arranging of
values, which is that of `flowir.prim.values`, and how answers are read.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from xdsl.ir import Attribute, SSAValue

from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import module_symbols
from flowir.dialects.prim_types import element_of
from flowir.prim import values
from flowir.prim.values import MISSING, Messages
from flowir.runtime.answers import parser_of
from flowir.runtime.values import parse


class Engines(Protocol):
    """What answers, embeds and runs tools."""

    def write(self, agent: flow.AgentOp, site: str, prompt: Messages, labels: Sequence[str]) -> str:
        """The answer of an agent."""
        ...

    def tool(self, tool: flow.ToolOp, given: Sequence[Any]) -> Any:
        """What a tool gives."""
        ...

    def rank(self, query: Any, text: Any) -> int:
        """How far a text is from a query, or from nothing; any number."""
        ...


@dataclass(frozen=True)
class PureEngines:
    """Engines that give the same to the same; another salt gives something else."""

    salt: int = 0

    def write(self, agent: flow.AgentOp, site: str, prompt: Messages, labels: Sequence[str]) -> str:
        """An answer that its agent's parser can read; lists of at most six items."""
        number = self._draw(agent.sym_name.data, site, prompt)
        match parser_of(agent):
            case "verdict":
                return ("ACCEPT", "REJECT: ")[number % 2] + f" {number:x}"
            case "label" if labels:
                return [*labels, "other"][number % (len(labels) + 1)]
            case "lines":
                return "\n".join(f"{number:x}.{place}" for place in range(number % 7))
            case "json":
                return json.dumps(self._made(agent.output, number))
            case _:
                return f"{('', 'ACCEPT ', 'REJECT ')[number % 3]}{number:x}"

    def tool(self, tool: flow.ToolOp, given: Sequence[Any]) -> Any:
        """A value of the declared type."""
        return self._made(tool.output, self._draw(tool.sym_name.data, repr(given)))

    def rank(self, query: Any, text: Any) -> int:
        """A number that follows from both."""
        return self._draw("rank", query, text)

    def _draw(self, *about: object) -> int:
        text = repr((self.salt, about))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

    def _made(self, kind: Attribute, number: int) -> Any:
        if isinstance(kind, flow.BoolType):
            return number % 2 == 0
        element = element_of(kind)
        if element is None:
            return f"{number:x}"
        if isinstance(kind, flow.JsonType):
            element = flow.TextType()
        return [self._made(element, self._draw(number, place)) for place in range(number % 7)]


@dataclass(frozen=True)
class Outcome:
    """What a run gave and did.

    Attributes:
        value: what the graph gives.
        answers: each answer that was drawn, by site and prompt, and how often.
        written: each call of a tool that writes, and how often.
        ingested: each text that was written into a store, and how often.
    """

    value: Any
    answers: Counter[tuple[str, Messages]]
    written: Counter[tuple[str, str]]
    ingested: Counter[str]


def run(graph: prim.GraphOp, inputs: Sequence[Any], engines: Engines | None = None) -> Outcome:
    """Run a verified graph, by default on `PureEngines()`.

    Raises:
        PrimError: a condition is given a label that it has no case for, a map too long a list.
        InterpretationError: an answer that its agent's parser does not read.
    """
    return _Run(graph, PureEngines() if engines is None else engines).graph(inputs)


@dataclass
class _Run:
    op: prim.GraphOp
    engines: Engines
    there: dict[SSAValue, Any] = field(default_factory=dict)
    answers: Counter[tuple[str, Messages]] = field(default_factory=Counter)
    written: Counter[tuple[str, str]] = field(default_factory=Counter)
    ingested: Counter[str] = field(default_factory=Counter)

    def graph(self, inputs: Sequence[Any]) -> Outcome:
        self.symbols = module_symbols(self.op) or {}
        self.there.update(zip(self.op.body.block.args, inputs, strict=True))
        for op in self.op.primitives:
            given = [self.there[value] for value in op.inputs]
            guard = op.guard is None or self.there[op.guard] is True
            results: Sequence[Any] = [MISSING] * len(op.results)
            if values.runs(op, guard, given):
                results = _PRIMITIVES[op.name](self, op, given)
            self.there.update(zip(op.results, results, strict=True))
        value = self.there[self.op.result]
        return Outcome(value, self.answers, self.written, self.ingested)

    def embedding(self, op: prim.EmbeddingOp, given: Sequence[Any]) -> list[Any]:
        texts = values.part_of(values.texts(given[0]), op.part)
        return [[(text, self.engines.rank(None, text)) for text in texts]]

    def ingestion(self, op: prim.IngestionOp, given: Sequence[Any]) -> list[Any]:
        entries = tuple(values.part_of(given[0], op.part))
        self.ingested.update(text for text, _ in entries)
        return [entries]

    def searching(self, op: prim.SearchingOp, given: Sequence[Any]) -> list[Any]:
        where, queries = given
        found: list[str] = []
        for query in values.part_of(queries, op.part):
            ranked = sorted(where, key=lambda entry: (self.engines.rank(query, entry), entry))
            found += [text for text, _ in ranked[: op.top.data]]
        return [found]

    def reranking(self, op: prim.RerankingOp, given: Sequence[Any]) -> list[Any]:
        query, texts = given
        ranked = sorted(
            values.texts(texts), key=lambda text: (self.engines.rank(query, text), text)
        )
        return [ranked[: op.top.data]]

    def prefill(self, op: prim.PrefillOp, given: Sequence[Any]) -> list[Any]:
        before = given[: op.first_shown]
        kinds = [value.type for value in op.shown]
        shown = [
            values.shown(value, kind)
            for value, kind in zip(given[op.first_shown :], kinds, strict=True)
        ]
        said = values.messages(op.prompt.data, shown)
        return [values.joined(before[0] if before else (), said)]

    def decoding(self, op: prim.DecodingOp, given: Sequence[Any]) -> list[Any]:
        self.answers[_site(op), given[0]] += 1
        return [self._answer(op, given[0])]

    def partial_decoding(self, op: prim.PartialDecodingOp, given: Sequence[Any]) -> list[Any]:
        """A stream is what will have been written when it ends."""
        assert op.part is not None
        written = given[0]
        if op.part.number.data == 1:
            self.answers[_site(op), given[0]] += 1
            written = self._answer(op, given[0])
        return [values.answer_part(written, op.part), written]

    def _answer(self, op: prim.DecodeOp, prompt: Messages) -> Any:
        agent = self.symbols[op.callee.root_reference.data]
        assert isinstance(agent, flow.AgentOp)
        labels = tuple(word.data for word in op.labels or ())
        text = self.engines.write(agent, _site(op), prompt, labels)
        if op.raw is not None:
            return text
        return parse(parser_of(agent), agent.output, text, labels, _site(op))

    def tool(self, op: prim.ToolOp, given: Sequence[Any]) -> list[Any]:
        tool = self.symbols[op.callee.root_reference.data]
        assert isinstance(tool, flow.ToolOp)
        if tool.effect.data is flow.Effect.WRITES:
            self.written[tool.sym_name.data, repr(given)] += 1
        return [self.engines.tool(tool, given)]

    def item(self, op: prim.ItemOp, given: Sequence[Any]) -> list[Any]:
        return [values.item(op, given[0])]

    def aggregate(self, op: prim.AggregateOp, given: Sequence[Any]) -> list[Any]:
        return [values.aggregate(op, given, _united)]

    def condition(self, op: prim.ConditionOp, given: Sequence[Any]) -> list[Any]:
        return list(values.held(op, given[0]))


_PRIMITIVES: Mapping[str, Callable[[_Run, Any, Sequence[Any]], Sequence[Any]]] = {
    "prim.aggregate": _Run.aggregate,
    "prim.condition": _Run.condition,
    "prim.decoding": _Run.decoding,
    "prim.embedding": _Run.embedding,
    "prim.full_prefilling": _Run.prefill,
    "prim.ingestion": _Run.ingestion,
    "prim.item": _Run.item,
    "prim.partial_decoding": _Run.partial_decoding,
    "prim.partial_prefilling": _Run.prefill,
    "prim.prefilling": _Run.prefill,
    "prim.reranking": _Run.reranking,
    "prim.searching": _Run.searching,
    "prim.tool": _Run.tool,
}


def _united(indices: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(entry for each in indices for entry in each)


def _site(op: prim.DecodeOp) -> str:
    return "" if op.site is None else op.site.data
