"""Whether races in a file for many points are those of the file for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from xdsl.ir import Operation

from flowir.backends.asyncio.tree import Body, Node, Tree
from flowir.calculus.sites import site_names
from flowir.dialects import flow
from flowir.dialects.flow_checks import describe
from flowir.errors import EmissionError
from flowir.runtime.choices import Choices

Lanes = tuple[frozenset[Operation], ...]


def require_same_races(tree: Tree) -> None:
    """Check that every race starts and cancels the same, whichever point is run.

    What a race cancels depends on who reads what in the structure that runs. In a file for points
    of several structures, what is made outside `flow.alternatives` is made for all of its regions,
    so a race inside may have to wait for what it would have started by itself.

    Raises:
        EmissionError: a race that is another at some point.
    """
    points: dict[tuple[tuple[str, str], ...], Choices] = {}
    for point in tree.points:
        points.setdefault(tuple(sorted(point.labels.items())), point)
    if len(points) < 2 or not any(node.races for node in tree.body.walk()):
        return
    for point in points.values():
        here = dict(_races(tree.body, point))
        for op, lanes in _races(Tree(tree.workflow, [point]).body, point):
            if here.get(op) != lanes:
                raise _differs(tree, op, here.get(op), lanes)


def _races(body: Body, point: Choices) -> Iterator[tuple[Operation, Lanes]]:
    """The races that a point runs, with what is in the lanes of each."""
    for node in _run(body, point):
        if node.races:
            yield (
                node.op,
                tuple(
                    frozenset(inner.op for inner in _run(lane, point) if inner.acts)
                    for _, lane in node.bodies
                ),
            )


def _run(body: Body, point: Choices) -> Iterator[Node]:
    """The nodes that a point runs, outer before inner."""
    for node in body.nodes:
        bodies: Sequence[Body] = [inner for _, inner in node.bodies]
        if isinstance(node.op, flow.AlternativesOp):
            chosen = point.labels.get(node.op.choice.data, node.op.labels.data[0].data)
            bodies = [inner for label, inner in node.bodies if label == chosen]
        else:
            yield node
        for inner in bodies:
            yield from _run(inner, point)


def _differs(tree: Tree, op: Operation, here: Lanes | None, alone: Lanes) -> EmissionError:
    sites: Mapping[Operation, str] = site_names(tree.workflow)
    several = frozenset[Operation]().union(*(here or ()))
    other = frozenset[Operation]().union(*alone)
    named = [site for maker, site in sites.items() if maker in several ^ other]
    return EmissionError(
        f"{describe(op)}: with some points of the front it starts and cancels "
        f"{', '.join(named) or 'other parts'}, with others it does not, so one file cannot serve "
        "them all; run flow-select before emitting, or make what it races inside the alternatives"
    )
