"""Runs a `flow.plan`: its regions as planner and joiner, its tools with their caps and timeouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowir.dialects import flow
from flowir.dialects.flow_checks import Symbols
from flowir.dialects.flow_plan import planned_tools
from flowir.plan.reader import Limits
from flowir.runtime.fetching import PlanTool
from flowir.runtime.llm import Tools
from flowir.runtime.replanning import Joiner, Planner, Round, solve


@dataclass(frozen=True)
class RecordedPlan:
    """One plan that was run, what became of its tasks, and what the joiner decided."""

    site: str
    round: Round


def plan_tools(op: flow.PlanOp, symbols: Symbols, tools: Tools) -> Mapping[str, PlanTool]:
    """What a plan may call."""
    return {
        tool.sym_name.data: PlanTool(
            tool.signature,
            tools[tool.sym_name.data],
            None if tool.concurrency is None else tool.concurrency.data,
            None if tool.timeout is None else tool.timeout.data,
        )
        for tool in planned_tools(op, symbols)
    }


async def run_plan(
    op: flow.PlanOp,
    site: str,
    planner: Planner,
    joiner: Joiner,
    tools: Mapping[str, PlanTool],
    record: list[RecordedPlan],
) -> str:
    """What a plan gives; adds every plan on the way to `record`.

    Raises:
        PlanError: the joiner does not finish, or says neither.
        Exception: whatever the planner or the joiner raised.
    """
    solution = await solve(
        "",
        planner=planner,
        joiner=joiner,
        tools=tools,
        max_replans=op.max_replans.data,
        limits=Limits(tasks=op.max_tasks.data),
        told=lambda done: record.append(RecordedPlan(site, done)),
    )
    return solution.answer
