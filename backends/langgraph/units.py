"""Which nodes of a workflow are one node of the graph, where they may run at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from flowir.backends.asyncio.schedule import Segment, Task
from flowir.backends.asyncio.tree import Body, Node
from flowir.calculus.fusing import strands_of
from flowir.calculus.supersteps import behind, in_supersteps
from flowir.dialects.flow_fused import fused_with


@dataclass(frozen=True)
class Unit:
    """Nodes of a workflow that are one node of the graph.

    Attributes:
        fused: whether all of it runs as concurrent code, also what is in its regions.
    """

    nodes: tuple[Node, ...]
    fused: bool = True

    @property
    def last(self) -> Node:
        return self.nodes[-1]

    @property
    def uses(self) -> frozenset[SSAValue]:
        """The values from outside that it uses."""
        inside = {node.output for node in self.nodes}
        return frozenset().union(*(node.uses for node in self.nodes)) - inside


def needs(found: Sequence[Unit]) -> list[frozenset[int]]:
    """For each unit, in an order in which they can run, the places of those it has to wait for.

    Those are left out that others among them wait for.
    """
    made = {node.output: i for i, unit in enumerate(found) for node in unit.nodes if node.acts}
    made |= {unit.last.output: i for i, unit in enumerate(found)}
    direct: list[frozenset[int]] = []
    every: list[frozenset[int]] = []
    for unit in found:
        own = frozenset(made[value] for value in unit.uses if value in made)
        before = frozenset[int]().union(*(every[i] for i in own))
        direct.append(own - before)
        every.append(own | before)
    return direct


def units(body: Body, segment: Segment, fuse: bool) -> list[Unit]:
    """The units of a segment.

    Fused, they are what nothing connects inside the segment, so that all are one superstep and none
    waits for another: with asyncio inside, they take no longer than calls without a graph. Not
    fused, they are the nodes of `flowir.calculus.supersteps`, where only what is marked so shares
    one: whoever reads a list, a text or a vote over what is there makes it.
    """
    inside = {
        node
        for step in segment.steps
        for node in (step.nodes if isinstance(step, Task) else [step])
    }
    nodes = [node for node in body.nodes if node in inside]
    if fuse:
        by_value = {node.output: node for node in nodes}
        uses = {v: [other for other in by_value if other in n.uses] for v, n in by_value.items()}
        strands = strands_of(list(by_value), uses)
        return [Unit(tuple(by_value[value] for value in strand)) for strand in strands]
    marks = {node.output: name for node in nodes if (name := fused_with(node.op)) is not None}
    read = behind((node.output, node.uses, node.acts) for node in nodes)
    idle = {node.output: node for node in nodes if not node.acts}
    found = []
    for together in in_supersteps(read, marks):
        for values in together:
            own = [node for node in nodes if node.output in values]
            found.append(Unit(_with_makers(own, idle), fused=values[0] in marks))
    outside = {body.result}.union(*(node.uses for node in body.nodes if node not in inside))
    left = [node for value, node in idle.items() if value in outside]
    return [*found, *(Unit(_with_makers([node], idle), fused=False) for node in left)]


def _with_makers(nodes: Sequence[Node], idle: Mapping[SSAValue, Node]) -> tuple[Node, ...]:
    """Nodes, and those that only arrange what they use, in order."""
    found: dict[Node, None] = {}
    for node in nodes:
        _makers(node, idle, found)
        found[node] = None
    return tuple(found)


def _makers(node: Node, idle: Mapping[SSAValue, Node], found: dict[Node, None]) -> None:
    """The nodes that only arrange what a node uses, in order."""
    for value in idle:
        if value in node.uses and idle[value] not in found:
            _makers(idle[value], idle, found)
            found[idle[value]] = None
