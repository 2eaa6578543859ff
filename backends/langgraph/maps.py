"""Lowers maps: a `Send` for every item, an indexed reducer, and a node that gathers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xdsl.ir import SSAValue

from flowir.backends.asyncio.layout import INDENT, call, comprehension, lines, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.program import python_type
from flowir.backends.asyncio.schedule import arranged
from flowir.backends.asyncio.scope import NOWHERE, Sink
from flowir.backends.asyncio.tree import Body, Node
from flowir.backends.langgraph.state import State
from flowir.backends.langgraph.targets import GraphNode, Target
from flowir.backends.langgraph.wiring import as_dict, edge, returned
from flowir.backends.langgraph.words import sites_inside
from flowir.dialects import flow

if TYPE_CHECKING:
    from flowir.backends.langgraph.graph import GraphWriter


class Maps:
    """Lowers through the writer of the graph around."""

    def __init__(self, writer: GraphWriter) -> None:
        self._to = writer

    def map(self, node: Node, wanted: bool, then: Target) -> Target:
        """A task of the graph for every item; without items, the node that gathers comes next."""
        op = node.op
        assert isinstance(op, flow.MapOp)
        to, state = self._to, self._to.state
        ((_, body),) = node.bodies
        name, site = to.program.value_name(node), to.program.sites[op]
        router, one, gather = (to.name(node, verb) for verb in ("fan_out", "make", "gather"))
        entries = None
        if wanted:
            kind = python_type(body.result.type)
            entries = state.declare(
                f"{name}_items", f"Annotated[list[tuple[int, {kind}]], operator.add]"
            )
        self._gather(node, gather, entries, then)
        given = self._item(node, body, one, entries)
        to.nodes.append(GraphNode(one, sites_inside(to.program, node)))
        to.edges.append(edge([one], gather))

        scope = to.scope(frozenset())
        (argument,) = body.arguments
        item = "_"
        if argument in given:
            item = scope.variable(argument, argument.name_hint or "item")
        payload = {
            key: item if value is argument else state.read(value) for value, key in given.items()
        }
        source = state.read(to.program.tree.value(op.source))
        each = comprehension(as_dict(payload), f"for {item} in {source}")
        sent = call("fan_out", quoted(site), quoted(one), "items", f"at_most={op.bound.data}")
        text = [
            *lines(prefixed("items: list[dict[str, Any]] = ", each), 1),
            *lines(prefixed("return ", sent), 1),
        ]
        text[-1] += f" or {quoted(gather)}"
        what = f"Map {site}: a task for every item."
        to.functions.append(to.text(router, " -> list[Send] | str", what, text))
        return Target((one, gather), router, name=f"before_{name}")

    def _gather(self, node: Node, gather: str, entries: str | None, then: Target) -> None:
        """The node that puts the results in order, and makes room for those of another round."""
        to = self._to
        text: list[str] = []
        written: dict[str, str] = {}
        own: dict[SSAValue, str] = {}
        if entries is not None:
            scope = to.scope(frozenset())
            variable = scope.variable(node.output, to.program.value_name(node))
            text = lines(f"{variable} = in_order(state[{quoted(entries)}])", 1)
            written = {to.state.key(node.output): variable, entries: "Overwrite([])"}
            own = {node.output: variable}
        what = f"Map {to.program.sites[node.op]}: the results in order."
        to.function(gather, what, text, written, then, own, "dict[str, Any]")
        to.nodes.append(GraphNode(gather))
        to.connect(quoted(gather), then)

    def _item(
        self, node: Node, body: Body, one: str, entries: str | None
    ) -> Mapping[SSAValue, str]:
        """The node for one item; gives what of the state it needs, with the keys of its own."""
        to = self._to
        title = "".join(part.capitalize() for part in to.program.value_name(node).split("_"))
        state = State(to.names.new(f"{title}Item"), ("index",))
        index = "state[" + quoted("index") + "]"
        given = to.subgraphs.given(body, state)
        what = f"Map {to.program.sites[node.op]}: one item."
        shown = f"What map {to.program.sites[node.op]} works on for one item."
        acting = [inner for inner in arranged(body).nodes if inner.acts]
        inside = to.child(state)
        if len(acting) <= 1 and not any(inner.bodies for inner in acting):
            scope = inside.scope(body.reads())
            variable = scope.variable(body.result, to.program.value_name(node))
            sink = NOWHERE if entries is None else Sink(variable)
            text = to.inside(body, sink, scope)
            to.before.append(state.item_text(given.values(), shown))
        else:
            inside.result = state.declare("result", python_type(body.result.type))
            inside.lower(body)
            texts = state.item_text({*given.values(), *inside.written}, shown)
            graph = to.subgraphs.include(inside, node, texts, what)
            variable = f"found[{quoted(inside.result)}]"
            found = "" if entries is None else "found = "
            text = [f"{INDENT}{found}await run_inside({graph}, state)"]
        update = {}
        if entries is not None:
            update = {entries: f"[({index}, {variable})]"}
            to.written.add(entries)
        text = [*text, *lines(returned(update), 1)]
        to.functions.append(inside.text(one, f" -> {to.state.name}", what, text))
        return given
