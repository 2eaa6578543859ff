"""Lowers branches and alternatives: an async router, and the nodes of every case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flowir.backends.asyncio.layout import Expression, call, collection, lines, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.tree import Node
from flowir.backends.langgraph.targets import Target
from flowir.backends.langgraph.wiring import going_to
from flowir.dialects import flow

if TYPE_CHECKING:
    from flowir.backends.langgraph.graph import GraphWriter


class Cases:
    """Lowers through the writer of the graph around."""

    def __init__(self, writer: GraphWriter) -> None:
        self._to = writer

    def cases(self, node: Node, wanted: bool, then: Target, held: bool) -> Target:
        """A router, and the nodes of every case."""
        to = self._to
        sink = to.sink(node, wanted)
        found: list[tuple[str | None, Target]] = []
        for label, body in reversed(node.bodies):
            target = to.plain(to.body(body, sink, then, held))
            found.insert(0, (label, target))
            if target.nodes != to.reached(then).nodes:
                self._annotate(node, label, target)
        return self._router(node, found)

    def _annotate(self, node: Node, label: str | None, target: Target) -> None:
        """Tell the first nodes of a case what they are, and how often it is taken."""
        metadata: dict[str, Expression] = {}
        name = "else" if label is None else label
        if isinstance(node.op, flow.BranchOp):
            metadata["flowir.case"] = quoted(name)
            if node.op.weights is not None:
                labels = [case for case, _ in node.op.blocks]
                weight = node.op.weights.data[labels.index(label)].data
                metadata["flowir.weight"] = repr(weight)
        elif isinstance(node.op, flow.AlternativesOp):
            metadata["flowir.alternative"] = quoted(f"{node.op.choice.data}: {name}")
        for place, there in enumerate(self._to.nodes):
            if there.name in target.nodes:
                merged = {**metadata, **there.metadata}
                self._to.nodes[place] = replace(there, metadata=merged)

    def _router(self, node: Node, cases: Sequence[tuple[str | None, Target]]) -> Target:
        op, to = node.op, self._to
        if isinstance(op, flow.AlternativesOp):
            subject = f"ctx.point.{to.program.choices[op.choice.data]}"
            what = f"Choose by the point's {to.program.choices[op.choice.data]}."
            (*tests, (_, otherwise)) = cases
        else:
            assert isinstance(op, flow.BranchOp)
            label = to.program.tree.value(op.on)
            subject = to.state.read(label) if label in to.state else ""
            what = f"Choose by {to.state.key(label) if subject else 'nothing'}."
            tests = [(name, target) for name, target in cases if name is not None]
            rest = [target for name, target in cases if name is None]
            otherwise = rest[0] if rest else Target(())
        by_nodes: dict[tuple[str, ...], list[str]] = {}
        for name, target in tests:
            if target.nodes != otherwise.nodes:
                by_nodes.setdefault(target.nodes, []).append(quoted(name or ""))
        if not by_nodes:
            return otherwise
        body: list[str] = []
        for nodes, names in by_nodes.items():
            test: Expression = f"{subject} == {names[0]}"
            if len(names) > 1:
                test = prefixed(f"{subject} in ", collection(names, "()"))
            body += lines(prefixed("if ", test), 1, ":")
            body += lines(prefixed("return ", going_to(nodes)), 2)
        if otherwise.nodes:
            body += lines(prefixed("return ", going_to(otherwise.nodes)), 1)
        else:
            body += lines(
                prefixed("raise ", call("unknown_label", quoted(to.program.sites[op]), subject)), 1
            )
        router = to.name(node, "route")
        several = any(len(nodes) > 1 for nodes in (*by_nodes, otherwise.nodes))
        gives = " -> list[str]" if several else " -> str"
        if several and any(len(nodes) == 1 for nodes in (*by_nodes, otherwise.nodes)):
            gives = " -> str | list[str]"
        to.functions.append(to.text(router, gives, what, body))
        ends = dict.fromkeys(node for nodes in (*by_nodes, otherwise.nodes) for node in nodes)
        return Target(tuple(ends), router, name=f"before_{to.program.value_name(node)}")
