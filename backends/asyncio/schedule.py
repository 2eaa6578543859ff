"""What runs one after another and what runs at the same time.

Nodes of a body may start once the values they wait for are there. The schedule loses none of that
and uses as few tasks as it can: where everything later needs everything earlier there is a plain
sequence; only between two such places is there a task group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from xdsl.ir import SSAValue

from flowir.backends.asyncio.tree import Body, Node
from flowir.dialects import flow


@dataclass(frozen=True)
class Task:
    """Nodes that run in a task of their own, in order; the value of the last is the task's."""

    nodes: tuple[Node, ...]

    @property
    def output(self) -> SSAValue:
        return self.nodes[-1].output


@dataclass(frozen=True)
class Segment:
    """Steps between two places of a body; a node among them runs in line, waited for.

    Attributes:
        parallel: whether there are tasks among the steps.
    """

    steps: tuple[Node | Task, ...]

    @property
    def parallel(self) -> bool:
        return any(isinstance(step, Task) for step in self.steps)


def schedule(body: Body, is_simple: Callable[[Node], bool]) -> list[Segment]:
    """The segments of a body that is `arranged`.

    Args:
        is_simple: whether a node is a single coroutine call, as good in a task as in line.
    """
    needs = _Needs(body.nodes)
    later = needs.common(range(len(body.nodes)))
    segments = []
    start, done = 0, 0
    for end in range(1, len(body.nodes) + 1):
        done |= needs.until(end - 1)
        if needs.covers(later[end], done):
            segments.append(_segment(body, range(start, end), needs, is_simple))
            start = end
    return segments


_EVERYTHING = -1


class _Needs:
    """What must be done before what; sets of nodes that act are integers, bit i for node i."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._acts = [node.acts for node in nodes]
        self._before: list[int] = []
        index = {node.output: i for i, node in enumerate(nodes)}
        for node in nodes:
            direct = [index[value] for value in node.waits if value in index]
            self._before.append(reduce(or_, map(self.until, direct), 0))

    def until(self, i: int) -> int:
        """What has been done once node i has."""
        return self._before[i] | (1 << i if self._acts[i] else 0)

    def common(self, place: range) -> list[int]:
        """For each node of a place, and for its end, what all nodes from there on need."""
        found = [_EVERYTHING]
        for i in reversed(place):
            found.append(found[-1] & self._before[i] if self._acts[i] else found[-1])
        return found[::-1]

    @staticmethod
    def covers(needed: int, done: int) -> bool:
        """Whether everything that was done is needed, so that waiting for it delays nothing."""
        return done & ~needed == 0


def needs_functions(
    body: Body,
    is_simple: Callable[[Node], bool],
    wanted: bool = True,
    pending: Set[SSAValue] = frozenset(),
) -> bool:
    """Whether a body cannot be written without functions inside: for items, or for tasks.

    Args:
        pending: values from outside that may not be there yet.
    """
    read = body.reads(wanted)
    for segment in schedule(arranged(body, wanted), is_simple):
        started = set(pending)
        for step in segment.steps:
            node = step.nodes[-1] if isinstance(step, Task) else step
            if isinstance(step, Task):
                if len(step.nodes) > 1 or not is_simple(node) or not started.isdisjoint(node.uses):
                    return True
                started.add(node.output)
            elif isinstance(node.op, flow.MapOp) or node.concurrent:
                return True
            elif not node.acts and not started.isdisjoint(node.uses):
                started.add(node.output)
            inside = started if isinstance(node.op, flow.AlternativesOp) else frozenset()
            given = node.output in read or node.loops
            if any(needs_functions(inner, is_simple, given, inside) for _, inner in node.bodies):
                return True
    return False


def awaited(body: Body, read: Set[SSAValue]) -> frozenset[SSAValue]:
    """The values that nodes with regions wait for before they start, in a body that is `arranged`.

    Among them may be values that no code reads, where what is made of them goes nowhere.

    Args:
        read: the values that the code of the body reads.
    """
    found: set[SSAValue] = set()
    for node in body.nodes:
        if not isinstance(node.op, flow.AlternativesOp):
            found |= node.uses if node.bodies else frozenset()
            continue
        given = node.output in read
        for _, inner in node.bodies:
            found |= awaited(arranged(inner, given), inner.reads(given))
    return frozenset(found)


def arranged(body: Body, wanted: bool = True) -> Body:
    """The body with joins that only arrange values right before their first use, or away."""
    read = body.reads(wanted)
    nodes = list(body.nodes)
    for output in [node.output for node in reversed(nodes)]:
        place = next(i for i, node in enumerate(nodes) if node.output is output)
        node = nodes[place]
        if node.idle and output not in read:
            del nodes[place]
            nodes = [_without(node, other) for other in nodes]
        elif not node.acts:
            users = [i for i, other in enumerate(nodes) if output in other.uses]
            if users:
                nodes.insert(users[0] - 1, nodes.pop(place))
    return replace(body, nodes=tuple(nodes))


def _without(gone: Node, node: Node) -> Node:
    """A node that waits for what the node that is gone made its value of."""

    def instead(values: frozenset[SSAValue]) -> frozenset[SSAValue]:
        return values - {gone.output} | gone.uses if gone.output in values else values

    if gone.output not in node.uses:
        return node
    bodies = tuple(
        (label, replace(body, nodes=tuple(_without(gone, inner) for inner in body.nodes)))
        for label, body in node.bodies
    )
    return replace(node, bodies=bodies, uses=instead(node.uses), waits=instead(node.waits))


def _segment(body: Body, place: range, needs: _Needs, is_simple: Callable[[Node], bool]) -> Segment:
    nodes = body.nodes
    if len(place) == 1:
        return Segment((nodes[place.start],))
    last = place[-1]
    inside = {nodes[i].output for i in place}
    later = needs.common(place)[1:]
    in_line = [
        i for i, rest in zip(place, later, strict=True) if needs.covers(rest, needs.until(i))
    ]
    alike = is_simple(nodes[last]) or isinstance(nodes[last].op, flow.MapOp)
    if alike and inside.isdisjoint(nodes[last].uses):
        # It looks like the tasks beside it. In line it would start before them, and a list that is
        # too long would be what the run fails with, whatever fails at once beside it.
        in_line.remove(last)
    steps: list[Node | Task] = []
    pending: list[int] = []
    for i in place:
        if i not in in_line:
            pending.append(i)
            continue
        steps += _tasks(body, pending)
        steps.append(nodes[i])
        pending = []
    return Segment((*steps, *_tasks(body, pending)))


def _tasks(body: Body, place: Sequence[int]) -> list[Task]:
    """The tasks of consecutive nodes: one that is used by nodes of one task only belongs to it."""
    nodes = body.nodes
    root: dict[int, int] = {}
    for i in reversed(place):
        value = nodes[i].output
        users = [j for j, node in enumerate(nodes) if value in node.uses]
        roots = {root[j] for j in users if j in root}
        given = value is body.result or value in body.beside
        private = len(roots) == 1 and not given and all(j in root for j in users)
        root[i] = roots.pop() if private else i
    members: dict[int, list[Node]] = {}
    for i in place:
        members.setdefault(root[i], []).append(nodes[i])
    return [Task(tuple(members[i])) for i in sorted(members)]
