"""Plans as IR, and IR as tasks to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from flowir.dialects.plan import JoinOp, PlanOp, ReplanOp, TaskOp, ToolOp
from flowir.plan.events import Event, Join, Task
from flowir.plan.signatures import Signature


def plan_module(
    rounds: Sequence[tuple[Sequence[Event], str]],
    tools: Iterable[Signature],
    *,
    name: str = "plan",
    latencies: Mapping[str, float] | None = None,
) -> ModuleOp:
    """A module with the tools and one plan.

    Args:
        rounds: what each plan said, and for what reason another was made after it.
        latencies: seconds of a call, by tool.
    """
    seconds = latencies or {}
    made: dict[int, SSAValue] = {}
    ops: list[Operation] = []
    for place, (events, reason) in enumerate(rounds):
        for event in events:
            if isinstance(event, Task):
                op = TaskOp.of(event, made)
                made[event.number] = op.output
                ops.append(op)
        if place < len(rounds) - 1:
            ops.append(ReplanOp.create(properties={"reason": StringAttr(reason)}))
    ops.append(JoinOp.create())
    plan = PlanOp.create(properties={"sym_name": StringAttr(name)}, regions=[Region(Block(ops))])
    return ModuleOp([*(ToolOp.of(tool, seconds.get(tool.name, 0.0)) for tool in tools), plan])


def plan_events(plan: PlanOp) -> list[list[Event]]:
    """The tasks of each of its rounds, each closed by a join, as an executor takes them."""
    rounds: list[list[Event]] = [[]]
    last = 0
    for op in plan.body.block.ops:
        if isinstance(op, TaskOp):
            rounds[-1].append(op.task)
            last = op.number.data
        elif isinstance(op, ReplanOp):
            rounds[-1].append(Join(last + 1, 0))
            rounds.append([])
    rounds[-1].append(Join(last + 1, 0))
    return rounds
