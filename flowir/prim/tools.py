"""Calls of tools as the primitives they are declared as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import IntAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Operation, SSAValue

from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import fail
from flowir.dialects.prim_types import chunks, element_of, embeddings, index, is_texts
from flowir.engines import defaults
from flowir.prim.sizes import RESULT, Size, declared

Sizes = Mapping[SSAValue, Size]


@dataclass(frozen=True)
class Made:
    """A primitive and how large its result is expected to be."""

    op: prim.PrimitiveOp
    size: Size


@dataclass(frozen=True)
class Call:
    """A call of a declared tool."""

    op: Operation
    tool: flow.ToolOp
    inputs: Sequence[SSAValue]
    site: StringAttr
    sizes: Sizes

    @property
    def count(self) -> int:
        """How many the tool gives, or which item."""
        assert self.tool.primitive is not None
        return self.tool.primitive.count.data

    def engine(self, otherwise: str) -> StringAttr:
        """The engine that the tool names, else another."""
        given = self.tool.primitive
        return StringAttr(given.engine.data if given and given.engine.data else otherwise)

    def one(self, what: str, fits: Callable[[SSAValue], bool], mend: str) -> SSAValue:
        """The one input that fits.

        Raises:
            OperationError: none does, or several.
        """
        found = [value for value in self.inputs if fits(value)]
        if len(found) != 1:
            raise fail(
                self.op,
                f"@{self.tool.sym_name.data} takes {what}, and {len(found)} of its "
                f"{len(self.inputs)} inputs are that; {mend}",
            )
        return found[0]


def primitive(
    op: Operation, tool: flow.ToolOp, inputs: Sequence[SSAValue], site: str, sizes: Sizes
) -> Made:
    """The call as a primitive, not yet in any block.

    Raises:
        OperationError: it is not given what its primitive takes.
    """
    call = Call(op, tool, inputs, StringAttr(site), sizes)
    kind = "tool" if tool.primitive is None else tool.primitive.kind.data
    return _MAKERS[kind](call)


def _embedding(call: Call) -> Made:
    texts = call.one("the texts to embed", lambda v: is_texts(v.type), "give it one list of texts")
    size = call.sizes[texts]
    work = prim.WorkAttr.of(items=size.items, input=size.tokens)
    made = prim.EmbeddingOp.make(
        [texts],
        [embeddings],
        site=call.site,
        engine=call.engine(defaults.EMBEDDING.name),
        work=work,
    )
    return Made(made, size)


def _ingestion(call: Call) -> Made:
    given = call.one(
        "embeddings", lambda v: v.type == embeddings, "give it what an embedding tool gives"
    )
    size = call.sizes[given]
    work = prim.WorkAttr.of(items=size.items, input=size.tokens)
    made = prim.IngestionOp.make(
        [given], [index], site=call.site, engine=call.engine(defaults.VECTOR_STORE.name), work=work
    )
    return Made(made, size)


def _searching(call: Call) -> Made:
    where = call.one("an index", lambda v: v.type == index, "give it what an ingestion tool gives")
    queries = call.one(
        "embedded queries", lambda v: v.type == embeddings, "give it what an embedding tool gives"
    )
    size = call.sizes[queries]
    made = prim.SearchingOp.make(
        [where, queries],
        [chunks],
        site=call.site,
        engine=call.engine(defaults.VECTOR_STORE.name),
        top=IntAttr(call.count),
        work=prim.WorkAttr.of(items=size.items),
    )
    return Made(made, call.sizes[where].of(size.items * call.count))


def _reranking(call: Call) -> Made:
    query = call.one(
        "a query", lambda v: isinstance(v.type, flow.TextType), "give it one !flow.text"
    )
    texts = call.one(
        "texts to order",
        lambda v: v is not query and is_texts(v.type) and element_of(v.type) is not None,
        "give it what a search gives",
    )
    size = call.sizes[texts]
    made = prim.RerankingOp.make(
        [query, texts],
        [chunks],
        site=call.site,
        engine=call.engine(defaults.RERANKER.name),
        top=IntAttr(call.count),
        work=prim.WorkAttr.of(items=size.items, input=size.tokens),
    )
    return Made(made, size.of(min(call.count, size.items)))


def _item(call: Call) -> Made:
    given = call.one(
        "a list", lambda v: element_of(v.type) is not None, "give it one list, and nothing else"
    )
    element = element_of(given.type)
    assert element is not None
    made = prim.ItemOp.make([given], [element], site=call.site, place=IntAttr(call.count))
    return Made(made, call.sizes[given].each)


def _tool(call: Call) -> Made:
    tool = call.tool
    named = tool.primitive is not None and tool.primitive.engine.data
    timed = named or tool.latency.data > 0.0
    tokens = sum(call.sizes[value].tokens for value in call.inputs)
    made = prim.ToolOp.make(
        call.inputs,
        [tool.output],
        callee=SymbolRefAttr(tool.sym_name),
        site=call.site,
        engine=call.engine(f"@{tool.sym_name.data}") if timed else None,
        work=prim.WorkAttr.of(input=tokens) if timed else None,
    )
    return Made(made, declared(tool, RESULT, tool.output))


_MAKERS: Mapping[str, Callable[[Call], Made]] = {
    "embedding": _embedding,
    "ingestion": _ingestion,
    "searching": _searching,
    "reranking": _reranking,
    "item": _item,
    "tool": _tool,
}
