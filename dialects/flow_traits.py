"""What `flow` operations do to the world, and how they are simplified."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Operation
from xdsl.pattern_rewriter import RewritePattern
from xdsl.traits import (
    EffectInstance,
    HasCanonicalizationPatternsTrait,
    MemoryEffect,
    MemoryEffectKind,
    RecursiveMemoryEffect,
    SymbolTable,
)

from flowir.dialects.flow_checks import invoked
from flowir.dialects.flow_declarations import AgentOp, ToolOp, WorkflowOp
from flowir.dialects.flow_types import Effect, EffectAttr


def _effects_of_symbol(op: Operation, symbol: SymbolRefAttr) -> AbstractSet[EffectInstance] | None:
    """Effects of invoking an agent, a tool or a workflow; None where the symbol is unknown.

    A result that may differ from one invocation to the next is allocated: equal invocations are
    then not merged, and dead ones may still be dropped.
    """
    fresh = {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}
    callee = SymbolTable.lookup_symbol(op, symbol)
    match callee:
        case AgentOp():
            return fresh
        case ToolOp(effect=EffectAttr(data=Effect.PURE)):
            return frozenset()
        case ToolOp(effect=EffectAttr(data=Effect.READS)):
            return fresh | {EffectInstance(MemoryEffectKind.READ)}
        case ToolOp():
            return {
                EffectInstance(kind) for kind in (MemoryEffectKind.READ, MemoryEffectKind.WRITE)
            }
        case WorkflowOp():
            inside = RecursiveMemoryEffect.get_effects(callee)
            if inside is None:
                return None
            outside = {e for e in inside if e.kind is not MemoryEffectKind.ALLOC}
            return outside if inside == outside else outside | fresh
        case _:
            return None


class InvocationEffect(MemoryEffect):
    """The effects of what an op invokes."""

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance] | None:
        effects: set[EffectInstance] = set()
        for symbol in invoked(op):
            found = _effects_of_symbol(op, symbol)
            if found is None:
                return None
            effects |= found
        return effects


class Canonicalizable(HasCanonicalizationPatternsTrait):
    """Its patterns live in `flowir.passes.canonicalization.flow`, imported when first wanted."""

    def get_patterns(self, op: type[Operation]) -> tuple[RewritePattern, ...]:
        from flowir.passes.canonicalization.flow import PATTERNS

        return PATTERNS.get(op, ())

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        return ()
