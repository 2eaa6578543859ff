"""A workflow as it is emitted: what no point reaches is gone, values are what they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xdsl.ir import Block, Operation, SSAValue

from flowir.calculus.races import Maker, lanes
from flowir.dialects import flow
from flowir.dialects.flow_checks import describe
from flowir.errors import EmissionError
from flowir.runtime.choices import Choices
from flowir.runtime.planning import is_identity
from flowir.runtime.racing import droppable


@dataclass(frozen=True, eq=False)
class Node:
    """An operation.

    Attributes:
        op: the operation. Its operands are read through `Tree.values`.
        output: what it gives.
        bodies: its regions: the cases of a branch and the alternatives with their labels (None:
            `else`), the tiers of a fallback, the body of a refine or map, the lanes of a race.
        uses: the values from outside that it or anything inside it uses.
        waits: those of them it must have before anything inside can start; all but for
            alternatives, which stand for the ops of one of their regions.
    """

    op: Operation
    output: SSAValue
    bodies: tuple[tuple[str | None, Body], ...]
    uses: frozenset[SSAValue]
    waits: frozenset[SSAValue]
    operands: tuple[SSAValue, ...] = ()

    @property
    def acts(self) -> bool:
        """Whether it takes time: any node does but a join that only arranges values."""
        op = self.op
        if is_identity(op):
            return False
        if self.races:
            return True
        return not isinstance(op, flow.JoinOp) or op.by is not None or op.key is not None

    @property
    def races(self) -> bool:
        """Whether it cancels what still runs once it is decided."""
        return isinstance(self.op, flow.JoinOp) and self.op.races and not is_identity(self.op)

    @property
    def concurrent(self) -> bool:
        """Whether it is concurrent code wherever it stands: a race, or a plan."""
        return self.races or isinstance(self.op, flow.PlanOp)

    @property
    def idle(self) -> bool:
        """Whether nothing is lost without it if nothing reads its value."""
        match self.op:
            case flow.AlternativesOp():
                pass
            case flow.BranchOp() if self.bodies[-1][0] is None:
                pass
            case _:
                return not self.acts
        return all(node.idle for _, body in self.bodies for node in body.nodes)

    @property
    def tiers(self) -> int:
        """The most tiers of a fallback that can run."""
        if not isinstance(self.op, flow.FallbackOp):
            return 1
        bound: int = self.op.bound.data
        return bound + len(self.bodies) - 1

    @property
    def loops(self) -> bool:
        """Whether what its bodies give is read inside: by a checker, or as items of a list."""
        op = self.op
        return isinstance(op, flow.RefineOp | flow.MapOp) or self.tiers > 1 or self.concurrent

    def reads(self, wanted: bool) -> frozenset[SSAValue]:
        """The values from outside that its code reads, given whether its own value is wanted.

        These are fewer than it `uses` where what is made of a value inside goes nowhere.
        """
        if not self.acts and not wanted:
            return frozenset()
        operands, inside = self.operands, wanted or self.loops
        match self.op:
            case flow.FallbackOp() if self.tiers == 1:
                operands = ()
            case flow.BranchOp() if all(label is None for label, _ in self.bodies):
                operands = ()
            case _:
                pass
        return frozenset(operands).union(*(body.reads(inside) for _, body in self.bodies))


@dataclass(frozen=True, eq=False)
class Body:
    """The nodes of a block, the values it assumes and the value it gives.

    Attributes:
        beside: values of its nodes that are read elsewhere as well.
    """

    nodes: tuple[Node, ...]
    arguments: tuple[SSAValue, ...]
    result: SSAValue
    beside: frozenset[SSAValue] = frozenset()

    def reads(self, wanted: bool = True) -> frozenset[SSAValue]:
        """The values that its code reads, given whether its result is wanted."""
        found = {self.result, *self.beside} if wanted else {*self.beside}
        for node in reversed(self.nodes):
            found |= node.reads(node.output in found)
        return frozenset(found)

    def walk(self) -> Iterator[Node]:
        """Every node, outer before inner, in order."""
        for node in self.nodes:
            yield node
            for _, inner in node.bodies:
                yield from inner.walk()


@dataclass
class Tree:
    """The body of a workflow, and what its values stand for.

    Args:
        workflow: with calls of other workflows inlined.
        points: the settings it will run in.

    Raises:
        EmissionError: an op that cannot be emitted.
    """

    workflow: flow.WorkflowOp
    points: Sequence[Choices]
    body: Body = field(init=False)
    _stands_for: dict[SSAValue, SSAValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.body = self._body(self.workflow.body.block, self.points)

    def value(self, value: SSAValue) -> SSAValue:
        """What a value stands for."""
        return self._stands_for.get(value, value)

    def values(self, values: Sequence[SSAValue]) -> list[SSAValue]:
        """What values stand for."""
        return [self.value(value) for value in values]

    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """The choices that points make differently, each with the labels they choose."""
        found: dict[str, dict[str, None]] = {}
        for node in self.body.walk():
            if isinstance(node.op, flow.AlternativesOp):
                labels = dict.fromkeys(label for label, _ in node.bodies if label is not None)
                found.setdefault(node.op.choice.data, {}).update(labels)
        return {name: tuple(labels) for name, labels in found.items()}

    def _body(self, block: Block, points: Sequence[Choices]) -> Body:
        nodes = list(self._nodes(block, points))
        last = block.last_op
        assert last is not None
        result = self.value(last.operands[0])
        return Body(self._with_lanes(nodes, result), tuple(block.args), result)

    def _with_lanes(self, nodes: Sequence[Node], result: SSAValue) -> tuple[Node, ...]:
        """The nodes of a body that gives `result`, with those of lanes inside their races."""
        left = {node.output: node for node in nodes}
        for race in reversed(nodes):
            if race.output not in left or not race.races:
                continue
            assert isinstance(race.op, flow.JoinOp)
            context = self.values(race.op.context)
            makers = {v: Maker(node.uses, droppable(node.op)) for v, node in left.items()}
            candidates = self.values(race.op.inputs)
            found = lanes(race.output, candidates, makers, {result, *context})
            bodies = tuple(
                (None, Body(self._with_lanes([left[v] for v in lane], candidate), (), candidate))
                for candidate, lane in found.items()
            )
            uses = frozenset(context).union(*(_free(body) for _, body in bodies))
            left[race.output] = replace(
                race, bodies=bodies, uses=uses, waits=uses, operands=tuple(context)
            )
            for value in (value for lane in found.values() for value in lane):
                del left[value]
        return tuple(left.values())

    def _nodes(self, block: Block, points: Sequence[Choices]) -> Iterator[Node]:
        """The nodes of a block; regions that are the only choice are part of it."""
        for op in block.ops:
            match op:
                case flow.AlternativesOp():
                    reached = _reached(op, points)
                    if len(reached) > 1:
                        yield self._node(op, reached)
                        continue
                    ((_, region, inside),) = reached
                    yield from self._nodes(region, inside)
                    last = region.last_op
                    assert last is not None
                    self._stands_for[op.output] = self.value(last.operands[0])
                case flow.YieldOp() | flow.ReturnOp():
                    pass
                case flow.BranchOp():
                    cases = [(label, region.block, points) for label, region in op.blocks]
                    yield self._node(op, cases)
                case flow.CallOp() | flow.JoinOp() | flow.FallbackOp() | flow.RefineOp():
                    yield self._node(op, [(None, r.block, points) for r in op.regions])
                case flow.PlanOp():
                    regions = (op.planner, op.joiner)
                    yield self._node(op, [(None, r.block, points) for r in regions])
                case flow.MapOp():
                    yield self._node(op, [(None, op.body.block, points)])
                case _:
                    raise EmissionError(
                        f"{describe(op)}: the asyncio back end cannot emit {op.name}; "
                        "lower it to flow operations first"
                    )

    def _node(
        self, op: Operation, regions: Sequence[tuple[str | None, Block, Sequence[Choices]]]
    ) -> Node:
        bodies = tuple((label, self._body(block, points)) for label, block, points in regions)
        inside = [_free(body) for _, body in bodies]
        operands = op.operands[:1] if is_identity(op) else op.operands
        uses = frozenset(self.values(operands)).union(*inside)
        waits = uses
        if isinstance(op, flow.AlternativesOp):
            waits = frozenset.intersection(*(_awaited(body) for _, body in bodies))
        return Node(op, op.results[0], bodies, uses, waits, tuple(self.values(operands)))


def _reached(
    op: flow.AlternativesOp, points: Sequence[Choices]
) -> list[tuple[str, Block, list[Choices]]]:
    """The regions that some point chooses, with these points."""
    first = op.labels.data[0].data
    found = []
    for name, region in zip(op.labels, op.cases, strict=True):
        chosen = [p for p in points if p.labels.get(op.choice.data, first) == name.data]
        if chosen:
            found.append((name.data, region.block, chosen))
    return found


def _free(body: Body) -> frozenset[SSAValue]:
    """The values from outside that a body uses."""
    inside = {*body.arguments, *(node.output for node in body.nodes)}
    return frozenset({body.result}.union(*(node.uses for node in body.nodes)) - inside)


def _awaited(body: Body) -> frozenset[SSAValue]:
    """The values from outside without which nothing in a body starts, nor ends."""
    waits: dict[SSAValue, frozenset[SSAValue]] = {}
    for node in body.nodes:
        waits[node.output] = node.waits.union(*(waits.get(v, ()) for v in node.waits))
    result = waits.get(body.result, frozenset({body.result}))
    return frozenset.intersection(result, *waits.values()).difference(waits)
