"""The reference executor of plans in IR: one task after another, in the order written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from flowir.dialects.plan import PlanOp, ToolOp
from flowir.plan.events import Event, Task
from flowir.plan.ir import plan_events
from flowir.plan.signatures import fit
from flowir.plan.values import substitute
from flowir.runtime.fetching import Observation, PlanTool, fetch
from flowir.sim.clock import run


def the_plan(module: ModuleOp) -> PlanOp:
    """The only plan of a module."""
    return next(op for op in module.ops if isinstance(op, PlanOp))


def reference_results(module: ModuleOp, tools: Mapping[str, Callable[..., Any]]) -> dict[int, Any]:
    """The result of each task by number."""
    signatures = {op.sym_name.data: op.signature for op in module.ops if isinstance(op, ToolOp)}
    results: dict[int, Any] = {}
    for events in plan_events(the_plan(module)):
        for task in events:
            if isinstance(task, Task):
                kinds = signatures[task.tool].by_name
                given = {n: fit(kinds[n].kind, substitute(v, results)) for n, v in task.arguments}
                results[task.number] = tools[task.tool](**given)
    return results


def fetched_results(module: ModuleOp, tools: Mapping[str, Callable[..., Any]]) -> dict[int, Any]:
    """The same by the fetching unit, round after round."""
    signatures = {op.sym_name.data: op.signature for op in module.ops if isinstance(op, ToolOp)}
    plan_tools = {name: PlanTool(signatures[name], tools[name]) for name in signatures}
    earlier: dict[int, Observation] = {}

    async def stream(events: list[Event]) -> AsyncIterator[Event]:
        for event in events:
            yield event

    async def main() -> None:
        for events in plan_events(the_plan(module)):
            found = await fetch(stream(events), plan_tools, earlier)
            earlier.update({o.task.number: o for o in found.observations})

    run(main())
    assert all(o.outcome == "done" for o in earlier.values()), earlier
    return {number: observation.value for number, observation in earlier.items()}
