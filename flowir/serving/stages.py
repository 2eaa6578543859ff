"""The stages of a compiled workflow: its decisions, and which of them feed which."""

from __future__ import annotations

from collections.abc import Collection

from xdsl.ir import Block, Operation, SSAValue

from flowir.backends.asyncio.program import Program, config_name
from flowir.dialects import flow
from flowir.runtime.choices import decision_key


def stages_of(program: Program, reached: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The stages among `reached` in topological order, each with those whose output it reads.

    What is in a loop feeds itself; of such a circle, what is written first comes first, and only
    what comes before a stage is said to feed it.
    """
    feeds = _feeds(program, reached)
    ordered: dict[str, tuple[str, ...]] = {}
    left = dict.fromkeys([*feeds, *reached])
    while left:
        ready = (name for name in left if feeds.get(name, set()) <= {*ordered, name})
        name = next(ready, next(iter(left)))
        ordered[name] = tuple(other for other in ordered if other in feeds.get(name, ()))
        del left[name]
    return ordered


def _feeds(program: Program, reached: Collection[str]) -> dict[str, set[str]]:
    """For each stage all whose output its calls read, at any remove; in the order of the calls."""
    found: dict[str, set[str]] = {}
    for node in program.tree.body.walk():
        name = _stage(program, node.op)
        if name in reached:
            before = found.setdefault(name, set())
            before |= {other for other in _before(program, node.op) if other in reached}
    return found


def _stage(program: Program, op: Operation) -> str:
    """The stage of the calls that an op makes itself; empty where it makes none."""
    key = decision_key(op, program.symbols)
    return "" if key is None else config_name(key)


def _before(program: Program, op: Operation) -> set[str]:
    """Stages that have to end before an op makes its first call."""
    values = set(op.operands)
    inner: set[str] = set()
    if isinstance(op, flow.FallbackOp):  # The checker is asked about what a tier gave.
        inner |= {_stage(program, one) for one in op.walk() if one is not op}
    above = op.parent_op()
    while above is not None and not isinstance(above, flow.WorkflowOp):
        values |= set(above.operands)
        if isinstance(above, flow.RefineOp):
            inner.add(_stage(program, above))
        if isinstance(above, flow.FallbackOp):
            inner |= _earlier_tiers(program, above, op)
        above = above.parent_op()
    seen: set[Operation] = set()
    for value in values:
        _walk_back(value, seen)
    return (inner | {_stage(program, one) for one in seen}) - {""}


def _earlier_tiers(program: Program, fallback: flow.FallbackOp, op: Operation) -> set[str]:
    found: set[str] = set()
    for tier in fallback.tiers:
        if any(one is op for one in tier.walk()):
            return found
        found |= {_stage(program, one) for one in tier.walk()} | {_stage(program, fallback)}
    return found


def _walk_back(value: SSAValue, seen: set[Operation]) -> None:
    """All operations that a value comes from, those inside of them too."""
    owner = value.owner
    if isinstance(owner, Block):
        parent = owner.parent_op()
        if parent is None or isinstance(parent, flow.WorkflowOp):
            return
        owner = parent
    if owner in seen:
        return
    for one in owner.walk():
        if one not in seen:
            seen.add(one)
            for operand in one.operands:
                _walk_back(operand, seen)
