"""Fuses what runs beside other things into single nodes of LangGraph, so that nothing waits."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass

from flowir.calculus.from_ir import defining_ops, find_workflow, workflow_terms
from flowir.calculus.fusing import Segment, segments_to_fuse, with_fused
from flowir.calculus.realised import realise
from flowir.calculus.terms import Workflow
from flowir.dialects.flow import WorkflowOp
from flowir.dialects.flow_fused import FUSED
from flowir.errors import CalculusError
from flowir.passes.flow_inline import FlowInline
from flowir.search.observed import given_rates, read_observed
from flowir.search.options import Options


@dataclass(frozen=True)
class FlowFuseSupersteps(ModulePass):
    """Marks chains of operations that run in one node of LangGraph.

        %a1 = flow.call @fast(%task) : (!flow.text) -> !flow.text
        %a2 = flow.call @slow(%a1) : (!flow.text) -> !flow.text
        %b1 = flow.call @slow(%task) : (!flow.text) -> !flow.text
        %b2 = flow.call @fast(%b1) : (!flow.text) -> !flow.text

    becomes

        %a1 = flow.call @fast(%task) attributes {flow.fused = "node_0"} : …
        %a2 = flow.call @slow(%a1) attributes {flow.fused = "node_0"} : …
        %b1 = flow.call @slow(%task) attributes {flow.fused = "node_1"} : …
        %b2 = flow.call @fast(%b1) attributes {flow.fused = "node_1"} : …

    and %a2 no longer waits for %b1. Marks that are there already are replaced. Without `profile`
    every barrier inside concurrent parts goes: this is never slower, whatever the calls take. With
    it only those go that make the compiled workflow wait, so that more nodes can be seen, retried
    and resumed on their own.

    Attributes:
        profile, prices: as given to `flow-dse`; for a workflow that has one configuration left.
        workflow: only this one.
        seed: of the latencies that are drawn.
    """

    name = "flow-fuse-supersteps"

    profile: str | None = None
    prices: str | None = None
    workflow: str | None = None
    seed: int = Options.seed

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        FlowInline(keep=True).apply(ctx, op)
        if self.workflow is not None:
            workflows = [find_workflow(op, self.workflow)]
        else:
            workflows = [inner for inner in op.ops if isinstance(inner, WorkflowOp)]
        for workflow in workflows:
            for inner in workflow.walk():
                inner.attributes.pop(FUSED, None)
            terms = workflow_terms(workflow)
            found = segments_to_fuse(terms)
            if self.profile is not None and found:
                found = self._worth_it(op, terms, found)
            ops = defining_ops(workflow)
            for value, name in with_fused(terms, found).fused:
                ops[value].attributes[FUSED] = StringAttr(name)

    def _worth_it(
        self, module: ModuleOp, workflow: Workflow, segments: tuple[Segment, ...]
    ) -> tuple[Segment, ...]:
        """The segments without which the mean run would take longer."""
        if workflow.structures or any(len(d.choices) > 1 for d in workflow.decisions):
            raise CalculusError(
                f"{self.name}: with profile, @{workflow.name} must be compiled to one point; run "
                "flow-select first, or leave profile out to fuse all that might wait"
            )
        observed = read_observed(self.profile, self.prices, self.seed)
        source = observed.source(workflow, given_rates(module), Options.queries)
        scenarios = source(Options.draws, Options.scenarios, self.seed)

        def seconds(some: tuple[Segment, ...]) -> float:
            setting = [[0] * len(workflow.decisions)]
            fused = with_fused(workflow, some)
            run = realise(fused, setting, scenarios, "langgraph", self.seed)
            return float(run.latency.mean())

        best = seconds(segments)
        for segment in segments:
            without = tuple(other for other in segments if other is not segment)
            # The same latencies are drawn, so equal times differ by rounding only.
            if seconds(without) <= best * (1.0 + 1e-9):
                segments = tuple(s for s in segments if s is not segment)
        return segments
