"""Reads a `prim.graph` off the IR, as the values that schedulers and estimates work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, OpResult, SSAValue

from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import module_symbols
from flowir.engines.engine import BatchEngine, Engine
from flowir.errors import PrimError
from flowir.prim.graph import KINDS, Kind, Node, PrimitiveGraph, Work


@dataclass(frozen=True)
class ReadGraph:
    """A graph and where each node comes from.

    Attributes:
        ops: of each node its op, by index.
    """

    graph: PrimitiveGraph
    ops: tuple[prim.PrimitiveOp, ...]


def find_graph(module: ModuleOp, name: str | None = None) -> prim.GraphOp:
    """The graph of a module with this name, or the only one.

    Raises:
        PrimError: there is none, or several and no name.
    """
    graphs = {op.sym_name.data: op for op in module.ops if isinstance(op, prim.GraphOp)}
    if name is None and len(graphs) == 1:
        return next(iter(graphs.values()))
    known = ", ".join(f"@{each}" for each in graphs) or "none"
    if name is None:
        raise PrimError(
            f"expected one prim.graph, found: {known}; "
            + ("name one" if graphs else "run lower-flow-to-prim first")
        )
    if name not in graphs:
        raise PrimError(f"no prim.graph @{name}; there are: {known}")
    return graphs[name]


def primitive_graph(op: prim.GraphOp) -> PrimitiveGraph:
    """The graph as it is expected to run; see `read_graph`."""
    return read_graph(op).graph


def read_graph(op: prim.GraphOp, *, spare: bool = False) -> ReadGraph:
    """One node per primitive, in order.

    Args:
        op: verified.
        spare: with the ops that run only where a list is longer than expected. An executor wants
            them, an estimate does not.

    Raises:
        PrimError: the graph gives one of its arguments, without any primitive.
    """
    reader = _Reader()
    for inner in op.primitives:
        if spare or inner.spare is None:
            reader.add(inner)
    result = reader.index.get(op.result)
    if result is None:
        raise PrimError(
            f"prim.graph @{op.sym_name.data} gives an argument; there is nothing to run"
        )
    graph = PrimitiveGraph(tuple(reader.nodes), result, reader.odds)
    return ReadGraph(graph, tuple(reader.ops))


def tool_engines(op: prim.GraphOp) -> dict[str, Engine]:
    """Engines for the tools of a graph that name their own, `@tool`: from what is declared of them.

    A tool takes its declared latency, in as many calls at once as its `concurrency` allows.
    """
    symbols = module_symbols(op) or {}
    found: dict[str, Engine] = {}
    for inner in op.primitives:
        name = None if inner.engine is None else inner.engine.data
        if name is None or not name.startswith("@") or name in found:
            continue
        tool = symbols.get(name[1:])
        if isinstance(tool, flow.ToolOp):
            slots = 64 if tool.concurrency is None else tool.concurrency.data
            found[name] = BatchEngine(
                name,
                base_s=tool.latency.data,
                largest_batch=1,
                efficient_batch=1,
                slots=slots,
            )
    return found


def kind_of(op: Operation) -> Kind:
    """The kind of a primitive; what only arranges values counts as an aggregate."""
    name = op.name.removeprefix("prim.").replace("_", " ")
    return name if name in KINDS else "aggregate"


def work_of(op: prim.PrimitiveOp) -> Work:
    """What its engine has to do."""
    if op.work is None:
        return Work()
    items, given, output, context = op.work.values
    if isinstance(op, prim.DecodeOp):
        items = 1.0  # Of the answer, and one request all the same.
    return Work(max(1, round(items)), given, output, context)


def continues(op: prim.PrimitiveOp) -> SSAValue | None:
    """The KV cache or stream that it goes on from."""
    if isinstance(op, prim.DecodeOp):
        return op.inputs[0]
    return op.continued if isinstance(op, prim.PrefillOp) else None


class _Reader:
    """Indices of what has been read so far."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.ops: list[prim.PrimitiveOp] = []
        self.index: dict[SSAValue, int] = {}
        self.odds: dict[int, Mapping[str, float]] = {}

    def add(self, op: prim.PrimitiveOp) -> None:
        number = len(self.nodes)
        before = continues(op)
        node = Node(
            name=_name(op, number),
            kind=kind_of(op),
            engine=None if op.engine is None else op.engine.data,
            work=work_of(op),
            after=tuple(sorted({self.index[v] for v in self._waits(op) if v in self.index})),
            kv=None if before is None else self.index.get(before),
            guards=self._guards(op.guard),
            batchable=op.has_trait(prim.Batchable),
            splittable=op.get_trait(prim.Splittable) is not None or op.has_trait(prim.Streams),
        )
        self.nodes.append(node)
        self.ops.append(op)
        for result in op.results:
            self.index[result] = number
        if isinstance(op, prim.ConditionOp):
            self.odds[number] = dict(zip(op.names, op.chances, strict=True))

    def _waits(self, op: prim.PrimitiveOp) -> tuple[SSAValue, ...]:
        return (*op.inputs, *op.after)

    def _guards(self, guard: SSAValue | None) -> tuple[tuple[int, str], ...]:
        """The case that holds and those around it, outermost first."""
        found: list[tuple[int, str]] = []
        while isinstance(guard, OpResult) and isinstance(guard.op, prim.ConditionOp):
            if guard in self.index:
                found.append((self.index[guard], guard.op.names[guard.index]))
            guard = guard.op.guard
        return tuple(reversed(found))


def _name(op: prim.PrimitiveOp, number: int) -> str:
    """What a person finds it by: the site and the kind, with its part."""
    site = op.site.data if op.site is not None else op.results[0].name_hint or str(number)
    part = "" if op.part is None else f" {op.part.words}"
    return f"{site}: {op.name.removeprefix('prim.').replace('_', ' ')}{part}"
