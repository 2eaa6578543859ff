"""A workflow as nodes, edges and nested clusters.

An edge stands for a value. What a region gives is drawn where it is made: an edge out of a
fallback starts at its checker and at its last tier, one out of a branch at each of its cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Literal

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from flowir.backends.drawing.labels import called_text, estimate_text, made_text, points_text
from flowir.calculus.from_ir import find_workflow
from flowir.calculus.sites import site_names
from flowir.dialects import flow
from flowir.passes.flow_select import compile_to
from flowir.search.annotate import annotated_workflow, front_from_ir
from flowir.search.selection import select

Shape = Literal["end", "agent", "tool", "workflow", "join", "check", "route", "pass"]
"""What a node is: where a workflow begins or ends, what is called, an arrangement of values, who
decides whether to go on, what a branch depends on, a value handed through."""


@dataclass(frozen=True)
class Node:
    """Something that happens; the lines of its label, and what hovering tells."""

    id: str
    shape: Shape
    lines: tuple[str, ...]
    hint: str = ""


@dataclass(frozen=True)
class Edge:
    """A value on its way; `back` where it is only taken after a refusal."""

    start: str
    end: str
    label: str = ""
    back: bool = False


@dataclass(frozen=True)
class Cluster:
    """A region, with what is in it in order."""

    id: str
    lines: tuple[str, ...]
    parts: tuple[Node | Cluster, ...]

    def nodes(self) -> Iterator[Node]:
        """The nodes in it, at any depth."""
        for part in self.parts:
            if isinstance(part, Node):
                yield part
            else:
                yield from part.nodes()


@dataclass(frozen=True)
class Drawing:
    """Workflows, one cluster each, and the edges between all nodes."""

    clusters: tuple[Cluster, ...]
    edges: tuple[Edge, ...]


def drawing(module: ModuleOp, workflow: str | None = None, point: int | None = None) -> Drawing:
    """The workflows of a module.

    Args:
        module: left as it is.
        workflow: the only one to draw.
        point: draw a workflow compiled to this point of its front.

    Raises:
        FlowirError: there is no such workflow, front or point.
    """
    module = module.clone()
    if point is not None:
        compiled = annotated_workflow(module, workflow)
        front = front_from_ir(compiled)
        compile_to(compiled, front, front.every[select(front, point=point)])
        found = [compiled]
    elif workflow is not None:
        found = [find_workflow(module, workflow)]
    else:
        found = [op for op in module.ops if isinstance(op, flow.WorkflowOp)]
        if not found:
            found = [find_workflow(module)]
    painter = _Painter()
    clusters = tuple(painter.workflow(op) for op in found)
    edges = tuple(dict.fromkeys(painter.edges))
    return Drawing(clusters, edges)


Sources = tuple[str, ...]
"""The nodes at which a value is made."""


@dataclass
class _Painter:
    """Draws workflows; numbers nodes and clusters as they come."""

    edges: list[Edge] = field(default_factory=list)
    _count: int = 0
    _sources: dict[SSAValue, Sources] = field(default_factory=dict)
    _sites: Mapping[Operation, str] = field(default_factory=dict)

    def workflow(self, op: flow.WorkflowOp) -> Cluster:
        """The cluster of a workflow."""
        self._sites = site_names(op)
        parts: list[Node | Cluster] = []
        for number, argument in enumerate(op.body.block.args):
            name = argument.name_hint or f"input {number + 1}"
            parts.append(self._node("end", f"{name}: {_type(argument)}"))
            self._sources[argument] = (parts[-1].id,)
        parts += self._block(op.body.block)
        result = _result(op.body.block)
        end = self._node("end", f"result: {_type(result)}")
        self._flow(self._sources[result], end)
        lines = (f"workflow {op.sym_name.data}", *estimate_text(op), *points_text(op))
        return Cluster(self._id("c"), lines, (*parts, end))

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _node(self, shape: Shape, *lines: str, hint: str = "") -> Node:
        return Node(self._id("n"), shape, lines, hint)

    def _flow(self, sources: Sequence[str], node: Node, label: str = "") -> None:
        self.edges += [Edge(source, node.id, label) for source in sources]

    def _read(self, op: Operation, node: Node, values: Sequence[SSAValue]) -> None:
        for value in values:
            self._flow(self._sources[value], node)

    def _read_operands(self, op: Operation, node: Node) -> None:
        """Edges from all operands; those of a race say how long after the first they start."""
        delays = op.delays if isinstance(op, flow.JoinOp) else ()
        for value, delay in zip_longest(op.operands, delays, fillvalue=0.0):
            assert isinstance(value, SSAValue)
            self._flow(self._sources[value], node, f"after {delay:g} s" if delay else "")

    def _block(self, block: Block) -> list[Node | Cluster]:
        parts: list[Node | Cluster] = []
        for op in block.ops:
            if not isinstance(op, flow.YieldOp | flow.ReturnOp):
                parts += self._op(op)
        return parts

    def _op(self, op: Operation) -> Iterator[Node | Cluster]:
        match op:
            case flow.BranchOp():
                yield from self._branch(op)
            case flow.AlternativesOp():
                cases = zip([label.data for label in op.labels], op.cases, strict=True)
                yield self._cases(
                    op, [f"choice {op.choice.data}"], [(s, r.block) for s, r in cases]
                )
            case flow.FallbackOp():
                yield self._fallback(op)
            case flow.RefineOp():
                yield self._refine(op)
            case flow.MapOp():
                yield self._map(op)
            case flow.PlanOp():
                yield self._plan(op)
            case _:
                shape, lines, hint = made_text(op, self._sites.get(op, ""))
                node = self._node(shape, *lines, hint=hint)
                self._read_operands(op, node)
                for result in op.results:
                    self._sources[result] = (node.id,)
                yield node

    def _region(self, block: Block, outside: Sources) -> tuple[list[Node | Cluster], Sources]:
        """What is in a region, and where its result is made; a node where it hands a value through.

        Args:
            outside: what its arguments stand for.
        """
        for argument in block.args:
            self._sources[argument] = outside
        parts = self._block(block)
        inside = {node.id for part in parts for node in _nodes(part)}
        sources = self._sources[_result(block)]
        if inside.issuperset(sources):
            return parts, sources
        through = self._node("pass", "as it is")
        self._flow(sources, through)
        return [*parts, through], (through.id,)

    def _cases(
        self, op: Operation, lines: Sequence[str], cases: Sequence[tuple[str, Block]]
    ) -> Cluster:
        """A cluster with one inside for every case; any of them may give the value."""
        clusters: list[Cluster] = []
        sources: list[str] = []
        for label, block in cases:
            parts, made = self._region(block, ())
            chosen = points_text(op, label)
            clusters.append(Cluster(self._id("c"), (label, *chosen), tuple(parts)))
            sources += made
        self._sources[op.results[0]] = tuple(sources)
        return Cluster(self._id("c"), (*lines, *estimate_text(op)), tuple(clusters))

    def _branch(self, op: flow.BranchOp) -> Iterator[Node | Cluster]:
        site = self._sites.get(op, "branch")
        route = self._node("route", site)
        self._read(op, route, [op.on])
        yield route
        cases = [("else" if label is None else label, r.block) for label, r in op.blocks]
        cluster = self._cases(op, [f"branch {site}"], cases)
        for (label, _), case in zip(cases, cluster.parts, strict=True):
            for entry in self._entries(case):
                self.edges.append(Edge(route.id, entry, label))
        yield cluster

    def _entries(self, cluster: Node | Cluster) -> list[str]:
        """The nodes of a region that nothing in it leads to."""
        inside = [node.id for node in _nodes(cluster)]
        led = {e.end for e in self.edges if e.start in inside and not e.back}
        return [node for node in inside if node not in led]

    def _check(self, op: flow.FallbackOp | flow.RefineOp) -> Node:
        lines, hint = called_text(op)
        node = self._node("check", *lines, hint=hint)
        self._read(op, node, op.context)
        return node

    def _fallback(self, op: flow.FallbackOp) -> Cluster:
        tiers = [tier.block for tier in op.tiers]
        site, tries = self._sites.get(op, "fallback"), op.bound.data
        lines = [f"fallback {site}", *([f"at most {tries} tries"] if tries > 1 else [])]
        if len(tiers) + tries == 2:  # One tier, once: nobody is asked.
            parts, self._sources[op.output] = self._region(tiers[0], ())
            return Cluster(self._id("c"), (*lines, *estimate_text(op)), tuple(parts))
        check = self._check(op)
        clusters: list[Node | Cluster] = []
        sources: Sources = ()
        for number, block in enumerate(tiers):
            parts, sources = self._region(block, ())
            cluster = Cluster(self._id("c"), (f"tier {number + 1}",), tuple(parts))
            clusters += [cluster] if len(tiers) > 1 else parts
            if number < len(tiers) - 1 or tries > 1:
                self._flow(sources, check)
            if number or tries > 1:
                for entry in self._entries(cluster):
                    self.edges.append(Edge(check.id, entry, "rejected", back=True))
        self._sources[op.output] = (check.id, *sources)
        return Cluster(self._id("c"), (*lines, *estimate_text(op)), (*clusters, check))

    def _refine(self, op: flow.RefineOp) -> Cluster:
        check = self._check(op)
        self._read(op, check, [op.initial])
        before = len(self.edges)
        parts, sources = self._region(op.body.block, (check.id,))
        body = Cluster(self._id("c"), ("mend",), tuple(parts))
        # What the body is given comes from the checker, and only after a refusal.
        given = [edge.end for edge in self.edges[before:] if edge.start == check.id]
        self.edges[before:] = [edge for edge in self.edges[before:] if edge.start != check.id]
        for entry in given or self._entries(body):
            self.edges.append(Edge(check.id, entry, "rejected", back=True))
        self._flow(sources, check)
        self._sources[op.output] = (check.id, *sources)
        lines = (f"refine {self._sites.get(op, '')}", f"at most {op.bound.data} times")
        return Cluster(self._id("c"), (*lines, *estimate_text(op)), (check, body))

    def _map(self, op: flow.MapOp) -> Cluster:
        parts, sources = self._region(op.body.block, self._sources[op.source])
        self._sources[op.output] = sources
        lines = (f"map {self._sites.get(op, '')}", f"for each of at most {op.bound.data}")
        return Cluster(self._id("c"), (*lines, *estimate_text(op)), tuple(parts))

    def _plan(self, op: flow.PlanOp) -> Cluster:
        """Planner, tools, joiner; another plan goes back to the planner."""
        tools = self._node("tool", *op.tool_names)
        before = len(self.edges)
        planner, written = self._region(op.planner.block, (tools.id,))
        # What the planner is told of the tools, and of what they gave.
        self.edges[before:] = [
            replace(edge, back=True) if edge.start == tools.id else edge
            for edge in self.edges[before:]
        ]
        self._flow(written, tools, "tasks")
        joiner, said = self._region(op.joiner.block, (tools.id,))
        if op.max_replans.data:
            entries = self._entries(Cluster(self._id("c"), (), tuple(planner)))
            for source in said:
                self.edges += [Edge(source, entry, "replan", back=True) for entry in entries]
        self._sources[op.output] = said
        lines = (f"plan {self._sites.get(op, '')}", f"at most {op.max_replans.data + 1} plans")
        parts = (*planner, tools, *joiner)
        return Cluster(self._id("c"), (*lines, *estimate_text(op)), parts)


def _nodes(part: Node | Cluster) -> Iterator[Node]:
    return iter([part]) if isinstance(part, Node) else part.nodes()


def _result(block: Block) -> SSAValue:
    last = block.last_op
    assert last is not None
    return last.operands[0]


def _type(value: SSAValue | BlockArgument) -> str:
    return str(value.type).replace("!flow.", "")
