"""Lowers workflows to primitives."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from flowir.dialects import flow
from flowir.engines import defaults
from flowir.prim.lowering import LoweringOptions, lower_workflow


@dataclass(frozen=True)
class LowerFlowToPrim(ModulePass):
    """Every workflow becomes a graph of primitives; agents and tools stay as they are declared.

        %c = flow.call @nearest(%i, %q) : (!flow.json, !flow.json) -> !flow.list<!flow.text>
        %a = flow.call @answer(%question, %c) : (…) -> !flow.text

    becomes, where `@nearest` is declared `as searching top 16`,

        %c = prim.searching(%i, %q) top 16 at "c" engine "vector store" work <items = 1>
            : (!prim.index, !prim.embeddings) -> !prim.chunks
        %kv = prim.prefilling @answer["Answer ", %question tokens 12, " from ", %c tokens 600 late]
            at "a" engine "llm" work <input = 620> after(%c : !prim.chunks)
            : (!flow.text, !prim.chunks) -> !prim.kv
        %a = prim.decoding @answer(%kv) at "a" engine "llm" work <output = 30, context = 620>
            : (!prim.kv) -> !flow.text

    - A branch becomes a condition; its cases run under guards, and an aggregate chooses. So do the
      tiers of a fallback and the bodies of a refine, as often as they are allowed to run.
    - A map becomes its body once per item, up to its `max`; what is beyond the `width` it is
      expected to have is `spare`.
    - Joins become aggregates; a selection asks its agent first.
    - Agents run on the engine that their attribute `prim.engine` names, else on their model.
    - How much work everything is follows from `prim.inputs`, `prim.answer` and `prim.result`
      (`flowir.prim.sizes`).

    Calls of workflows have to be inlined and alternatives chosen before. Races and plans cannot be
    lowered.

    Attributes:
        modules: each op of a block waits for the one before it, as frameworks run modules; ops
            beside each other with the same attribute `prim.module` are one module. Without, values
            are the only order.
        llm: the engine of agents that name neither an engine nor a model.
        accept: how often a checker is expected to accept.
    """

    name = "lower-flow-to-prim"

    modules: bool = True
    llm: str = defaults.LLM
    accept: int | float = 0.5

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        options = LoweringOptions(self.modules, self.llm, float(self.accept))
        workflows = [inner for inner in op.ops if isinstance(inner, flow.WorkflowOp)]
        graphs = [lower_workflow(workflow, options) for workflow in workflows]
        for workflow, graph in zip(workflows, graphs, strict=True):
            Rewriter.replace_op(workflow, graph, [])
