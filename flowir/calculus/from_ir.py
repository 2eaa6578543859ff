"""Reads a `flow.workflow` as terms: the one place where the calculus meets the IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, NoneAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.ir import Block as IRBlock

from flowir.calculus import terms
from flowir.calculus.plans import PlanShape
from flowir.calculus.sites import site_names
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.flow_checks import describe, module_symbols
from flowir.dialects.flow_fused import fused_with
from flowir.dialects.flow_plan import planned_tools
from flowir.dialects.literals import literal_value
from flowir.errors import CalculusError


def configuration(attribute: ConfigAttr) -> Configuration:
    """The value of a `#dse.config`."""
    budget = None if isinstance(attribute.budget, NoneAttr) else attribute.budget.data
    params = tuple((name, literal_value(value)) for name, value in attribute.params.data.items())  # type: ignore[arg-type]
    return Configuration(attribute.model.data, budget, params)


def config_attribute(chosen: Configuration) -> ConfigAttr:
    """The `#dse.config` of a value."""
    return ConfigAttr.of(chosen.model, chosen.budget, chosen.params)


def configurations(space: SpaceAttr) -> tuple[Configuration, ...]:
    """Every configuration of a `#dse.space`, model by model, budgets before parameters."""
    found: list[Configuration] = []
    for option in space.options:
        names = sorted(option.params.data)
        budgets = [*_values(option.budgets)] or [None]
        params = [_values(option.params.data[name]) for name in names]
        found += [
            Configuration(option.model.data, budget, tuple(zip(names, values, strict=True)))
            for budget, *values in product(budgets, *params)
        ]
    return tuple(found)


def _values(attribute: Attribute) -> list[Any]:
    """The numbers and strings of a list of literals."""
    assert isinstance(attribute, ArrayAttr)
    return [literal_value(value) for value in attribute]


def workflow_terms(workflow: flow.WorkflowOp) -> terms.Workflow:
    """The terms of a verified workflow whose calls of other workflows have been inlined.

    Decisions are in order of first appearance. An op that already has its `config` leaves its
    decision no choice.

    Raises:
        CalculusError: an agent without a space, a space emptied by a narrower one, a call of
            another workflow, contradictory configurations of one decision.
    """
    return _read(workflow)[0]


def defining_ops(workflow: flow.WorkflowOp) -> dict[terms.Value, Operation]:
    """The op that makes each value of `workflow_terms(workflow)`; arguments have none."""
    values = _read(workflow)[1]
    return {n: v.owner for v, n in values.items() if isinstance(v.owner, Operation)}


def _read(workflow: flow.WorkflowOp) -> tuple[terms.Workflow, Mapping[SSAValue, terms.Value]]:
    """The terms of a workflow, and the number of each of its values."""
    symbols = module_symbols(workflow)
    if symbols is None:
        raise CalculusError(
            f"{describe(workflow)}: it stands in no module, so its agents are unknown"
        )
    reader = _Reader(workflow.sym_name.data, symbols, site_names(workflow))
    for argument in workflow.body.block.args:
        reader.value(argument)
    body = reader.block(workflow.body.block)
    found = terms.Workflow(
        workflow.sym_name.data,
        terms.Block(body.terms, body.result),
        tuple(reader.decisions()),
        tuple(terms.Structure(name, labels) for name, labels in reader.structures.items()),
        tuple(
            (reader.value(op.results[0]), name)
            for op in workflow.body.walk()
            if (name := fused_with(op)) is not None
        ),
    )
    return found, reader.numbers


def find_workflow(module: ModuleOp, name: str | None = None) -> flow.WorkflowOp:
    """The workflow of that name, or the module's entry: the one that no other calls.

    Raises:
        CalculusError: no such workflow, or several that might be meant.
    """
    found = {op.sym_name.data: op for op in module.ops if isinstance(op, flow.WorkflowOp)}
    if name is not None:
        if name not in found:
            raise CalculusError(f"no workflow @{name}; there are {', '.join(found) or 'none'}")
        return found[name]
    called = {
        op.callee.root_reference.data
        for workflow in found.values()
        for op in workflow.walk()
        if isinstance(op, flow.CallOp)
    }
    entries = [name for name in found if name not in called]
    if len(entries) != 1:
        raise CalculusError(
            f"{len(entries)} workflows could be meant ({', '.join(entries) or 'none'}); "
            "keep one per module, or name it with workflow=NAME"
        )
    return found[entries[0]]


@dataclass
class _Reader:
    """Numbers values and collects decisions while a workflow is read."""

    workflow: str
    symbols: Mapping[str, Operation]
    sites: Mapping[Operation, str]
    structures: dict[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: dict[SSAValue, int] = field(default_factory=dict)
    _decisions: dict[tuple[str, str], list[Operation]] = field(default_factory=dict)

    def value(self, value: SSAValue) -> int:
        return self.numbers.setdefault(value, len(self.numbers))

    def values(self, values: Sequence[SSAValue]) -> tuple[int, ...]:
        return tuple(self.value(value) for value in values)

    def block(self, block: IRBlock) -> terms.Block:
        arguments = self.values(block.args)
        found = [READERS[type(op)](self, op) for op in block.ops if type(op) in READERS]
        last = block.last_op
        assert last is not None
        return terms.Block(tuple(found), self.value(last.operands[0]), arguments)

    def region(self, region: Region) -> terms.Block:
        return self.block(region.block)

    def decision(self, op: Operation, agent: str) -> int:
        group = op.properties.get("group")
        key = (agent, group.data if isinstance(group, StringAttr) else "")
        self._decisions.setdefault(key, []).append(op)
        return list(self._decisions).index(key)

    def decisions(self) -> list[terms.Decision]:
        return [
            _decision(self.workflow, self.symbols[agent], group, ops)
            for (agent, group), ops in self._decisions.items()
        ]

    def checker(self, op: Operation, until: SymbolRefAttr) -> terms.Checker:
        name = until.root_reference.data
        target = self.symbols[name]
        site = f"{self.sites[op]}.check"
        if isinstance(target, flow.ToolOp):
            return terms.Checker(name, site, latency_s=target.latency.data, writes=_writes(target))
        return terms.Checker(name, site, decision=self.decision(op, name))


def _decision(
    workflow: str, target: Operation, group: str, ops: Sequence[Operation]
) -> terms.Decision:
    """The decision that the calls `ops` of an agent share."""
    assert isinstance(target, flow.AgentOp)
    agent = target.sym_name.data
    baseline = None if target.baseline is None else configuration(target.baseline)
    fixed = {
        configuration(config)
        for op in ops
        if isinstance(config := op.properties.get("config"), ConfigAttr)
    }
    if len(fixed) > 1:
        raise CalculusError(
            f"{describe(ops[0])}: calls of one decision have different configurations "
            f"({'; '.join(sorted(map(str, fixed)))}); give them one, or different groups with `as`"
        )
    if fixed:
        return terms.Decision(
            workflow, agent, group, tuple(fixed), 0 if {baseline} == fixed else None
        )
    allowed = None if target.space is None else configurations(target.space)
    for op in ops:
        narrower = op.properties.get("space")
        if not isinstance(narrower, SpaceAttr):
            continue
        wanted = configurations(narrower)
        kept = wanted if allowed is None else tuple(c for c in allowed if c in wanted)
        if not kept:
            raise CalculusError(
                f"{describe(op)}: its `space` leaves nothing of the space of @{agent}; "
                "name models, budgets and parameters that the agent's space has"
            )
        allowed = kept
    if allowed is None:
        raise CalculusError(
            f"flow.agent @{agent}: no space, so there is nothing to choose from; "
            'add `space <models = ["…"]>`'
        )
    if baseline is None:
        return terms.Decision(workflow, agent, group, allowed)
    if baseline in allowed:
        return terms.Decision(workflow, agent, group, allowed, allowed.index(baseline))
    return terms.Decision(workflow, agent, group, (*allowed, baseline), len(allowed), closed=1)


def _call(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.CallOp)
    name = op.callee.root_reference.data
    target = reader.symbols[name]
    inputs, output = reader.values(op.inputs), reader.value(op.output)
    site = reader.sites[op]
    if isinstance(target, flow.ToolOp):
        writes = _writes(target)
        return terms.ToolCall(site, name, inputs, output, target.latency.data, writes)
    if isinstance(target, flow.WorkflowOp):
        raise CalculusError(
            f"{describe(op)}: calls of workflows are read after inlining; run flow-inline first"
        )
    return terms.Call(site, reader.decision(op, name), inputs, output, fresh=_in_refine(op))


def _writes(tool: flow.ToolOp) -> bool:
    return tool.effect.data is flow.Effect.WRITES


def _in_refine(op: Operation) -> bool:
    """Whether an op takes part in refining a value."""
    parent = op.parent_op()
    while parent is not None:
        if isinstance(parent, flow.RefineOp):
            return True
        parent = parent.parent_op()
    return False


def _join(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.JoinOp)
    inputs, output = reader.values(op.inputs), reader.value(op.output)
    match op.mode.data:
        case flow.JoinMode.VOTE:
            key = None if op.key is None else reader.symbols[op.key.root_reference.data]
            writes = isinstance(key, flow.ToolOp) and _writes(key)
            return terms.Vote(inputs, output, op.quorum is not None, writes=writes)
        case flow.JoinMode.FIRST:
            checker = None if op.until is None else reader.checker(op, op.until)
            after = () if op.after is None else op.delays
            return terms.First(reader.sites[op], inputs, output, checker, after)
        case flow.JoinMode.SELECT:
            assert op.by is not None
            decision = reader.decision(op, op.by.root_reference.data)
            context = reader.values(op.context)
            return terms.Select(reader.sites[op], decision, context, inputs, output)
        case flow.JoinMode.ALL:
            return terms.Join("all", inputs, output)
        case flow.JoinMode.ANY:
            return terms.Join("any", inputs, output)
        case flow.JoinMode.CONCAT:
            return terms.Join("concat", inputs, output)


def _branch(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.BranchOp)
    weights: Sequence[float | None] = (
        [None] * len(op.blocks) if op.weights is None else [weight.data for weight in op.weights]
    )
    router = None
    producer = op.on.owner
    if isinstance(producer, flow.CallOp):
        name = producer.callee.root_reference.data
        if isinstance(reader.symbols[name], flow.AgentOp):
            router = reader.decision(producer, name)
    cases = tuple(
        terms.Case(name, reader.region(region), weight)
        for (name, region), weight in zip(op.blocks, weights, strict=True)
    )
    return terms.Branch(
        reader.sites[op], reader.value(op.on), cases, reader.value(op.output), router
    )


def _fallback(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.FallbackOp)
    checker = reader.checker(op, op.until)
    first, *rest = [reader.region(region) for region in op.tiers]
    tiers = (*[first] * op.bound.data, *rest)
    return terms.Fallback(reader.sites[op], checker, tiers, reader.value(op.output))


def _refine(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.RefineOp)
    checker = reader.checker(op, op.until)
    initial, body = reader.value(op.initial), reader.region(op.body)
    output = reader.value(op.output)
    return terms.Refine(reader.sites[op], checker, initial, body, op.bound.data, output)


def _map(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.MapOp)
    width = op.bound.data if op.width is None else op.width.data
    return terms.Map(
        reader.sites[op],
        reader.value(op.source),
        reader.region(op.body),
        width,
        op.bound.data,
        reader.value(op.output),
        op.mean is not None,
    )


def _plan(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.PlanOp)
    planner, joiner = reader.region(op.planner), reader.region(op.joiner)
    tools = tuple(planned_tools(op, reader.symbols))
    plans = op.max_replans.data + 1
    return terms.Plan(
        reader.sites[op],
        planner,
        joiner,
        plans,
        plan_shape(op, tuple(tool.latency.data for tool in tools)),
        reader.value(op.output),
        op.max_tasks.data,
        tuple(tool.signature for tool in tools),
        writes=any(map(_writes, tools)),
    )


def plan_shape(op: flow.PlanOp, tools: tuple[float, ...]) -> PlanShape:
    """What is expected of the plans of an op whose tools take so many seconds.

    Raises:
        CalculusError: it expects more tasks than there may be.
    """
    if op.expects is None:
        return PlanShape(tools=tools)
    expects = op.expects
    width, depth = expects.width.distribution, expects.depth.distribution
    most = max(count for count, _ in width) * max(count for count, _ in depth)
    if most > op.max_tasks.data:
        raise CalculusError(
            f"{describe(op)}: it `expects` plans of up to {most} tasks, but max_tasks is "
            f"{op.max_tasks.data}; raise max_tasks, or expect less"
        )
    return PlanShape(
        width,
        depth,
        expects.right.data,
        expects.replan_right.data,
        expects.replan_wrong.data,
        tools,
    )


def _alternatives(reader: _Reader, op: Operation) -> terms.Term:
    assert isinstance(op, flow.AlternativesOp)
    labels = tuple(name.data for name in op.labels)
    reader.structures.setdefault(op.choice.data, labels)
    blocks = [reader.region(region) for region in op.cases]
    cases = tuple(zip(labels, blocks, strict=True))
    return terms.Alternatives(op.choice.data, cases, reader.value(op.output))


READERS: dict[type[Operation], Callable[[_Reader, Operation], terms.Term]] = {
    flow.CallOp: _call,
    flow.JoinOp: _join,
    flow.BranchOp: _branch,
    flow.FallbackOp: _fallback,
    flow.RefineOp: _refine,
    flow.MapOp: _map,
    flow.PlanOp: _plan,
    flow.AlternativesOp: _alternatives,
}
