"""Where lowered primitives go: the block, the case and the map instance they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

from xdsl.dialects.builtin import ArrayAttr, FloatData, StringAttr, UnitAttr
from xdsl.ir import Attribute, Block, SSAValue

from flowir.dialects import prim
from flowir.dialects.prim_types import TEST_CASES, guard
from flowir.prim.sizes import Size

_OpT = TypeVar("_OpT", bound=prim.PrimitiveOp)


@dataclass
class Instance:
    """One run of the body of a map.

    Attributes:
        item: what it is for; where that is missing, nothing of the instance runs.
        around: the guard of the map itself.
        inside: values that are missing where the item is.
        present: the guard of whatever does not show the item, made when first needed.
    """

    item: SSAValue
    around: SSAValue | None
    inside: set[SSAValue] = field(default_factory=set)
    present: SSAValue | None = None


@dataclass(frozen=True)
class Scope:
    """Attributes:
    guard: the case around.
    instances: the maps around, outermost first.
    suffix: what tells this run of a body from its other runs, for site names.
    spare: whether it runs only where a list is longer than expected.
    """

    guard: SSAValue | None = None
    instances: tuple[Instance, ...] = ()
    suffix: str = ""
    spare: bool = False


class Emitter:
    """Appends primitives to a block, with what the scope they stand in asks of them.

    Attributes:
        emitted: in order.
        sizes: how large each value is expected to be.
        late: values that are known only after an engine has worked.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self.emitted: list[prim.PrimitiveOp] = []
        self.sizes: dict[SSAValue, Size] = {}
        self.late: set[SSAValue] = set()
        self.scope = Scope()

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[None]:
        """Emit into another scope for a while."""
        outer, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = outer

    @contextmanager
    def case(self, held: SSAValue) -> Iterator[None]:
        """Emit what runs only if a guard holds."""
        with self.inside(replace(self.scope, guard=held)):
            yield

    @contextmanager
    def instance(self, item: SSAValue, number: int, spare: bool) -> Iterator[None]:
        """Emit one run of the body of a map."""
        instance = Instance(item, self.scope.guard)
        instance.inside.add(item)
        scope = replace(
            self.scope,
            instances=(*self.scope.instances, instance),
            suffix=f"{self.scope.suffix}[{number}]",
            spare=self.scope.spare or spare,
        )
        with self.inside(scope):
            yield

    def emit(self, op: _OpT, size: Size | None = None, hint: str | None = None) -> _OpT:
        """Append a primitive that has no guard yet."""
        scope = self.scope
        held = scope.guard
        if scope.instances:
            inner = scope.instances[-1]
            if held is inner.around and not inner.inside.intersection(op.inputs):
                held = self._present(inner)
        if held is not None:
            op.run_under(held)
        if scope.spare:
            op.properties["spare"] = UnitAttr()
        self._append(op)
        if op.engine is not None or self.late.intersection(op.inputs):
            self.late.update(op.results)
        if size is not None:
            self.sizes[op.results[0]] = size
        if hint is not None and op.results[0].name_hint is None:
            op.results[0].name_hint = hint
        return op

    def aggregate(
        self, mode: prim.Gathering, inputs: Sequence[SSAValue], kind: Attribute, size: Size
    ) -> SSAValue:
        """One value of several."""
        op = prim.AggregateOp.make(inputs, [kind], mode=prim.GatheringAttr(mode))
        return self.emit(op, size).output

    def condition(
        self,
        test: prim.Test,
        value: SSAValue,
        cases: Sequence[str],
        *,
        otherwise: bool = False,
        odds: Sequence[float] | None = None,
    ) -> tuple[SSAValue, ...]:
        """The guards of the cases, `else` last."""
        op = prim.ConditionOp.make(
            [value],
            [guard] * (len(cases) + otherwise),
            test=prim.TestAttr(test),
            cases=ArrayAttr(map(StringAttr, cases)),
            otherwise=UnitAttr() if otherwise else None,
            odds=None if odds is None else ArrayAttr(map(FloatData, odds)),
        )
        return tuple(self.emit(op).guards)

    def presence(self) -> SSAValue:
        """The guard that the item of the innermost map around is there."""
        return self._present(self.scope.instances[-1])

    def _present(self, instance: Instance) -> SSAValue:
        if instance.present is None:
            cases = TEST_CASES[prim.Test.PRESENT]
            with self.case(instance.around) if instance.around is not None else nullcontext():
                there, _ = self.condition(prim.Test.PRESENT, instance.item, cases, odds=(1.0, 0.0))
            instance.present = there
        return instance.present

    def _append(self, op: prim.PrimitiveOp) -> None:
        self.block.add_op(op)
        self.emitted.append(op)
        for instance in self.scope.instances:
            instance.inside.update(op.results)


def chain(made: Sequence[prim.PrimitiveOp], after: Sequence[SSAValue]) -> tuple[SSAValue, ...]:
    """Let what begins a module come after these values; gives those that end the module."""
    inside = {result for op in made for result in op.results}
    used: set[SSAValue] = set()
    for op in made:
        used.update(op.operands)
    for op in made:
        if after and not inside.intersection(op.operands):
            op.wait_for([value for value in after if value not in op.operands])
    return tuple(op.results[0] for op in made if not used.intersection(op.results))
