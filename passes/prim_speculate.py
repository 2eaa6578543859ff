"""Runs ahead of conditions what does no harm there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import FloatData, ModuleOp
from xdsl.ir import OpResult, SSAValue, Use
from xdsl.passes import ModulePass
from xdsl.traits import MemoryEffectKind, get_effects

from flowir.dialects import prim
from flowir.errors import PrimError
from flowir.prim.timing import EPSILON_S, Timer, timed


@dataclass(frozen=True)
class PrimSpeculate(ModulePass):
    """What a case does begins before its condition is known, where it has no effect but its result.

        %yes, %no = prim.condition label(%judged) ["yes" 0.4, else 0.6] : …
        %e = prim.embedding(%q) engine "embedding" if %yes : (!flow.text) -> !prim.embeddings

    becomes

        %yes, %no = prim.condition label(%judged) ["yes" 0.4, else 0.6] : …
        %e = prim.embedding(%q) engine "embedding" waste 0.045 : (!flow.text) -> !prim.embeddings

    Legal because whoever reads the result runs under the guard still, or chooses by it. Ops that
    write, or whose effects are not known, stay; so do conditions, whose cases are cases of the one
    around, what could fail for a case that is not taken (the last item of a map), and what would
    not begin earlier.

    `waste` is what the op is expected to work for nothing: the chance that the case is not taken
    times the seconds it takes on an idle engine.

    Attributes:
        most: seconds of waste, at most, of one op.
        engines: a file of engines (`flowir.engines.storage`) beside the defaults.
    """

    name = "prim-speculate"

    most: int | float = math.inf
    engines: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not self.most >= 0:
            raise PrimError(f"{self.name}: most={self.most}; write seconds, 0 or more")
        for graph, timer in timed(op, self.engines):
            for inner in graph.primitives:
                _run_ahead(inner, timer, float(self.most))
                timer.run(inner)


def wasted_s(graph: prim.GraphOp) -> float:
    """Seconds of its engines that a graph is expected to work for nothing, together."""
    return math.fsum(op.waste.data for op in graph.primitives if op.waste is not None)


def _run_ahead(op: prim.PrimitiveOp, timer: Timer, most: float) -> None:
    """Out of one case after another, the innermost first."""
    wanted = 1.0
    duration = timer.duration(op)
    while (guard := op.guard) is not None:
        condition = _condition(guard)
        chance = wanted * condition.chances[_case(guard)]
        waste = (1.0 - chance) * duration
        others = [value for value in op.operands if value is not guard]
        earlier = timer.ready(others) < timer.ready([guard]) - EPSILON_S
        if not earlier or waste > most or not _may(op, guard):
            return
        op.run_under(condition.guard)
        if duration:
            op.properties["waste"] = FloatData(round(waste, 9))
        wanted = chance


def _may(op: prim.PrimitiveOp, guard: SSAValue) -> bool:
    """Whether nobody can tell, but by the result, that it runs although the guard does not hold."""
    effects = get_effects(op)
    if effects is None or any(effect.kind is MemoryEffectKind.WRITE for effect in effects):
        return False
    if isinstance(op, prim.ConditionOp):
        return False  # Its own cases would no longer be inside of the case around.
    if isinstance(op, prim.ItemOp) and op.last is not None:
        return False
    return all(_unseen(use, guard) for result in op.results for use in result.uses)


def _unseen(use: Use, guard: SSAValue) -> bool:
    """Whether a use is none where the guard does not hold."""
    reader = use.operation
    if not isinstance(reader, prim.PrimitiveOp):
        return False
    if use.index >= len(reader.operands) - len(reader.after) or _implies(reader.guard, guard):
        return True
    if isinstance(reader, prim.AggregateOp) and reader.mode.data is prim.Gathering.CHOOSE:
        count = len(reader.inputs) // 2
        return use.index < count and _implies(reader.inputs[count + use.index], guard)
    return False


def _implies(held: SSAValue | None, guard: SSAValue) -> bool:
    """Whether one guard holds only if the other does."""
    while held is not None:
        if held is guard:
            return True
        held = _condition(held).guard
    return False


def _condition(guard: SSAValue) -> prim.ConditionOp:
    owner = guard.owner
    assert isinstance(owner, prim.ConditionOp)
    return owner


def _case(guard: SSAValue) -> int:
    assert isinstance(guard, OpResult)
    return guard.index
