"""Random graphs of primitives, written as text, and engines to estimate them with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser

from flowir.dialects import flow, prim
from flowir.dialects.dse import Dse

TEXT, TEXTS, LABEL = "!flow.text", "!flow.list<!flow.text>", "!flow.label"
CHUNKS, VECTORS, INDEX = "!prim.chunks", "!prim.embeddings", "!prim.index"
GUARD, KV = "!prim.guard", "!prim.kv"

DECLARED = f"""
flow.agent @say prompt "{{a}}"
flow.agent @list prompt "{{a}}" -> {TEXTS}
flow.agent @json prompt "{{a}}" -> !flow.list<!flow.list<!flow.text>>
flow.agent @judge prompt "{{a}}" -> {LABEL}
flow.tool @pure impl "t:a" -> {TEXTS} effect pure latency 0.2
flow.tool @reads impl "t:a" -> {TEXT} effect reads latency 0.7
flow.tool @writes impl "t:a" -> {TEXT} latency 0.1
"""

Value = tuple[str, str]
"""(name, type)"""


def parse(text: str) -> ModuleOp:
    """A module from text, verified."""
    context = Context()
    for dialect in (Builtin, flow.Flow, Dse, prim.PrimDialect):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


class _Writer:
    """Writes the body of one graph, op by op."""

    def __init__(self, integer: Callable[[int, int], int]) -> None:
        self.integer = integer
        self.scope: list[Value] = [("%q", TEXT), ("%docs", TEXTS)]
        self.guards: list[tuple[str, str]] = []
        self.guard = ""
        self.number = 0

    def pick(self, options: Any) -> Any:
        options = list(options)
        return options[self.integer(0, len(options) - 1)]

    def name(self) -> str:
        self.number += 1
        return f"%v{self.number}"

    def value(self, *kinds: str) -> Value | None:
        """A value of one of the types, the latest more often than others."""
        known = [value for value in self.scope if value[1] in kinds]
        if not known:
            return None
        return known[-1] if self.integer(0, 1) else self.pick(known)

    def rest(self, engine: str | None, work: str, inputs: list[Value], gives: str) -> str:
        """What follows the head of an op."""
        at = "" if engine is None else f' engine "{engine}"{work}'
        guard = f" if {self.guard}" if self.guard else ""
        after = ""
        if self.scope and not self.integer(0, 3):
            value, kind = self.pick(self.scope)
            after = f" after({value} : {kind})"
        types = ", ".join(kind for _, kind in inputs)
        return f"{at}{guard}{after} : ({types}) -> {gives}"

    def op(self) -> Iterator[str]:
        made = self.pick(
            [
                self.embedding, self.embedding, self.ingestion, self.searching, self.reranking,
                self.ask, self.ask, self.ask, self.item, self.gathered, self.tool, self.tool,
                self.judged, self.judged, self.choose, self.choose, self.case, self.case,
            ]
        )  # fmt: skip
        yield from made()

    def add(self, head: str, inputs: list[Value], gives: str, engine: str | None, work: str) -> str:
        name = self.name()
        operands = ", ".join(value for value, _ in inputs)
        head = head.replace("$", f"({operands})")
        line = f"{name} = prim.{head}{self.rest(engine, work, inputs, gives)}"
        self.scope.append((name, gives))
        return line

    def items(self) -> str:
        count = self.pick([1, 2, 3, 15, 16, 17, 40])
        return f" work <items = {count}, input = {20 * count}>"

    def embedding(self) -> Iterator[str]:
        given = self.value(TEXT, TEXTS, CHUNKS)
        if given:
            yield self.add("embedding$", [given], VECTORS, "embedding", self.items())

    def ingestion(self) -> Iterator[str]:
        given = self.value(VECTORS)
        if given:
            yield self.add("ingestion$", [given], INDEX, "vector store", self.items())

    def searching(self) -> Iterator[str]:
        where, query = self.value(INDEX), self.value(VECTORS)
        if where and query:
            top = f"searching$ top {self.integer(1, 4)}"
            yield self.add(top, [where, query], CHUNKS, "vector store", self.items())

    def reranking(self) -> Iterator[str]:
        query, texts = self.value(TEXT), self.value(CHUNKS, TEXTS)
        if query and texts:
            top = f"reranking$ top {self.integer(1, 4)}"
            yield self.add(top, [query, texts], CHUNKS, "reranker", self.items())

    def ask(self) -> Iterator[str]:
        """A prefill and its decode."""
        yield from self.asked(*self.pick([("say", TEXT), ("list", TEXTS), ("list", TEXTS)]))

    def asked(self, agent: str, gives: str) -> Iterator[str]:
        shown = [self.value(TEXT, TEXTS, CHUNKS, LABEL) for _ in range(self.integer(1, 3))]
        pieces, total = [], 0
        for value in shown:
            assert value is not None
            tokens = self.pick([5, 300, 2000])
            total += tokens + 10
            pieces += [f'"{self.pick("abc")}" tokens 10', f"{value[0]} tokens {tokens}"]
        system = 'system "s", ' * self.integer(0, 1)
        site = f' at "{self.number}"'
        inputs = [value for value in shown if value is not None]
        name = self.name()
        work = f" work <input = {total}>"
        yield (
            f"{name} = prim.prefilling @{agent}[{system}{', '.join(pieces)}]{site}"
            f"{self.rest('llm', work, inputs, KV)}"
        )
        self.scope.append((name, KV))
        labels = ' labels ["x", "y"]' if agent == "judge" else ""
        items = self.integer(1, 4)
        work = f" work <items = {items}, output = {items * 8}, context = {total}>"
        yield self.add(f"decoding @{agent}${labels}{site}", [(name, KV)], gives, "llm", work)

    def item(self) -> Iterator[str]:
        given = self.value(TEXTS, CHUNKS)
        if given:
            yield self.add(f"item$ {self.integer(0, 3)}", [given], TEXT, None, "")

    def gathered(self) -> Iterator[str]:
        mode, kind = self.pick(
            [
                ("all", TEXT), ("gather", TEXT), ("concat", VECTORS), ("concat", CHUNKS),
                ("concat", TEXTS), ("union", INDEX), ("text", TEXT), ("vote", TEXT),
            ]
        )  # fmt: skip
        given = [self.value(kind) for _ in range(self.integer(1, 3))]
        inputs = [value for value in given if value is not None]
        if inputs:
            gives = TEXTS if mode in ("all", "gather") else kind
            yield self.add(f"aggregate {mode}$", inputs, gives, None, "")

    def tool(self) -> Iterator[str]:
        tool, gives = self.pick([("pure", TEXTS), ("reads", TEXT), ("writes", TEXT)])
        inputs = [self.value(TEXT, TEXTS, CHUNKS, LABEL) for _ in range(self.integer(1, 2))]
        given = [value for value in inputs if value is not None]
        yield self.add(f"tool @{tool}$", given, gives, f"@{tool}", "")

    def judged(self) -> Iterator[str]:
        """A model's label, the condition on it, and a case to go on in."""
        yield from self.asked("judge", LABEL)
        given = self.scope[-1]
        yes, no = self.name(), self.name()
        odds = self.pick(['["x", else]', '["x" 0.3, else 0.7]'])
        gives = f"({GUARD}, {GUARD})"
        yield (
            f"{yes}, {no} = prim.condition label({given[0]}) {odds}"
            f"{self.rest(None, '', [given], gives)}"
        )
        self.guards.append((yes, no))
        self.guard = yes

    def case(self) -> Iterator[str]:
        """What follows belongs to some case, or to none."""
        guards = [guard for pair in self.guards for guard in pair]
        self.guard = self.pick(["", *guards])
        yield from ()

    def choose(self) -> Iterator[str]:
        if not self.guards:
            return
        guards = self.pick(self.guards)
        kind = self.pick([TEXT, CHUNKS, INDEX, TEXTS])
        left, right = self.value(kind), self.value(kind)
        if left and right:
            inputs = [left, right, *((guard, GUARD) for guard in guards)]
            yield self.add("aggregate choose$", inputs, kind, None, "")


def graph_text(integer: Callable[[int, int], int], most: int = 24) -> str:
    """A module with one random graph.

    Args:
        integer: draws an integer between two bounds.
    """
    writer = _Writer(integer)
    lines = [line for _ in range(integer(2, most)) for line in writer.op()]
    name, kind = writer.value(TEXT, TEXTS, CHUNKS, VECTORS, INDEX) or ("%q", TEXT)
    body = "\n".join(f"  {line}" for line in [*lines, f"prim.return {name} : {kind}"])
    return f"{DECLARED}prim.graph @g(%q: {TEXT}, %docs: {TEXTS}) -> {kind} {{\n{body}\n}}\n"


graph_texts = st.integers(0, 2**32).map(lambda seed: graph_text(Random(seed).randint))
"""Structure comes from a seed, which is quicker than drawing each choice, and does not shrink."""


def engine_file(
    path: Path, efficient: int, largest: int, slots: int, base_s: float, prefill_s: float
) -> str:
    """A file of engines other than the defaults; its path."""
    batch = {
        "kind": "batch", "base_s": base_s, "per_item_s": 0.01, "largest_batch": largest,
        "efficient_batch": efficient, "slots": slots,
    }  # fmt: skip
    names = ("embedding", "vector store", "reranker")
    engines: list[dict[str, Any]] = [{"name": name, **batch} for name in names]
    prefill = {"prefill_base_s": prefill_s, "prefill_per_token_s": 1e-4}
    decode = {"decode_base_s": 0.01, "decode_per_context_token_s": 1e-6}
    engines.append({"name": "llm", "kind": "language model", **prefill, **decode})
    path.write_text(json.dumps({"schema": 1, "engines": engines}))
    return str(path)
