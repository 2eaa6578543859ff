"""A reference execution of primitives: what a graph means, on engines that are pure functions.

Every answer, vector, search and tool follows from what went in, by hashing; so what two graphs give
can be compared, and with it what they wrote and asked. Nothing here is real but the arranging of
values, which is that of `flowir.prim.values`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xdsl.ir import Attribute, SSAValue

from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import module_symbols
from flowir.dialects.prim_types import element_of
from flowir.prim import values
from flowir.prim.values import MISSING

Messages = tuple[values.Message, ...]


@dataclass(frozen=True)
class Outcome:
    """What a run gave and did.

    Attributes:
        value: what the graph gives.
        answers: each answer, by site and prompt, with how often it was drawn.
        written: each call of a tool that writes, with how often it was made.
        ingested: each text that was written into a store, with how often.
    """

    value: Any
    answers: Counter[tuple[str, Messages]]
    written: Counter[tuple[str, str]]
    ingested: Counter[str]


def run(graph: prim.GraphOp, inputs: Sequence[Any], salt: int = 0) -> Outcome:
    """Run a verified graph on the pure engines that a salt picks.

    Raises:
        PrimError: a condition is given a label that it has no case for, a map too long a list.
    """
    return _Run(graph, salt).graph(inputs)


@dataclass
class _Run:
    op: prim.GraphOp
    salt: int
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
                results = _ENGINES[op.name](self, op, given)
            self.there.update(zip(op.results, results, strict=True))
        value = self.there[self.op.result]
        return Outcome(value, self.answers, self.written, self.ingested)

    def draw(self, *about: object) -> int:
        """A number that follows from the salt and what it is about."""
        text = repr((self.salt, about))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

    def answer(self, site: str, prompt: Messages, kind: Attribute, labels: Sequence[str]) -> Any:
        """A value of a type; lists of at most six items."""
        number = self.draw(site, prompt, str(kind))
        match kind:
            case flow.LabelType() if labels:
                return [*labels, "something else"][number % (len(labels) + 1)]
            case flow.TextType() | flow.LabelType():
                return f"{['ACCEPT', 'REJECT'][number % 2]} {number:x}"
            case flow.BoolType():
                return number % 2 == 0
        element = element_of(kind)
        if element is None or isinstance(kind, flow.JsonType):
            return [f"{number:x}.{place}" for place in range(number % 7)]
        return [
            self.answer(f"{site}.{place}", prompt, element, labels) for place in range(number % 7)
        ]

    def embedding(self, op: prim.EmbeddingOp, given: Sequence[Any]) -> list[Any]:
        texts = values.part_of(values.texts(given[0]), op.part)
        return [[(text, self.draw("vector", text)) for text in texts]]

    def ingestion(self, op: prim.IngestionOp, given: Sequence[Any]) -> list[Any]:
        entries = tuple(values.part_of(given[0], op.part))
        self.ingested.update(text for text, _ in entries)
        return [entries]

    def searching(self, op: prim.SearchingOp, given: Sequence[Any]) -> list[Any]:
        where, queries = given
        found: list[str] = []
        for query in values.part_of(queries, op.part):
            ranked = sorted(where, key=lambda entry: (self.draw(query, entry), entry))
            found += [text for text, _ in ranked[: op.top.data]]
        return [found]

    def reranking(self, op: prim.RerankingOp, given: Sequence[Any]) -> list[Any]:
        query, texts = given
        ranked = sorted(values.texts(texts), key=lambda text: (self.draw(query, text), text))
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
        return [self.answer(_site(op), given[0], op.output.type, _labels(op))]

    def partial_decoding(self, op: prim.PartialDecodingOp, given: Sequence[Any]) -> list[Any]:
        assert op.part is not None
        if op.part.number.data == 1:
            self.answers[_site(op), given[0]] += 1
        whole = self.answer(_site(op), given[0], op.output.type, _labels(op))
        return [values.answer_part(whole, op.part), given[0]]

    def tool(self, op: prim.ToolOp, given: Sequence[Any]) -> list[Any]:
        name = op.callee.root_reference.data
        declared = self.symbols.get(name)
        shown = json.dumps(given, sort_keys=True, default=repr)
        if not isinstance(declared, flow.ToolOp) or declared.effect.data is flow.Effect.WRITES:
            self.written[name, shown] += 1
        return [self.answer(name, (("tool", shown),), op.output.type, ())]

    def item(self, op: prim.ItemOp, given: Sequence[Any]) -> list[Any]:
        return [values.item(op, given[0])]

    def aggregate(self, op: prim.AggregateOp, given: Sequence[Any]) -> list[Any]:
        return [values.aggregate(op, given, _united)]

    def condition(self, op: prim.ConditionOp, given: Sequence[Any]) -> list[Any]:
        return list(values.held(op, given[0]))


_ENGINES: Mapping[str, Callable[[_Run, Any, Sequence[Any]], Sequence[Any]]] = {
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


def _labels(op: prim.DecodeOp) -> tuple[str, ...]:
    return tuple(word.data for word in op.labels or ())
