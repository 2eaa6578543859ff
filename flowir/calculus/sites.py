"""Stable names for the places of a workflow where something happens."""

from __future__ import annotations

import re

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from flowir.dialects import flow

NAMED = (
    flow.CallOp,
    flow.BranchOp,
    flow.FallbackOp,
    flow.RefineOp,
    flow.MapOp,
    flow.PlanOp,
)
"""Ops that have a site; so has a `select` or `first` join."""


def has_site(op: Operation) -> bool:
    """Whether something happens at `op` that a person may want to point at."""
    if isinstance(op, flow.JoinOp):
        return op.mode.data in (flow.JoinMode.SELECT, flow.JoinMode.FIRST)
    return isinstance(op, NAMED)


def site_names(workflow: flow.WorkflowOp) -> dict[Operation, str]:
    """The site name of every op that has one, in order.

    A given name is kept; otherwise the name of the SSA result serves, else that of what is called,
    with a number where it is taken.
    """
    ops = [op for op in workflow.walk() if has_site(op)]
    names: dict[Operation, str] = {}
    taken: set[str] = set()
    for op in ops:
        if isinstance(site := op.properties.get("site"), StringAttr):
            taken.add(site.data)
    for op in ops:
        if isinstance(site := op.properties.get("site"), StringAttr):
            names[op] = site.data
            continue
        hint = op.results[0].name_hint or flow.called_symbol(op) or op.name.removeprefix("flow.")
        stem = re.sub(r"\W", "_", hint)
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        names[op] = name
    return names
