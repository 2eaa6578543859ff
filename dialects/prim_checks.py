"""What the verifier of the `prim` dialect rejects; messages name the op, the site and the mend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import IntAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, SSAValue

from flowir.dialects.flow_checks import Symbols, fail, module_symbols, verify_probabilities
from flowir.dialects.flow_types import text
from flowir.dialects.prim_traits import Splittable
from flowir.dialects.prim_types import (
    TEST_CASES,
    Gathering,
    GuardType,
    KvType,
    StreamType,
    Test,
    chunks,
    element_of,
    embeddings,
    guard,
    index,
    is_texts,
    kv,
    normal,
    stream,
)

if TYPE_CHECKING:
    from flowir.dialects import prim, prim_prompts


def verify_embedding(op: prim.EmbeddingOp) -> None:
    """Texts to embeddings."""
    _on_an_engine(op)
    (given,) = _types(op, 1, "the texts")
    if not is_texts(given):
        raise fail(op, f"it embeds texts, not {given}; give documents, chunks or a list of texts")
    _gives(op, embeddings)


def verify_ingestion(op: prim.IngestionOp) -> None:
    """Embeddings to an index."""
    _on_an_engine(op)
    _takes(op, {"the embeddings": embeddings})
    _gives(op, index)


def verify_searching(op: prim.SearchingOp) -> None:
    """An index and embedded queries to chunks."""
    _on_an_engine(op)
    _takes(op, {"an index": index, "embedded queries": embeddings})
    _gives(op, chunks)
    _top(op)


def verify_reranking(op: prim.RerankingOp) -> None:
    """A query and texts to chunks."""
    _on_an_engine(op)
    query, given = _types(op, 2, "a query and the texts to order")
    if query != text or not is_texts(given):
        raise fail(op, f"it orders texts by a !flow.text, not {given} by {query}")
    _gives(op, chunks)
    _top(op)


def verify_prefill(op: prim_prompts.PrefillOp) -> None:
    """Pieces that show every operand once, in order."""
    _on_an_engine(op)
    if op.name == "prim.full_prefilling" and (not op.inputs or op.inputs[0].type != kv):
        raise fail(op, "it continues no KV cache; give that of a prim.partial_prefilling first")
    places = [p.content.data for p in op.prompt if isinstance(p.content, IntAttr)]
    if places != list(range(len(op.shown))):
        raise fail(
            op, f"its pieces show operands {places} of {len(op.shown)}; show each once, in order"
        )
    for value in op.shown:
        if isinstance(value.type, KvType | StreamType | GuardType):
            raise fail(op, f"a prompt cannot show {value.type}; show what was decoded from it")
    if not op.prompt.data:
        raise fail(op, "an empty prompt; give at least one piece")
    _gives(op, kv)


def verify_decoding(op: prim.DecodingOp) -> None:
    """A KV cache to an answer."""
    _on_an_engine(op)
    _takes(op, {"a prefilled prompt": kv})
    if op.part is not None:
        raise fail(op, "`part` is for prim.partial_decoding; remove it")
    if op.raw is not None:
        _gives(op, text)


def verify_partial_decoding(op: prim.PartialDecodingOp) -> None:
    """A KV cache, or the part before, to the items of a part."""
    _on_an_engine(op)
    if op.part is None:
        raise fail(op, "which part of the answer? Give `part K of N`")
    if element_of(op.output.type) is None:
        raise fail(op, f"only a list can go on in parts, and the answer is {op.output.type}")
    if op.part.number.data == 1:
        _takes(op, {"a prefilled prompt": kv})
        return
    _takes(op, {"what the part before left": stream})
    before = op.inputs[0].owner
    if (
        not isinstance(before, Operation)
        or before.name != op.name
        or before.part is None  # type: ignore[attr-defined]
        or before.part.number.data != op.part.number.data - 1  # type: ignore[attr-defined]
        or before.part.count != op.part.count  # type: ignore[attr-defined]
    ):
        raise fail(op, f"it does not go on from part {op.part.number.data - 1} of the same answer")


def verify_tool(op: prim.ToolOp) -> None:
    """Any types; the graph checks the symbol."""
    _without_part(op)


def verify_item(op: prim.ItemOp) -> None:
    """A list to its element type."""
    _free(op)
    (given,) = _types(op, 1, "a list")
    if (element := element_of(given)) is None:
        raise fail(op, f"{given} has no items; give a list, chunks or documents")
    _gives(op, element)
    if op.place.data < 0:
        raise fail(op, f"item {op.place.data}; items are counted from 0")


def verify_aggregate(op: prim.AggregateOp) -> None:
    """What each mode takes and gives."""
    _free(op)
    types = [value.type for value in op.inputs]
    if not types:
        raise fail(op, "nothing to put together; give at least one value")
    _AGGREGATES[op.mode.data](op, types)


def _listed(op: prim.AggregateOp, types: list[Attribute]) -> None:
    _alike(op, types)
    if element_of(op.output.type) is None or normal(element_of(op.output.type) or kv) != normal(
        types[0]
    ):
        raise fail(op, f"it gives !flow.list<{types[0]}>, but is typed {op.output.type}")


def _same(op: prim.AggregateOp, types: list[Attribute]) -> None:
    _alike(op, types)
    _gives(op, types[0])


def _concatenated(op: prim.AggregateOp, types: list[Attribute]) -> None:
    _same(op, types)
    if element_of(types[0]) is None and types[0] != embeddings:
        raise fail(op, f"{types[0]} has no items to put together; use `all` to list the values")


def _united(op: prim.AggregateOp, types: list[Attribute]) -> None:
    _same(op, types)
    if types[0] != index:
        raise fail(op, f"`union` is of indices, not of {types[0]}; use `concat` for lists")


def _texts(op: prim.AggregateOp, types: list[Attribute]) -> None:
    _same(op, types)
    if types[0] != text:
        raise fail(op, f"`text` joins !flow.text, not {types[0]}")


def _voted_by(op: prim.AggregateOp, types: list[Attribute]) -> None:
    count = len(types) // 2
    if len(types) % 2:
        raise fail(op, "`vote_by` takes values and then as many keys, the first for the first")
    _alike(op, types[:count])
    _gives(op, types[0])


def _picked(op: prim.AggregateOp, types: list[Attribute]) -> None:
    if len(types) < 2 or types[0] != text:
        raise fail(op, "`pick` takes the answer, a !flow.text, and then the candidates")
    _alike(op, types[1:])
    _gives(op, types[1])


def _chosen(op: prim.AggregateOp, types: list[Attribute]) -> None:
    count = len(types) // 2
    if len(types) % 2 or any(kind != guard for kind in types[count:]):
        raise fail(op, "`choose` takes values and then as many guards, the first for the first")
    _alike(op, types[:count])
    _gives(op, types[0])


def _fed_back(op: prim.AggregateOp, types: list[Attribute]) -> None:
    _types(op, 1, "a critic's answer")
    _gives(op, text)


_AGGREGATES: Mapping[Gathering, Callable[[prim.AggregateOp, list[Attribute]], None]] = {
    Gathering.ALL: _listed,
    Gathering.GATHER: _listed,
    Gathering.CONCAT: _concatenated,
    Gathering.UNION: _united,
    Gathering.TEXT: _texts,
    Gathering.VOTE: _same,
    Gathering.VOTE_BY: _voted_by,
    Gathering.PICK: _picked,
    Gathering.CHOOSE: _chosen,
    Gathering.FEEDBACK: _fed_back,
}


def verify_condition(op: prim.ConditionOp) -> None:
    """Distinct cases, one guard each; odds that are probabilities."""
    _free(op)
    _types(op, 1, "what it looks at")
    names = op.names
    if not names:
        raise fail(op, 'no cases; give at least one, `["label", else]`')
    if len(set(names)) != len(names) or "" in names[: len(op.cases)]:
        raise fail(op, "a case stands twice or is empty; give each label once")
    if len(op.guards) != len(names):
        raise fail(op, f"{len(names)} cases, but {len(op.guards)} guards; give one each")
    fixed = TEST_CASES.get(op.test.data)
    if fixed is not None and names != fixed:
        raise fail(op, f"the cases of `{op.test.data}` are {' and '.join(fixed)}, in this order")
    if op.test.data is not Test.LABEL and op.otherwise is not None:
        raise fail(op, f"`else` has no meaning for `{op.test.data}`; remove it")
    if op.odds is not None:
        if len(op.odds) != len(names):
            raise fail(op, f"{len(op.odds)} odds for {len(names)} cases; give one each")
        verify_probabilities(op, op.chances)


VERIFIERS: Mapping[str, Callable[[Any], None]] = {
    "prim.aggregate": verify_aggregate,
    "prim.condition": verify_condition,
    "prim.decoding": verify_decoding,
    "prim.embedding": verify_embedding,
    "prim.full_prefilling": verify_prefill,
    "prim.ingestion": verify_ingestion,
    "prim.item": verify_item,
    "prim.partial_decoding": verify_partial_decoding,
    "prim.partial_prefilling": verify_prefill,
    "prim.prefilling": verify_prefill,
    "prim.reranking": verify_reranking,
    "prim.searching": verify_searching,
    "prim.tool": verify_tool,
}
"""Of each op by name; each takes its own kind of op."""


def verify_graph(op: prim.GraphOp) -> None:
    """The signature, the order, and the symbols that are called."""
    inputs, outputs = list(op.function_type.inputs), list(op.function_type.outputs)
    if len(outputs) != 1:
        raise fail(op, f"a graph gives exactly one result, not {len(outputs)}")
    if [argument.type for argument in op.body.block.args] != inputs:
        raise fail(op, "the arguments of the body differ from the signature")
    last = op.body.block.last_op
    if last is None or last.name != "prim.return":
        raise fail(op, "the body does not end in prim.return")
    if last.operands[0].type != outputs[0]:
        raise fail(op, f"it returns {last.operands[0].type}, but the signature says {outputs[0]}")
    symbols = module_symbols(op)
    made: set[SSAValue] = set(op.body.block.args)
    for inner in op.body.block.ops:
        if inner is not last and inner.name not in VERIFIERS:
            raise fail(inner, "it has no place among primitives; lower it first")
        for value in inner.operands:
            if value not in made:
                name = f"%{value.name_hint}" if value.name_hint else f"a {value.type}"
                raise fail(inner, f"it uses {name} before it is made; order them by use")
        made.update(inner.results)
        if symbols is not None:
            _verify_symbol(inner, symbols)


def _verify_symbol(op: Operation, symbols: Symbols) -> None:
    """Tools call tools, prompts and answers belong to agents."""
    if not isinstance(symbol := op.properties.get("callee"), SymbolRefAttr):
        return
    kind = "flow.tool" if op.name == "prim.tool" else "flow.agent"
    name = symbol.root_reference.data
    target = symbols.get(name)
    if target is None or target.name != kind:
        known = sorted(n for n, o in symbols.items() if o.name == kind)
        what = "unknown symbol" if target is None else f"{target.name}, not {kind},"
        raise fail(op, f"{what} @{name}; declared: {', '.join('@' + n for n in known) or 'none'}")


def _types(op: prim.PrimitiveOp, count: int, what: str) -> list[Attribute]:
    """The types of its inputs, of which there are so many."""
    if len(op.inputs) != count:
        raise fail(op, f"it takes {what}, and is given {len(op.inputs)} inputs")
    return [value.type for value in op.inputs]


def _takes(op: prim.PrimitiveOp, wanted: Mapping[str, Attribute]) -> None:
    types = _types(op, len(wanted), " and ".join(wanted))
    for (what, kind), given in zip(wanted.items(), types, strict=True):
        if normal(given) != normal(kind):
            raise fail(op, f"it takes {what}, {kind}, not {given}")


def _gives(op: prim.PrimitiveOp, kind: Attribute) -> None:
    if normal(op.results[0].type) != normal(kind):
        raise fail(op, f"it gives {kind}, but the result is typed {op.results[0].type}")


def _alike(op: prim.PrimitiveOp, types: list[Attribute]) -> None:
    if len(set(map(normal, types))) > 1:
        shown = ", ".join(map(str, types))
        raise fail(op, f"values of different types: {shown}; make them one type")


def _top(op: prim.SearchingOp | prim.RerankingOp) -> None:
    if op.top.data < 1:
        raise fail(op, f"top {op.top.data} gives nothing; write 1 or more")


def _on_an_engine(op: prim.PrimitiveOp) -> None:
    """Work has somewhere to be done; parts only where lists can be split."""
    if op.engine is None:
        raise fail(op, 'no engine runs it; give `engine "name"`')
    if op.name != "prim.partial_decoding":
        _without_part(op)


def _without_part(op: prim.PrimitiveOp) -> None:
    if op.part is not None and op.get_trait(Splittable) is None:
        raise fail(op, "it cannot be done in parts; remove `part`")


def _free(op: prim.PrimitiveOp) -> None:
    """What takes no time has no engine."""
    if op.engine is not None:
        raise fail(op, "it takes no time and no engine; remove `engine`")
    _without_part(op)
