"""Everything a report shows of a front, as values that a page can be filled with."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from flowir._version import __version__
from flowir.backends.asyncio.emit import emit
from flowir.backends.drawing.graph import drawing
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.cost.checks import Check
from flowir.cost.report import Row as Learned
from flowir.dialects import flow
from flowir.passes.flow_select import compile_to, estimate_places
from flowir.report.boxes import Box, boxes, sentences
from flowir.report.plots import Plot, plots
from flowir.report.schedule import Bar, schedule
from flowir.search.annotate import annotated_workflow, front_from_ir, workflow_hash
from flowir.search.explain import Explanation, explain
from flowir.search.front import Front
from flowir.search.local import compiled_scenarios
from flowir.search.observed import Observed, given_rates
from flowir.search.pareto_json import front_document
from flowir.search.table import Row, header, rows

VERSIONS = ("flowir", "xdsl", "numpy", "torch", "pyro-ppl")


@dataclass(frozen=True)
class PointPage:
    """One point in full.

    Attributes:
        settings: (choice or decision, what was chosen).
        graph: the workflow compiled to it; `edges` are its arrows, `described` the same in words.
        python: the emitted file at this point.
        bars, explanation: empty and None without observations.
    """

    number: int
    row: Row
    settings: tuple[tuple[str, str], ...]
    graph: tuple[Box, ...]
    edges: tuple[tuple[str, str, str], ...]
    described: tuple[str, ...]
    python: str
    bars: tuple[Bar, ...] = ()
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Report:
    """A front, with all there is to show of it.

    Attributes:
        document: the front as `pareto-json` has it.
        learned: what observations say of each agent and configuration, where they were given.
        checks: observed figures beside what the fitted model would produce.
        facts: how the front came about, as (name, value).
        versions: of what made the report.
    """

    title: str
    front: Front
    header: Row
    document: dict[str, Any]
    plots: Sequence[Plot]
    points: Sequence[PointPage]
    learned: Sequence[Learned]
    checks: Sequence[Check]
    facts: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]


def gather(module: ModuleOp, name: str | None = None, observed: Observed | None = None) -> Report:
    """Everything of the front of a workflow.

    Args:
        module: left as it is.
        observed: what the front was made from; adds what agents were learned to do, timelines and
            explanations.

    Raises:
        FlowirError: there is no front, or it does not fit the workflow or the observations.
    """
    workflow = annotated_workflow(module, name)
    front = front_from_ir(workflow)
    numbers = range(len(front.points))
    known = None if observed is None else _known(module, workflow, front, observed)
    points = [_point(module, workflow, front, number, known) for number in numbers]
    prices = None if observed is None else observed.prices
    return Report(
        front.workflow,
        front,
        header(front),
        front_document(front, workflow_hash(workflow)),
        plots(front),
        points,
        () if observed is None else observed.model.table(prices),
        () if observed is None else observed.model.checks,
        _facts(front),
        [(package, metadata.version(package)) for package in VERSIONS[1:]]
        + [("flowir", __version__), ("Python", platform.python_version())],
    )


@dataclass(frozen=True)
class _Known:
    """What observations add: scenarios of the open workflow, and an explanation per point."""

    terms: Workflow
    scenarios: Scenarios
    explanations: Sequence[Explanation]


def _known(module: ModuleOp, workflow: flow.WorkflowOp, front: Front, observed: Observed) -> _Known:
    terms, facts = workflow_terms(workflow), front.facts
    source = observed.source(terms, given_rates(module), facts.queries)
    scenarios = source(facts.draws, facts.scenarios, facts.seed)
    explanations = explain(
        terms, front, range(len(front.points)), lambda draws, queries, seed: scenarios
    )
    return _Known(terms, scenarios, explanations)


def _point(
    module: ModuleOp,
    workflow: flow.WorkflowOp,
    front: Front,
    number: int,
    known: _Known | None,
) -> PointPage:
    point, name = front.points[number], workflow.sym_name.data
    compiled_module = module.clone()
    compiled = annotated_workflow(compiled_module, name)
    compile_to(compiled, front, point)
    bars: tuple[Bar, ...] = ()
    if known is not None:
        own = compiled_scenarios(known.scenarios, known.terms, workflow_terms(compiled))
        estimate_places(compiled, front, own)
        bars = schedule(compiled)
    drawn = drawing(compiled_module, name)
    settings = [
        (structure.name, label)
        for structure, label in zip(front.structures, point.choices, strict=True)
        if label is not None
    ]
    settings += [
        (str(decision), str(chosen))
        for decision, chosen in zip(front.decisions, point.configurations, strict=True)
        if chosen is not None
    ]
    return PointPage(
        number,
        rows(front)[number],
        tuple(settings),
        boxes(drawn),
        tuple((edge.start, edge.end, edge.label) for edge in drawn.edges),
        tuple(sentences(drawn)),
        emit(compiled_module, name),
        bars,
        None if known is None else known.explanations[number],
    )


def _facts(front: Front) -> list[tuple[str, str]]:
    """How the front came about; what is long and has a place of its own is left out."""
    elsewhere = {"assumptions", "warnings", "prices"}
    return [
        (field.name.replace("_", " "), text)
        for field in fields(front.facts)
        if field.name not in elsewhere and (text := _text(getattr(front.facts, field.name)))
    ]


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
