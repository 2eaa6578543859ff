"""Splits large batches, and lets the parts flow on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from flowir.dialects import prim
from flowir.prim.from_ir import work_of
from flowir.prim.splitting import drop_unused, follow, parts_of, split_into
from flowir.prim.timing import Timer, timed


@dataclass(frozen=True)
class PrimSplitStages(ModulePass):
    """What exceeds the efficient batch of its engine is done in parts that go on one by one.

        %e = prim.embedding(%docs) engine "embedding" work <items = 32> : (…) -> !prim.embeddings
        %i = prim.ingestion(%e) engine "vector store" work <items = 32> : (…) -> !prim.index

    becomes, where the efficient batch is 16,

        %e1 = prim.embedding(%docs) part 1 of 2 engine "embedding" work <items = 16> : …
        %e2 = prim.embedding(%docs) part 2 of 2 engine "embedding" work <items = 16> : …
        %i1 = prim.ingestion(%e1) engine "vector store" work <items = 16> : …
        %i2 = prim.ingestion(%e2) engine "vector store" work <items = 16> : …
        %i = prim.aggregate union(%i1, %i2) : (!prim.index, !prim.index) -> !prim.index

    Legal because what such an op makes of a list is what it makes of the parts, put together
    (trait `Splittable`). Parts are done one after another in the slots of their engine, and each
    pays the base of a batch: an op that would end later so stays whole.

    Attributes:
        engines: a file of engines (`flowir.engines.storage`) beside the defaults.
    """

    name = "prim-split-stages"

    engines: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for graph, timer in timed(op, self.engines):
            for inner in list(graph.primitives):
                if not (_split(inner, timer) or follow(inner, timer)):
                    timer.run(inner)
            drop_unused(graph)


def _split(op: prim.PrimitiveOp, timer: Timer) -> bool:
    engine = timer.batches(op)
    trait = op.get_trait(prim.Splittable)
    if engine is None or op.part is not None or trait is None:
        return False
    if len(parts_of(op.inputs[trait.over], op.guard)) > 1:
        return False
    count = math.ceil(work_of(op).items / engine.efficient_batch)
    return count > 1 and split_into(op, count, timer)
