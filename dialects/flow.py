"""The `flow` dialect: structured LLM workflows.

SSA operands are the only ordering: calls with no path between them may run at the same time. Loops
and maps are bounded. Sampling a model is not pure: two identical calls are two draws, so a call
allocates its own result, which lets dead calls be dropped and never merges live ones.
"""

from __future__ import annotations

from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Dialect, Operation

from flowir.dialects.flow_calls import CallOp, JoinOp
from flowir.dialects.flow_declarations import AgentOp, ReturnOp, ToolOp, WorkflowOp
from flowir.dialects.flow_plan import CountsAttr, PlanOp, PlanShapeAttr
from flowir.dialects.flow_regions import (
    AlternativesOp,
    BranchOp,
    FallbackOp,
    MapOp,
    RefineOp,
    YieldOp,
)
from flowir.dialects.flow_types import (
    AcceptsAttr,
    BoolType,
    Effect,
    EffectAttr,
    JoinMode,
    JoinModeAttr,
    JsonType,
    LabelType,
    ListType,
    PrimitiveAttr,
    TextType,
)

__all__ = [
    "AcceptsAttr",
    "AgentCaller",
    "AgentOp",
    "AlternativesOp",
    "BoolType",
    "BranchOp",
    "CallOp",
    "CountsAttr",
    "Effect",
    "EffectAttr",
    "FallbackOp",
    "Flow",
    "JoinMode",
    "JoinModeAttr",
    "JoinOp",
    "JsonType",
    "LabelType",
    "ListType",
    "MapOp",
    "PlanOp",
    "PlanShapeAttr",
    "PrimitiveAttr",
    "RefineOp",
    "ReturnOp",
    "TextType",
    "ToolOp",
    "WorkflowOp",
    "YieldOp",
    "called_symbol",
]

AgentCaller = CallOp | JoinOp | FallbackOp | RefineOp
"""Ops that may call an agent, and so carry a `config`."""


def called_symbol(op: Operation) -> str | None:
    """The symbol an op calls: the callee, the selector, the checker; None of any other op."""
    for name in ("callee", "by", "until"):
        if isinstance(symbol := op.properties.get(name), SymbolRefAttr):
            return symbol.root_reference.data
    return None


Flow = Dialect(
    "flow",
    [
        AgentOp,
        AlternativesOp,
        BranchOp,
        CallOp,
        FallbackOp,
        JoinOp,
        MapOp,
        PlanOp,
        RefineOp,
        ReturnOp,
        ToolOp,
        WorkflowOp,
        YieldOp,
    ],
    [
        AcceptsAttr,
        BoolType,
        CountsAttr,
        EffectAttr,
        JoinModeAttr,
        JsonType,
        LabelType,
        ListType,
        PlanShapeAttr,
        PrimitiveAttr,
        TextType,
    ],
)
