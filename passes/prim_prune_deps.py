"""Leaves nothing but data between primitives."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from flowir.dialects import prim


@dataclass(frozen=True)
class PrimPruneDeps(ModulePass):
    """Drops the order of modules: what no value connects may run at the same time.

        %i = prim.ingestion(%e) engine "vector store" : (!prim.embeddings) -> !prim.index
        %kv = prim.prefilling @expand["Expand ", %q] engine "llm" after(%i : !prim.index)
            : (!flow.text) -> !prim.kv

    becomes

        %i = prim.ingestion(%e) engine "vector store" : (!prim.embeddings) -> !prim.index
        %kv = prim.prefilling @expand["Expand ", %q] engine "llm" : (!flow.text) -> !prim.kv

    Legal because values are the only order that a workflow has: an op that comes `after` another
    reads nothing of it. Guards stay; what a case does is still not done outside of it.
    """

    name = "prim-prune-deps"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for graph in op.ops:
            if isinstance(graph, prim.GraphOp):
                for inner in graph.primitives:
                    if inner.after:
                        inner.wait_for(())
