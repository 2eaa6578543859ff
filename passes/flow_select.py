"""Compiles a workflow to one point of its front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from flowir.calculus.from_ir import config_attribute, workflow_terms
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.sites import site_names
from flowir.dialects import flow
from flowir.dialects.dse import ESTIMATE, PRICES, EstimateAttr
from flowir.search.annotate import (
    annotated_workflow,
    clear,
    decision_key,
    front_from_ir,
    requirements,
)
from flowir.search.explore import known_objectives
from flowir.search.facts import price_texts
from flowir.search.front import Estimate, Front, FrontPoint
from flowir.search.local import local_estimates
from flowir.search.observed import given_rates, read_observed
from flowir.search.selection import select


@dataclass(frozen=True)
class FlowSelect(ModulePass):
    """Takes one point of the front: its alternatives are inlined, its configurations written.

        %a = flow.alternatives "strategy" -> !flow.text attributes {dse.choices = ["once", "twice"]}
          "once" {
            %draft = flow.call @coder(%task) at "draft" attributes {dse.configs = […]} : …
            flow.yield %draft : !flow.text
          }
          "twice" { … }

    becomes with `point=0`

        %draft = flow.call @coder(%task) at "draft" config <"gpt-4-0613"> : …

    The workflow gets the point's estimates, and keeps the prices of its models. With the
    observations that the front was made from, every op that has a site gets its own estimates: what
    it does given that all it reads is right.

    Attributes:
        point, prefer, max_latency, min_accuracy, max_cost: which, see
            `flowir.search.selection.select`.
        workflow: name of the workflow, where several have a front.
        profile, prices: as given to `flow-dse`.
    """

    name = "flow-select"

    point: int | None = None
    prefer: int | float | None = None
    max_latency: int | float | None = None
    min_accuracy: int | float | None = None
    max_cost: int | float | None = None
    workflow: str | None = None
    profile: str | None = None
    prices: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        workflow = annotated_workflow(op, self.workflow)
        front = front_from_ir(workflow)
        number = select(
            front,
            point=self.point,
            prefer=self.prefer,
            max_latency=self.max_latency,
            min_accuracy=self.min_accuracy,
            max_cost=self.max_cost,
        )
        compile_to(workflow, front, front.every[number])
        if self.profile is not None:
            observed = read_observed(self.profile, self.prices, front.facts.seed)
            facts, rates = front.facts, given_rates(op)
            source = observed.source(workflow_terms(workflow), rates, facts.queries)
            estimate_places(workflow, front, source(facts.draws, facts.scenarios, facts.seed))


def estimate_places(workflow: flow.WorkflowOp, front: Front, scenarios: Scenarios) -> None:
    """Write local estimates into a compiled workflow.

    Args:
        scenarios: of its decisions, the draws and queries of the front's estimates.
    """
    terms = workflow_terms(workflow)
    known, _ = known_objectives(terms, scenarios)
    found = local_estimates(terms, scenarios, front.facts, known)
    for op, site in site_names(workflow).items():
        op.attributes[ESTIMATE] = _attribute(found[site])


def compile_to(workflow: flow.WorkflowOp, front: Front, point: FrontPoint) -> None:
    """Leave of a workflow what one point of its front does."""
    decisions = {(d.agent, d.group): i for i, d in enumerate(front.decisions)}
    chosen = {s.name: label for s, label in zip(front.structures, point.choices, strict=True)}
    for op in workflow.walk():
        key = decision_key(op)
        if key is None or any(chosen[name] != label for name, label in requirements(op)):
            continue
        configuration = point.configurations[decisions[key]]
        assert configuration is not None
        op.properties["config"] = config_attribute(configuration)
    clear(workflow)
    inline_alternatives(workflow, chosen)
    _drop_single_groups(workflow)
    workflow.attributes[ESTIMATE] = _attribute(point.estimates)
    if front.facts.prices:
        workflow.attributes[PRICES] = ArrayAttr(map(StringAttr, price_texts(front.facts.prices)))


def inline_alternatives(workflow: flow.WorkflowOp, chosen: Mapping[str, str | None]) -> None:
    """Replace every alternatives by the region of its chosen label, outer before inner."""
    while (op := _first_alternatives(workflow)) is not None:
        labels = [label.data for label in op.labels]
        block = op.cases[labels.index(chosen[op.choice.data] or "")].block
        end = block.last_op
        assert end is not None
        Rewriter.inline_block(block, InsertPoint.before(op))
        Rewriter.replace_op(op, [], [end.operands[0]])
        Rewriter.erase_op(end)


def _first_alternatives(workflow: flow.WorkflowOp) -> flow.AlternativesOp | None:
    return next((op for op in workflow.walk() if isinstance(op, flow.AlternativesOp)), None)


def _drop_single_groups(workflow: flow.WorkflowOp) -> None:
    """A group tells calls of one agent apart: where one group is left, its name goes."""
    groups: dict[str, set[str]] = {}
    callers: list[tuple[Operation, str]] = []
    for op in workflow.walk():
        if (key := decision_key(op)) is not None:
            agent, group = key
            groups.setdefault(agent, set()).add(group)
            callers.append((op, agent))
    for op, agent in callers:
        if len(groups[agent]) == 1:
            op.properties.pop("group", None)


def _attribute(estimates: Mapping[str, Estimate]) -> DictionaryAttr:
    return DictionaryAttr(
        {
            name: EstimateAttr.of(estimate.mean, estimate.low, estimate.high)
            for name, estimate in estimates.items()
        }
    )
