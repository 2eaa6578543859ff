"""Reads a program off a graph in the IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, SSAValue

from flowir.calculus.from_ir import configuration
from flowir.configuration import Configuration
from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import Symbols, module_symbols
from flowir.errors import PrimError
from flowir.prim.from_ir import read_graph
from flowir.runtime.answers import parser_of
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
    Kind,
    Mode,
    Part,
    Piece,
    Prefill,
    Program,
    Rerank,
    Source,
    Step,
    Test,
)


def program_of(graph: prim.GraphOp) -> Program:
    """The program of a verified graph.

    Raises:
        PrimError: it takes what nobody can give, or gives one of its inputs.
    """
    read = read_graph(graph, spare=True)
    reader = _Reader(module_symbols(graph) or {})
    arguments = graph.body.block.args
    for place, argument in enumerate(arguments):
        reader.sources[argument] = Source(-1, place)
    for node, op in enumerate(read.ops):
        for place, result in enumerate(op.results):
            reader.sources[result] = Source(node, place)
    return Program(
        graph.sym_name.data,
        tuple(
            Input(argument.name_hint or f"input{place}", kind_of(argument.type))
            for place, argument in enumerate(arguments)
        ),
        read.graph,
        tuple(reader.step(op) for op in read.ops),
        tuple("" if op.site is None else op.site.data for op in read.ops),
        reader.sources[graph.result],
        frozenset(node for node, op in enumerate(read.ops) if op.waste is not None),
    )


def kind_of(kind: Attribute) -> Kind:
    """The kind of value of a type.

    Raises:
        PrimError: a type whose values only primitives have.
    """
    match kind:
        case flow.TextType():
            return "text"
        case flow.LabelType():
            return "label"
        case flow.BoolType():
            return "bool"
        case flow.JsonType():
            return "json"
        case flow.ListType():
            return f"list[{kind_of(kind.element)}]"
        case prim.ChunksType() | prim.DocumentsType():
            return "list[text]"
        case _:
            raise PrimError(f"a value of {kind} cannot be given or shown; only primitives have it")


class _Reader:
    """Steps of ops, given where values come from."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.sources: dict[SSAValue, Source] = {}

    def step(self, op: prim.PrimitiveOp) -> Step:
        """What an op does."""
        return _STEPS[op.name](self, op)

    def of(self, values: Sequence[SSAValue]) -> tuple[Source, ...]:
        """Where values come from."""
        return tuple(self.sources[value] for value in values)

    def embedding(self, op: prim.EmbeddingOp) -> Step:
        return Embed(self.sources[op.inputs[0]], _part(op))

    def ingestion(self, op: prim.IngestionOp) -> Step:
        return Ingest(self.sources[op.inputs[0]], _part(op))

    def searching(self, op: prim.SearchingOp) -> Step:
        index, queries = self.of(op.inputs)
        return Find(index, queries, op.top.data, _part(op))

    def reranking(self, op: prim.RerankingOp) -> Step:
        query, texts = self.of(op.inputs)
        return Rerank(query, texts, op.top.data)

    def prefill(self, op: prim.PrefillOp) -> Step:
        pieces = []
        for piece in op.prompt:
            content: str | Source
            if isinstance(piece.content, StringAttr):
                content, kind = piece.content.data, "text"
            else:
                value = op.shown[piece.content.data]
                content, kind = self.sources[value], kind_of(value.type)
            pieces.append(Piece(content, kind, piece.role.data))
        continued = None if op.continued is None else self.sources[op.continued]
        return Prefill(self.agent(op, False), tuple(pieces), continued)

    def decode(self, op: prim.DecodeOp) -> Step:
        labels = tuple(word.data for word in op.labels or ())
        agent = self.agent(op, op.raw is not None)
        return Decode(agent, self.sources[op.inputs[0]], labels, _part(op))

    def agent(self, op: prim.PrefillOp | prim.DecodeOp, raw: bool) -> Agent:
        """Whom an op asks; `raw`: for the text, not for what the agent declares."""
        name = op.callee.root_reference.data
        declared = self.symbols[name]
        assert isinstance(declared, flow.AgentOp)
        parser = "text" if raw else parser_of(declared)
        gives = "text" if raw else kind_of(declared.output)
        if op.config is None:  # Then its engine is all that is known of its model.
            return Agent(name, op.engine.data if op.engine else "", {}, parser, gives)
        chosen = configuration(op.config)
        return Agent(name, chosen.model, _params(chosen), parser, gives)

    def tool(self, op: prim.ToolOp) -> Step:
        name = op.callee.root_reference.data
        declared = self.symbols.get(name)
        writes = not isinstance(declared, flow.ToolOp) or (
            declared.effect.data is flow.Effect.WRITES
        )
        return CallTool(name, self.of(op.inputs), writes)

    def item(self, op: prim.ItemOp) -> Step:
        return Item(self.sources[op.inputs[0]], op.place.data, op.last is not None)

    def aggregate(self, op: prim.AggregateOp) -> Step:
        return Aggregate(cast(Mode, str(op.mode.data)), self.of(op.inputs))

    def condition(self, op: prim.ConditionOp) -> Step:
        return Condition(cast(Test, str(op.test.data)), self.sources[op.inputs[0]], op.names)


def _part(op: prim.PrimitiveOp) -> Part | None:
    return None if op.part is None else Part(op.part.number.data, op.part.count.data)


def _params(chosen: Configuration) -> dict[str, Any]:
    budget = {} if chosen.budget is None else {"budget": chosen.budget}
    return {**dict(chosen.params), **budget}


_STEPS: Mapping[str, Callable[[_Reader, Any], Step]] = {
    "prim.aggregate": _Reader.aggregate,
    "prim.condition": _Reader.condition,
    "prim.decoding": _Reader.decode,
    "prim.embedding": _Reader.embedding,
    "prim.full_prefilling": _Reader.prefill,
    "prim.ingestion": _Reader.ingestion,
    "prim.item": _Reader.item,
    "prim.partial_decoding": _Reader.decode,
    "prim.partial_prefilling": _Reader.prefill,
    "prim.prefilling": _Reader.prefill,
    "prim.reranking": _Reader.reranking,
    "prim.searching": _Reader.searching,
    "prim.tool": _Reader.tool,
}
