"""What simulated runs of a workflow are given, and how answers are read there."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute

from flowir.dialects import flow


def any_inputs(workflow: flow.WorkflowOp) -> Mapping[str, object]:
    """Something of the right kind for every input; the simulated provider reads none of it."""
    return {
        argument.name_hint or f"arg{n}": _value(argument.type)
        for n, argument in enumerate(workflow.body.block.args)
    }


def parsers_of(module: ModuleOp) -> Mapping[str, str]:
    """For each agent that says so, how its answer is read."""
    return {
        op.sym_name.data: op.parser.data
        for op in module.walk()
        if isinstance(op, flow.AgentOp) and op.parser is not None
    }


def _value(kind: Attribute) -> object:
    if isinstance(kind, flow.ListType):
        return [_value(kind.element)]
    if isinstance(kind, flow.BoolType):
        return True
    return {} if isinstance(kind, flow.JsonType) else "text"
