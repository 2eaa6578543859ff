"""Lowers a workflow to nodes and edges of a graph.

Nodes that follow one another become nodes of the graph, and so do the nodes inside branches, loops
and alternatives among them: these are routers and `Command` loops. Where nodes may run at the same
time, everything between two places where they have to wait for each other is a node of its own,
with asyncio inside; the graph waits between supersteps, so a chain of nodes would be as slow as
the slowest of every step.

A body is lowered from its end to its beginning, since a node has to know what comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from xdsl.ir import SSAValue

from flowir.backends.asyncio.body import BodyWriter, is_call
from flowir.backends.asyncio.extract import names_in
from flowir.backends.asyncio.layout import (
    INDENT,
    Expression,
    Group,
    call,
    collection,
    lines,
)
from flowir.backends.asyncio.literals import docstring, quoted
from flowir.backends.asyncio.names import Names
from flowir.backends.asyncio.program import Program
from flowir.backends.asyncio.schedule import Segment, arranged, schedule
from flowir.backends.asyncio.scope import NOWHERE, Scope, Sink
from flowir.backends.asyncio.tree import Body, Node
from flowir.backends.langgraph.building import build_function
from flowir.backends.langgraph.cases import Cases
from flowir.backends.langgraph.loops import Loops
from flowir.backends.langgraph.maps import Maps
from flowir.backends.langgraph.state import State
from flowir.backends.langgraph.subgraphs import Subgraphs
from flowir.backends.langgraph.targets import END, GraphNode, Target
from flowir.backends.langgraph.units import Unit, needs, units
from flowir.backends.langgraph.wiring import edge, named, returned
from flowir.backends.langgraph.words import describe, sites_of
from flowir.dialects import flow
from flowir.dialects.flow_fused import fused_with

DOCSTRING = "..."
"""Stands for the docstring of a function while its body is written."""


class GraphWriter:
    """Writes one graph: the functions of its nodes and routers, and the lines that connect them.

    Attributes:
        functions: their texts, the last first.
        nodes: the nodes of the graph, the last first.
        edges: the lines that connect them, the last first.
        before: the texts of the graphs inside, for the items of maps.
        graphs: the names of these graphs, each with the function that builds it.
        written: the keys that some node writes.
    """

    def __init__(
        self, program: Program, state: State, result: str | None, *, fuse: bool, names: Names
    ) -> None:
        self.program = program
        self.state = state
        self.result = result
        self.fuse = fuse
        self.names = names
        self.functions: list[str] = []
        self.nodes: list[GraphNode] = []
        self.edges: list[Expression] = []
        self.before: list[str] = []
        self.graphs: list[tuple[str, str]] = []
        self.written: set[str] = set()
        self._hops: dict[Target, Target] = {}
        self.subgraphs = Subgraphs(self)
        self._cases = Cases(self)
        self._loops = Loops(self)
        self._maps = Maps(self)

    def lower(self, body: Body) -> None:
        """Write the graph of a body whose result goes to the key `result`."""
        self._name_values(body)
        first = self.body(body, self.result, Target((END,)))
        if first.updates:
            first = self.hop(first)
        self.connect("START", first)

    def child(self, state: State) -> GraphWriter:
        """A writer for a graph inside."""
        return GraphWriter(self.program, state, None, fuse=self.fuse, names=self.names)

    def build(self, name: str, what: str, schemas: tuple[str, str] | None = None) -> str:
        """The function that builds the graph; see `build_function`."""
        title = self.program.workflow.sym_name.data
        return build_function(name, what, self.state.name, self.nodes, self.edges, schemas, title)

    def _name_values(self, body: Body) -> None:
        for node in body.walk():
            if node.output not in self.state:
                self.state.add(node.output, self.program.value_name(node))

    def body(self, body: Body, sink: str | None, then: Target, held: bool = False) -> Target:
        """The nodes of a body.

        Args:
            sink: the key for the result of the body; None where nobody wants it.
            held: the key still holds a value that the body reads.
            then: what happens afterwards.

        Returns:
            What has to happen instead.
        """
        read = body.reads(sink is not None)
        body = arranged(body, sink is not None)
        segments = schedule(body, is_call)
        if sink is not None:
            last = segments[-1].steps if segments else ()
            for maker in body.nodes:
                if maker.output is body.result and (not held or last == (maker,)):
                    self._into(maker, sink, held)
            if body.result not in self.state or self.state.key(body.result) != sink:
                then = then.after(f"give_{sink}", (sink, body.result))
        for segment in reversed(segments):
            if segment.parallel:
                then = self._parallel(body, segment, read, then)
            else:
                (node,) = segment.steps
                assert isinstance(node, Node)
                then = self._node(node, read, then, held)
        return then

    def _into(self, node: Node, sink: str, held: bool) -> None:
        """Have a node write to a key, if nothing inside reads what the key held before."""
        loops = isinstance(node.op, flow.FallbackOp | flow.RefineOp) and node.loops
        if not (held and loops):
            self.state.alias(node.output, sink)

    def _node(self, node: Node, read: Set[SSAValue], then: Target, held: bool) -> Target:
        wanted = node.output in read
        if not self.fuse and fused_with(node.op) is not None:
            return self.step(Unit((node,)), read, then)
        match node.op:
            case flow.AlternativesOp() | flow.BranchOp():
                return self._cases.cases(node, wanted, then, held)
            case flow.FallbackOp() if node.tiers == 1:
                ((_, body),) = node.bodies
                return self.body(body, self.sink(node, wanted), then, held)
            case flow.FallbackOp():
                return self._loops.fallback(node, then)
            case flow.RefineOp():
                return self._loops.refine(node, then)
            case flow.MapOp():
                return self._maps.map(node, wanted, then)
            case _:
                return self.step(Unit((node,), self.fuse), read, then)

    def sink(self, node: Node, wanted: bool) -> str | None:
        """The key for what a node gives; None where nobody wants it."""
        return self.state.key(node.output) if wanted else None

    # What runs one after another

    def name(self, node: Node, verb: str) -> str:
        """A name for a node or router of the graph, and for its function."""
        return self.new_name(f"{verb}_{self.program.value_name(node)}".rstrip("_"))

    def new_name(self, name: str) -> str:
        """A name for a node or router; no key of the state may have it."""
        found = self.names.new(name)
        while not self.state.reserve(found):
            found = self.names.new(name)
        return found

    def step(self, unit: Unit, read: Set[SSAValue], then: Target) -> Target:
        """One node of the graph for nodes of the workflow, with asyncio inside."""
        node = unit.last
        name = self.name(node, "make")
        scope = self.scope(unit.uses)
        wanted = node.output in read
        if not unit.fused and node.bodies and not node.concurrent:
            return self.subgraphs.region(unit, name, wanted, then)
        sink, own = NOWHERE, {}
        if wanted:
            variable = scope.variable(node.output, self.program.value_name(node))
            sink, own = Sink(variable), {node.output: variable}
        # Without fusing, what only arranges values is made wherever it is read.
        others = [
            inner.output
            for inner in unit.nodes[:-1]
            if inner.output in read and (self.fuse or inner.acts)
        ]
        outputs = frozenset(others)
        body = self.inside(Body(unit.nodes, (), node.output, outputs), sink, scope)
        own |= {value: scope.values[value] for value in others}
        written = {self.state.key(value): variable for value, variable in own.items()}
        self.function(name, describe(self.program, unit), body, written, then, own)
        self.nodes.append(GraphNode(name, sites_of(self.program, unit)))
        self.connect(quoted(name), then)
        return Target((name,))

    def inside(self, body: Body, sink: Sink, scope: Scope) -> list[str]:
        """What a function of the graph does, with asyncio inside."""
        writer = BodyWriter(self.program)
        writer.lines = [DOCSTRING]
        writer.body(body, sink, scope)
        return writer.lines[1:]

    def scope(self, values: Set[SSAValue]) -> Scope:
        """The scope of a function of the graph, which reads values from the state."""
        names = self.names.inner()
        for name in ("ctx", "state", "runtime"):
            names.new(name)
        scope = Scope(1, names)
        scope.values |= {value: self.state.read(value) for value in values if value in self.state}
        return scope

    def function(
        self,
        name: str,
        what: str,
        body: Sequence[str],
        written: Mapping[str, str],
        then: Target,
        own: Mapping[SSAValue, str],
        gives: str = "",
    ) -> None:
        """The function of a node: what it does, and what of the state it writes."""
        update = self.update(then, written, own)
        gives = f" -> {gives or self.state.name}"
        text = self.text(name, gives, what, [*body, *lines(returned(update), 1)])
        self.functions.append(text)

    def update(
        self, then: Target, written: Mapping[str, str], own: Mapping[SSAValue, str]
    ) -> dict[str, str]:
        """What a node writes, by key, with what has to be written before others start."""
        found = dict(written)
        for key, value in then.updates:
            if isinstance(value, str):
                found[key] = value
            elif value in own:
                found[key] = own[value]
            else:
                source = self.state.key(value)
                found[key] = found.get(source, self.state.read(value))
        self.written |= found.keys()
        return found

    def text(self, name: str, gives: str, what: str, body: Sequence[str]) -> str:
        """A function of the graph, with the context where it uses that."""
        used = names_in("async def f():\n" + "\n".join(body))
        body = [INDENT + "ctx = context_of(runtime)"] * ("ctx" in used) + list(body)
        parameters = [f"state: {self.state.name}"]
        if "ctx" in used:
            parameters.append("runtime: Runtime[Settings]")
        head = lines(Group(f"async def {name}(", tuple(parameters), f"){gives}"), 0, ":")
        return "\n".join([*head, *docstring(what, 1), *body])

    # What runs at the same time

    def _parallel(self, body: Body, segment: Segment, read: Set[SSAValue], then: Target) -> Target:
        """A node for every unit; those that nothing else needs lead on."""
        found = units(body, segment, self.fuse)
        waits = needs(found)
        sinks = [i for i in range(len(found)) if not any(i in need for need in waits)]
        if len(sinks) > 1 and not then.plain:
            then = self.hop(then)
        names: dict[int, str] = {}
        for i in reversed(range(len(found))):
            leads = then if sinks == [i] else Target(())
            own = set(found[i].nodes)
            others = (node.uses for node in body.nodes if node not in own)
            outside = read & {body.result}.union(*others)
            (names[i],) = self.step(found[i], outside, leads).nodes
        joins = [
            edge([names[k] for k in sorted(need)], names[i]) for i, need in enumerate(waits) if need
        ]
        if len(sinks) > 1:
            ends = [names[i] for i in sinks]
            if then.nodes == (END,):
                joins += [edge([name], END) for name in ends]
            else:
                joins += [edge(ends, node) for node in then.nodes]
        self.edges += reversed(joins)
        return Target(tuple(names[i] for i, need in enumerate(waits) if not need))

    # Connections

    def plain(self, target: Target) -> Target:
        """The same with nothing to do before: through a node where there is something."""
        return target if target.plain else self.hop(target)

    def reached(self, target: Target) -> Target:
        """What leads to a target by now: a node before it, or the target itself."""
        return self._hops.get(target, target)

    def hop(self, target: Target) -> Target:
        """A node that does nothing but what a target asks for; one for each target."""
        if target not in self._hops:
            name = self.new_name(target.name)
            keys = " and ".join(key for key, _ in target.updates)
            what = f"Write {keys} for what follows." if keys else "Wait for all."
            self.function(name, what, [], {}, target, {})
            self.nodes.append(GraphNode(name))
            self.connect(quoted(name), target)
            self._hops[target] = Target((name,))
        return self._hops[target]

    def connect(self, source: str, target: Target) -> None:
        if target.router is not None:
            ends = collection([named(node) for node in target.nodes])
            add = call("builder.add_conditional_edges", source, target.router, ends)
            self.edges.append(add)
            return
        self.edges += [
            call("builder.add_edge", source, named(node)) for node in reversed(target.nodes)
        ]
