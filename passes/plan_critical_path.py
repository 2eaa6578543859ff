"""Says when each task of a plan can run, and which of them hold up the answer."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, FloatData, ModuleOp
from xdsl.passes import ModulePass
from xdsl.traits import SymbolTable

from flowir.dialects.flow_checks import fail
from flowir.dialects.plan import PlanOp, ReplanOp, TaskOp
from flowir.dialects.plan import ToolOp as PlanToolOp
from flowir.errors import CalculusError

TIMES = "plan.times"
"""On a task: earliest start and end, and slack, in seconds. On a plan: how long it takes."""


@dataclass(frozen=True)
class PlanCriticalPath(ModulePass):
    """Earliest start and end of each task, and how much later it could end, from tools' latencies.

        plan.plan @p {
          %t1 = plan.task 1 @search {query = "\\"a\\""}
          plan.join
        }

    becomes, where a call of `@search` takes 0.8 s,

        plan.plan @p {
          %t1 = plan.task 1 @search {query = "\\"a\\""}
            attributes {plan.times = {end = 0.8, slack = 0.0, start = 0.0}}
          plan.join
        } attributes {plan.times = {end = 0.8}}

    A task without slack is on the critical path. Tasks behind a `plan.replan` start when all before
    it have ended. Planner and joiner take their own time, `planner` seconds for each task written
    and `joiner` seconds for each decision.

    Attributes:
        planner: seconds until the planner has written one more task.
        joiner: seconds until the joiner has decided.
    """

    name = "plan-critical-path"

    planner: float = 0.0
    joiner: float = 0.0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for name in ("planner", "joiner"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise CalculusError(
                    f"{self.name}: {name}={getattr(self, name)}; write seconds, 0 or more"
                )
        for plan in op.walk():
            if isinstance(plan, PlanOp):
                self._annotate(plan)

    def _annotate(self, plan: PlanOp) -> None:
        rounds: list[list[TaskOp]] = [[]]
        for op in plan.body.block.ops:
            if isinstance(op, TaskOp):
                rounds[-1].append(op)
            elif isinstance(op, ReplanOp):
                rounds.append([])
        begin = 0.0
        for tasks in rounds:
            begin = self._round(tasks, begin) + self.joiner
        plan.attributes[TIMES] = DictionaryAttr({"end": FloatData(begin)})

    def _round(self, tasks: list[TaskOp], begin: float) -> float:
        """When all tasks of one plan have ended, the planner beginning to write at `begin`."""
        starts: dict[TaskOp, float] = {}
        ends: dict[TaskOp, float] = {}
        for place, op in enumerate(tasks, 1):
            written = begin + place * self.planner
            starts[op] = max([written, *(ends[n] for n in _needs(op) if n in ends)])
            ends[op] = starts[op] + _latency(op)
        over = max([begin + len(tasks) * self.planner, *ends.values()])
        latest = dict.fromkeys(tasks, over)
        for op in reversed(tasks):
            for need in _needs(op):
                if need in latest:
                    latest[need] = min(latest[need], latest[op] - _latency(op))
        for op in tasks:
            times = {"start": starts[op], "end": ends[op], "slack": latest[op] - ends[op]}
            op.attributes[TIMES] = DictionaryAttr(
                {name: FloatData(round(seconds, 9)) for name, seconds in sorted(times.items())}
            )
        return over


def _needs(op: TaskOp) -> list[TaskOp]:
    owners = (value.owner for value in op.needs)
    return [owner for owner in owners if isinstance(owner, TaskOp)]


def _latency(op: TaskOp) -> float:
    tool = SymbolTable.lookup_symbol(op, op.tool)
    if not isinstance(tool, PlanToolOp):
        raise fail(op, "its tool is not declared")
    return tool.latency.data
