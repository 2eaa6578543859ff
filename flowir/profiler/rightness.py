"""Whether a value in a run of a workflow is right, told from which of its calls were.

The rules are those of the calculus: a list is right iff every element is (`any`: some element), a
tool passes on what it is given, and what picks one of several values passes on the value picked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from flowir.dialects import flow
from flowir.dialects.flow_checks import Symbols

IsRight = Callable[[Operation, Any], bool | None]
"""Whether a value that a call of a sub-agent gave is right; None where that is not known."""


@dataclass(frozen=True)
class Values:
    """The values of one run.

    Attributes:
        results: every op that gave a value, and the value; an op in a loop or map several times.
        call_right: asked of the values of sub-agents.
    """

    symbols: Symbols
    results: Sequence[tuple[Operation, Any]]
    call_right: IsRight

    def right(self, value: SSAValue, given: Any) -> bool | None:
        """Whether `given`, which `value` was in this run, is right; None where that is unknown."""
        return self._right(value, given, frozenset())

    def input_right(self, op: Operation, given: Sequence[Any]) -> bool | None:
        """Whether what a call was given is right.

        Of a verdict that is what it judges, and of a selection whether any candidate is right.
        """
        match op:
            case flow.JoinOp() if op.by is not None:
                found = [self.right(v, g) for v, g in zip(op.inputs, given[-1], strict=True)]
                context = (self.right(v, g) for v, g in zip(op.context, given, strict=False))
                return _all([*context, _any(found)])
            case flow.JoinOp():
                return self._one_of(op.inputs, given[-1], frozenset())
            case flow.RefineOp():
                values = [op.initial, _result(op.body.block)]
                return self._one_of(values, given[-1], frozenset())
            case flow.FallbackOp():
                tiers = [_result(tier.block) for tier in op.tiers]
                return self._one_of(tiers, given[-1], frozenset())
            case _:
                pairs = zip(op.operands, given, strict=True)
                return _all(self.right(value, one) for value, one in pairs)

    def _right(self, value: SSAValue, given: Any, seen: frozenset[SSAValue]) -> bool | None:
        if value in seen:
            return None
        seen |= {value}
        if isinstance(value, BlockArgument):
            return self._argument(value, given, seen)
        op = value.owner
        assert not isinstance(op, Block)
        match op:
            case flow.CallOp():
                return self._call(op, given, seen)
            case flow.JoinOp() if op.mode.data in (flow.JoinMode.ALL, flow.JoinMode.ANY):
                pairs = zip(op.inputs, given, strict=True)
                found = [self._right(one, element, seen) for one, element in pairs]
                every = op.mode.data is flow.JoinMode.ALL
                return _all(found) if every else _any(found)
            case flow.JoinOp() if op.mode.data is flow.JoinMode.CONCAT:
                return _all(self._ever(one, seen) for one in op.inputs)
            case flow.JoinOp():
                return self._one_of(op.inputs, given, seen)
            case flow.MapOp():
                body = _result(op.body.block)
                return _all(self._right(body, element, seen) for element in given)
            case flow.RefineOp():
                return self._one_of([op.initial, _result(op.body.block)], given, seen)
            case _:
                regions = [_result(region.block) for region in op.regions if region.blocks]
                return self._one_of(regions, given, seen)

    def _call(self, op: flow.CallOp, given: Any, seen: frozenset[SSAValue]) -> bool | None:
        callee = self.symbols.get(op.callee.root_reference.data)
        if isinstance(callee, flow.AgentOp):
            return self.call_right(op, given)
        return _all(self._ever(one, seen) for one in op.inputs)

    def _argument(self, value: BlockArgument, given: Any, seen: frozenset[SSAValue]) -> bool | None:
        op = value.block.parent_op()
        match op:
            case flow.RefineOp() if value.index == 0:
                return self._one_of([op.initial, _result(op.body.block)], given, seen)
            case flow.MapOp():
                return self._element(op.source, given, seen)
            case _:  # An input of the workflow, or a critic's feedback, which is neither.
                return True

    def _element(self, source: SSAValue, given: Any, seen: frozenset[SSAValue]) -> bool | None:
        """Whether one element of a list is right, as far as the list tells."""
        op = source.owner
        if isinstance(op, flow.JoinOp):
            return self._one_of(op.inputs, given, seen)
        if isinstance(op, flow.MapOp):
            return self._right(_result(op.body.block), given, seen)
        return self._ever(source, seen)

    def _one_of(
        self, values: Iterable[SSAValue], given: Any, seen: frozenset[SSAValue]
    ) -> bool | None:
        """Right iff one of the values that was `given` is: equal texts are equally right."""
        return _any(
            self._right(one, given, seen) for one in values if given in self._taken(one, given)
        )

    def _ever(self, value: SSAValue, seen: frozenset[SSAValue]) -> bool | None:
        """Right iff all that the value ever was in this run are."""
        if isinstance(value, BlockArgument) and isinstance(
            value.block.parent_op(), flow.WorkflowOp
        ):
            return True
        return _all(self._right(value, given, seen) for given in self._taken(value, None))

    def _taken(self, value: SSAValue, given: Any) -> list[Any]:
        """What a value was in this run; of what has no op of its own, `given`."""
        op = value.owner
        if isinstance(op, flow.AlternativesOp):
            return [v for region in op.regions for v in self._taken(_result(region.block), given)]
        if isinstance(op, Operation):
            return [result for made, result in self.results if made is op]
        return [] if given is None else [given]


def _result(block: Block) -> SSAValue:
    last = block.last_op
    assert last is not None
    return last.operands[0]


def _all(found: Iterable[bool | None]) -> bool | None:
    """Conjunction with an unknown: false where one is, else unknown where one is (Kleene)."""
    values = list(found)
    return False if False in values else None if None in values else True


def _any(found: Iterable[bool | None]) -> bool | None:
    values = list(found)
    return True if True in values else None if None in values or not values else False
