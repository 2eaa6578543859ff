"""Graphs inside: of regions that run beside others, and of the items of maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.ir import SSAValue

from flowir.backends.asyncio.layout import call, lines, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.program import python_type
from flowir.backends.asyncio.tree import Body, Node
from flowir.backends.langgraph.state import State
from flowir.backends.langgraph.targets import GraphNode, Target
from flowir.backends.langgraph.units import Unit
from flowir.backends.langgraph.wiring import as_dict
from flowir.backends.langgraph.words import describe, sites_of

if TYPE_CHECKING:
    from flowir.backends.langgraph.graph import GraphWriter


class Subgraphs:
    """Lowers through the writer of the graph around."""

    def __init__(self, writer: GraphWriter) -> None:
        self._to = writer

    def region(self, unit: Unit, name: str, wanted: bool, then: Target) -> Target:
        """A node of the graph that is a graph of its own."""
        to, node = self._to, unit.last
        title = "".join(part.capitalize() for part in to.program.value_name(node).split("_"))
        state = State(to.names.new(f"{title}State"))
        inside = to.child(state)
        body = Body(unit.nodes, (), node.output)
        given = self.given(body, state, wanted)
        if wanted:
            inside.result = state.declare("result", python_type(node.output.type))
        inside.lower(body)
        what = describe(to.program, unit)
        text = state.text({*given.values(), *inside.written}, f"The state of {name}.")
        graph = self.include(inside, node, text, what)
        payload = as_dict({key: to.state.read(value) for value, key in given.items()})
        run = call("await run_inside", graph, payload)
        found = to.scope(frozenset()).new("found", "dict")
        statement = lines(prefixed(f"{found} = ", run) if wanted else run, 1)
        own = {node.output: f"{found}[{quoted(inside.result or '')}]"} if wanted else {}
        written = {to.state.key(node.output): own[node.output]} if wanted else {}
        to.function(name, what, statement, written, then, own)
        to.nodes.append(GraphNode(name, sites_of(to.program, unit)))
        to.connect(quoted(name), then)
        return Target((name,))

    def given(self, body: Body, state: State, wanted: bool = True) -> dict[SSAValue, str]:
        """What a body reads from outside, with keys in the state of a graph of its own."""
        made = {node.output for node in body.walk()}
        for node in body.walk():
            made.update(value for _, region in node.bodies for value in region.arguments)
        read = body.reads(wanted) - made
        found = {
            value: state.add(value, value.name_hint or "item")
            for value in body.arguments
            if value in read
        }
        for value in sorted(read - set(body.arguments), key=self._to.state.key):
            found[value] = state.add(value, self._to.state.key(value))
        return found

    def include(self, inside: GraphWriter, node: Node, state: str, what: str) -> str:
        """Put a graph inside in front of this one; gives its name."""
        to = self._to
        graph = to.names.new(f"{to.program.value_name(node)}_graph")
        built = inside.build(f"build_{graph}", what)
        to.before += [*inside.before, state, *reversed(inside.functions), built]
        to.graphs += [*inside.graphs, (graph, f"build_{graph}")]
        return graph
