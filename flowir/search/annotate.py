"""Fronts in the IR: written as attributes on a workflow and its ops, and read back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from io import StringIO

from xdsl.dialects.builtin import (
    ArrayAttr,
    BoolAttr,
    DictionaryAttr,
    FloatData,
    IntAttr,
    ModuleOp,
    StringAttr,
)
from xdsl.ir import Attribute, Operation
from xdsl.printer import Printer

from flowir.calculus.from_ir import config_attribute, configuration, workflow_terms
from flowir.calculus.terms import Workflow
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.dse import (
    ANNOTATIONS,
    CHOICES,
    CONFIGS,
    FRONT,
    ConfigAttr,
    EstimateAttr,
    FrontAttr,
    PointAttr,
    UnusedAttr,
)
from flowir.dialects.flow_checks import Symbols, describe, invoked, module_symbols
from flowir.errors import SearchError
from flowir.search.facts import facts_attribute, facts_of
from flowir.search.front import Estimate, Front, FrontPoint

UNUSED = UnusedAttr()


def annotate(workflow: flow.WorkflowOp, front: Front) -> None:
    """Write a front into the workflow it belongs to, in place of any other.

    The workflow gets the points, every op that calls an agent its configuration per point, every
    alternatives its label per point.
    """
    clear(workflow)
    decisions = {(d.agent, d.group): i for i, d in enumerate(front.decisions)}
    structures = {structure.name: i for i, structure in enumerate(front.structures)}
    for op in list(workflow.walk()):
        needs = [(structures[name], label) for name, label in requirements(op)]
        reached = [all(point.choices[i] == x for i, x in needs) for point in front.every]
        if isinstance(op, flow.AlternativesOp):
            choice = structures[op.choice.data]
            op.attributes[CHOICES] = _per_point(
                StringAttr(label) if here and (label := point.choices[choice]) else UNUSED
                for point, here in zip(front.every, reached, strict=True)
            )
        elif (key := decision_key(op)) is not None:
            decision = decisions[key]
            op.attributes[CONFIGS] = _per_point(
                config_attribute(chosen)
                if here and (chosen := point.configurations[decision])
                else UNUSED
                for point, here in zip(front.every, reached, strict=True)
            )
    workflow.attributes[FRONT] = FrontAttr(
        StringAttr(workflow_hash(workflow)),
        facts_attribute(front.facts, len(front.points)),
        ArrayAttr([_point_attribute(i, point) for i, point in enumerate(front.every)]),
    )


def front_from_ir(workflow: flow.WorkflowOp) -> Front:
    """The front written into a workflow.

    Raises:
        SearchError: there is none, it belongs to another version of the workflow, or its
            annotations do not fit together.
    """
    attribute = workflow.attributes.get(FRONT)
    if not isinstance(attribute, FrontAttr):
        raise SearchError(f"{describe(workflow)}: it has no front; run flow-dse first")
    if attribute.workflow_hash.data != workflow_hash(workflow):
        raise SearchError(
            f"{describe(workflow)}: the front belongs to another version of the workflow or of "
            "what it calls; run flow-dse again"
        )
    terms = workflow_terms(workflow)
    count = len(attribute.points)
    chosen = _read_configurations(workflow, terms, count)
    labels = _read_choices(workflow, terms, count)
    points = tuple(
        _point_of(point, chosen[number], labels[number])
        for number, point in enumerate(attribute.points)
    )
    facts, kept = facts_of(attribute.facts, describe(workflow))
    if sum(point.baseline for point in points[:kept]) != 1:
        raise SearchError(
            f"{describe(workflow)}: not exactly one point of its front is the baseline; "
            "run flow-dse again"
        )
    return Front(terms.name, terms.decisions, terms.structures, points[:kept], facts, points[kept:])


def annotated_workflow(module: ModuleOp, name: str | None) -> flow.WorkflowOp:
    """The workflow whose front is meant.

    Raises:
        SearchError: there is no front, or several, and none is named.
    """
    found = {
        op.sym_name.data: op
        for op in module.walk()
        if isinstance(op, flow.WorkflowOp) and FRONT in op.attributes
    }
    if name is not None and name in found:
        return found[name]
    if len(found) == 1 and name is None:
        return next(iter(found.values()))
    there = ", ".join(f"@{n}" for n in found)
    if not found:
        raise SearchError("no workflow has a front; run flow-dse first (--dse)")
    if name is None:
        raise SearchError(f"{there} have fronts; name one with workflow=NAME")
    raise SearchError(f"@{name} has no front; {there} has")


def clear(workflow: flow.WorkflowOp) -> None:
    """Remove everything exploration wrote."""
    for op in workflow.walk():
        for name in ANNOTATIONS:
            op.attributes.pop(name, None)


def requirements(op: Operation) -> Iterator[tuple[str, str]]:
    """(choice, label) of every alternatives region around an op: what a point must choose."""
    region = op.parent_region()
    while region is not None and (parent := region.parent) is not None:
        if isinstance(parent, flow.AlternativesOp):
            label = parent.labels.data[list(parent.cases).index(region)]
            yield parent.choice.data, label.data
        region = parent.parent_region()


def decision_key(op: Operation) -> tuple[str, str] | None:
    """(agent, group) of the decision an op depends on itself; None where it calls no agent."""
    name = flow.called_symbol(op)
    symbols = None if name is None else module_symbols(op)
    if name is None or symbols is None or not isinstance(symbols.get(name), flow.AgentOp):
        return None
    group = op.properties.get("group")
    return name, group.data if isinstance(group, StringAttr) else ""


def workflow_hash(workflow: flow.WorkflowOp) -> str:
    """SHA-256 of a workflow and of all it calls: what a front belongs to.

    Names of SSA values, the order of attributes and what exploration wrote do not count.
    """
    symbols = module_symbols(workflow) or {}
    used = {workflow.sym_name.data: workflow, **_called(workflow, symbols)}
    digest = hashlib.sha256(b"flowir workflow 1\0")
    for name in sorted(used):
        digest.update(canonical_text(used[name]).encode())
    return digest.hexdigest()


def _called(op: Operation, symbols: Symbols) -> dict[str, Operation]:
    """Agents, tools and workflows that an op's regions call, at any remove."""
    found: dict[str, Operation] = {}
    for inner in op.walk():
        for symbol in invoked(inner):
            target = symbols.get(called := symbol.root_reference.data)
            if target is not None and called not in found:
                found[called] = target
                found |= _called(target, symbols)
    return found


def canonical_text(op: Operation) -> str:
    """An op as text that means what it does: no names of values, attributes in order."""
    copy = op.clone()
    for inner in copy.walk():
        for name in ANNOTATIONS:
            inner.attributes.pop(name, None)
        for bag in (inner.attributes, inner.properties):
            ordered = sorted(bag.items())
            bag.clear()
            bag.update(ordered)
        for value in (
            *inner.results,
            *(a for r in inner.regions for b in r.blocks for a in b.args),
        ):
            value.name_hint = None
    text = StringIO()
    Printer(text, print_generic_format=True).print_op(copy)
    return text.getvalue()


def _per_point(entries: Iterator[Attribute]) -> ArrayAttr[Attribute]:
    return ArrayAttr(list(entries))


def _point_attribute(number: int, point: FrontPoint) -> PointAttr:
    return PointAttr(
        IntAttr(number),
        DictionaryAttr(
            {
                name: EstimateAttr.of(estimate.mean, estimate.low, estimate.high)
                for name, estimate in point.estimates.items()
            }
        ),
        FloatData(point.p_non_dominated),
        DictionaryAttr({name: IntAttr(bound) for name, bound in point.worst.items()}),
        BoolAttr.from_bool(point.baseline),
    )


def _point_of(
    attribute: PointAttr,
    configurations: Sequence[Configuration | None],
    choices: Sequence[str | None],
) -> FrontPoint:
    estimates = {}
    for name, estimate in attribute.estimates.data.items():
        assert isinstance(estimate, EstimateAttr)
        estimates[name] = Estimate(estimate.mean.data, estimate.low.data, estimate.high.data)
    worst = {name: bound.data for name, bound in attribute.worst.data.items()}  # type: ignore[attr-defined]
    return FrontPoint(
        estimates,
        attribute.p_non_dominated.data,
        worst,
        tuple(configurations),
        tuple(choices),
        bool(attribute.baseline.value.data),
    )


def _entries(op: Operation, name: str, count: int) -> Sequence[Attribute]:
    """The annotation of an op, one entry per point."""
    entries = op.attributes.get(name)
    if not isinstance(entries, ArrayAttr) or len(entries) != count:
        raise SearchError(
            f"{describe(op)}: {name} does not have one entry for each of the {count} points of "
            "the front; run flow-dse again"
        )
    return list(entries)


def _read_configurations(
    workflow: flow.WorkflowOp, terms: Workflow, count: int
) -> list[list[Configuration | None]]:
    """[point][decision], from the first op that a point reaches."""
    place = {(d.agent, d.group): i for i, d in enumerate(terms.decisions)}
    found: list[list[Configuration | None]] = [[None] * len(place) for _ in range(count)]
    for op in workflow.walk():
        if (key := decision_key(op)) is None:
            continue
        for row, entry in zip(found, _entries(op, CONFIGS, count), strict=True):
            if isinstance(entry, ConfigAttr):
                row[place[key]] = row[place[key]] or configuration(entry)
    return found


def _read_choices(workflow: flow.WorkflowOp, terms: Workflow, count: int) -> list[list[str | None]]:
    """[point][structure], from the first alternatives that a point reaches."""
    place = {structure.name: i for i, structure in enumerate(terms.structures)}
    found: list[list[str | None]] = [[None] * len(place) for _ in range(count)]
    for op in workflow.walk():
        if not isinstance(op, flow.AlternativesOp):
            continue
        for row, entry in zip(found, _entries(op, CHOICES, count), strict=True):
            if isinstance(entry, StringAttr):
                row[place[op.choice.data]] = row[place[op.choice.data]] or entry.data
    return found
