"""Plans in traced workflows: calls of tools that a model writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, IntAttr
from xdsl.utils.exceptions import VerifyException

from flowir.dialects import flow
from flowir.dialects.flow_plan import MOST_TASKS
from flowir.dialects.flow_types import text
from flowir.errors import WorkflowError
from flowir.plan.signatures import SignatureError, signature_of
from flowir.workflow.declarations import Tool
from flowir.workflow.places import here
from flowir.workflow.tracing import Properties, current
from flowir.workflow.values import Traced

Count = int | Mapping[int, float]
"""How many, or the chance of every number."""


def plan(
    planner: Callable[[Traced, Traced], Traced],
    joiner: Callable[[Traced], Traced],
    *,
    tools: Sequence[Tool],
    max_replans: int = 0,
    max_tasks: int = MOST_TASKS,
    width: Count | None = None,
    depth: Count | None = None,
    right: float = 1.0,
    replan: float | tuple[float, float] = 0.0,
) -> Traced:
    """The text that a joiner finishes with, after plans of tool calls, run as they are written.

    `planner(tools, history)` gives the text of a plan, `joiner(history)` gives `Finish(…)` or
    `Replan(…)`. With the remaining arguments, predictions know what plans look like.

    Args:
        tools: what plans may call; their parameters and docstrings are what the planner is told.
        max_replans: how many plans may follow the first.
        max_tasks: of one plan.
        width: tasks on a level, each of which needs the level before; 1 where left out.
        depth: levels; 1 where left out.
        right: P(a task of a right plan gives what was wanted).
        replan: P(another plan), or a pair: if what the joiner saw is right, and if it is wrong.

    Raises:
        WorkflowError: a tool whose parameters a plan cannot fill, or numbers that mean nothing.
    """
    trace, place = current("plan"), here()
    for one in tools:
        try:
            signature = signature_of(one.function, name=one.name)
        except SignatureError as error:
            raise WorkflowError(f"{place}: {error}") from None
        trace.planned[one.name] = signature
    properties: Properties = {
        "tools": ArrayAttr([trace.declare(one) for one in tools]),
        "max_replans": IntAttr(max_replans),
        "max_tasks": IntAttr(max_tasks),
    }
    rates = replan if isinstance(replan, tuple) else (replan, replan)
    if width is not None or depth is not None or right != 1.0 or any(rates):
        try:
            properties["expects"] = flow.PlanShapeAttr.of(
                _chances(width), _chances(depth), right, rates
            )
        except VerifyException as error:
            raise WorkflowError(f"{place}: {error}") from None
    op = flow.PlanOp.build(
        result_types=[text],
        properties=properties,
        regions=[
            trace.region(planner, (text, text), "the planner"),
            trace.region(joiner, (text,), "the joiner"),
        ],
    )
    for region, names in ((op.planner, ("tools", "history")), (op.joiner, ("history",))):
        for argument, name in zip(region.block.args, names, strict=True):
            argument.name_hint = name
    return trace.add(op, place, "plan")


def _chances(count: Count | None) -> Mapping[int, float]:
    if isinstance(count, Mapping):
        return count
    return {1 if count is None else count: 1.0}
