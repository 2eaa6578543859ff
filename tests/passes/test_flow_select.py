"""`flow-select` against the front it selects from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, DictionaryAttr, ModuleOp
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.passes import PassPipeline

from flowir.calculus.expectation import expect
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import Workflow
from flowir.dialects import flow
from flowir.dialects.dse import ANNOTATIONS, ESTIMATE, ConfigAttr, Dse
from flowir.dialects.flow import Flow
from flowir.errors import SearchError, SelectionError
from flowir.passes.flow_name_sites import FlowNameSites
from flowir.passes.flow_select import FlowSelect
from flowir.search.annotate import annotate, decision_key
from flowir.search.explore import explore
from flowir.search.front import Front
from flowir.search.options import Options

TEXT = """
flow.agent @coder prompt "{task}" space <models = ["small", "large"]>
flow.agent @critic prompt "{value}" space <models = ["small", "large"]>
flow.tool @tests impl "a.b:tests" -> !flow.bool accepts <right = 0.99, wrong = 0.2>

flow.workflow @w(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "strategy" -> !flow.text
    "retry" {
      %kept = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
        %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
        flow.yield %draft : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    "nested" {
      %a = flow.call @coder(%task) as "strong" : (!flow.text) -> !flow.text
      %picked = flow.alternatives "then" -> !flow.text
        "stop" {
          flow.yield %a : !flow.text
        }
        "again" {
          %b = flow.call @coder(%a) : (!flow.text) -> !flow.text
          flow.yield %b : !flow.text
        }
      flow.yield %picked : !flow.text
    }
  %best = flow.refine(%value, %feedback) from %answer : !flow.text max 2 until @critic {
    %f = flow.call @coder(%value) : (!flow.text) -> !flow.text
    flow.yield %f : !flow.text
  }
  flow.return %best : !flow.text
}
"""
SMALL = Options(execution="sequential", draws=5, scenarios=8, survivors=10**6)


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Flow, Dse):
        context.load_dialect(dialect)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def scenarios(workflow: Workflow, draws: int, queries: int, seed: int) -> Scenarios:
    """Rates by agent and configuration, so that they do not change with what is compiled."""
    size = draws * queries
    difficulty = np.random.default_rng([3, seed]).normal(size=size)
    calls = []
    for decision in workflow.decisions:
        quality = np.array([[0.0 if c.model == "small" else 1.0] for c in decision.configurations])
        success = 1 / (1 + np.exp(difficulty - quality))
        calls.append(
            CallModel(
                success=success,
                log_latency=quality + 0.1 * difficulty,
                latency_scale=np.full(success.shape, 0.3),
                cost=0.001 * (1 + 4 * quality) * np.ones(size),
                accept_right=np.full(success.shape, 0.9),
                accept_wrong=np.full(success.shape, 0.3),
            )
        )
    checkers = {"tests": CheckerModel(np.full(size, 0.99), np.full(size, 0.2))}
    return Scenarios(draws, queries, tuple(calls), checkers)


@pytest.fixture
def explored() -> tuple[str, Front]:
    """The annotated module as text, and its front with every point of the space."""
    module = parse(TEXT)
    FlowNameSites().apply(Context(), module)
    workflow = find_workflow(module)
    terms = workflow_terms(workflow)
    front = explore(terms, lambda d, q, s: scenarios(terms, d, q, s), SMALL)
    annotate(workflow, front)
    return str(module), front


def selected(text: str, **options: object) -> ModuleOp:
    module = parse(text)
    FlowSelect(**options).apply(Context(), module)  # type: ignore[arg-type]
    module.verify()
    return module


def test_what_is_left_does_what_the_point_says(explored: tuple[str, Front]) -> None:
    text, front = explored
    assert len(front.every) == 2 * 2 + 2 * 2 * 2 + 2 * 2 * 2
    for number, point in enumerate(front.every):
        module = selected(text, point=number)
        terms = workflow_terms(find_workflow(module))
        assert not terms.structures
        assert all(len(decision.configurations) == 1 for decision in terms.decisions)
        known = scenarios(terms, SMALL.draws, SMALL.scenarios, SMALL.seed)
        found = expect(terms, np.zeros((1, len(terms.decisions)), int), known, "sequential")
        for name, values in (
            ("accuracy", found.success),
            ("latency_s", found.latency),
            ("cost_usd", found.cost),
        ):
            assert values.mean() == pytest.approx(point.estimates[name].mean, rel=1e-5)


def test_nothing_of_the_exploration_is_left(explored: tuple[str, Front]) -> None:
    text, front = explored
    workflow = find_workflow(selected(text, point=0))
    left = [name for op in workflow.walk() for name in op.attributes if name in ANNOTATIONS]
    assert left == [ESTIMATE]
    assert not any(isinstance(op, flow.AlternativesOp) for op in workflow.walk())
    estimate = workflow.attributes[ESTIMATE]
    assert isinstance(estimate, DictionaryAttr)
    means = {name: entry.mean.data for name, entry in estimate.data.items()}  # type: ignore[attr-defined]
    assert means == {name: e.mean for name, e in front.points[0].estimates.items()}


def test_a_group_is_named_while_it_tells_calls_apart(explored: tuple[str, Front]) -> None:
    """With "again", an ungrouped call of the coder is left besides the one in group "strong"."""
    text, front = explored
    for number, point in enumerate(front.every):
        workflow = find_workflow(selected(text, point=number))
        keys = {key for op in workflow.walk() if (key := decision_key(op)) is not None}
        expected = {("coder", ""), ("critic", "")}
        if point.choices[0] == "nested":
            expected.add(("coder", "strong"))
        assert keys == expected


def test_a_group_that_stands_alone_loses_its_name() -> None:
    text = TEXT.replace("flow.call @coder(%value)", 'flow.call @coder(%value) as "strong"')
    module = parse(text)
    FlowNameSites().apply(Context(), module)
    terms = workflow_terms(find_workflow(module))
    front = explore(terms, lambda d, q, s: scenarios(terms, d, q, s), SMALL)
    annotate(find_workflow(module), front)
    stop = next(i for i, p in enumerate(front.every) if p.choices == ("nested", "stop"))
    again = next(i for i, p in enumerate(front.every) if p.choices == ("nested", "again"))
    names = {}
    for number in (stop, again):
        workflow = find_workflow(selected(str(module), point=number))
        names[number] = {key for op in workflow.walk() if (key := decision_key(op)) is not None}
    assert names[stop] == {("coder", ""), ("critic", "")}
    assert names[again] == {("coder", ""), ("coder", "strong"), ("critic", "")}


def test_every_call_has_its_configuration(explored: tuple[str, Front]) -> None:
    text, front = explored
    for number in range(len(front.every)):
        workflow = find_workflow(selected(text, point=number))
        callers = [op for op in workflow.walk() if decision_key(op) is not None]
        assert callers
        assert all(isinstance(op.properties["config"], ConfigAttr) for op in callers)


def test_options_reach_the_selection(explored: tuple[str, Front]) -> None:
    text, front = explored
    accuracies = [point.estimates["accuracy"].mean for point in front.points]
    best = accuracies.index(max(accuracies))
    pipeline = PassPipeline.parse_spec(
        {"flow-select": lambda: FlowSelect}, "flow-select{prefer=1 max-latency=1000}"
    )
    module = parse(text)
    pipeline.apply(Context(), module)
    assert str(module) == str(selected(text, point=best))
    with pytest.raises(SelectionError, match="nothing is asked for"):
        selected(text)


class _Observed:
    """Stands for observations: scenarios by configuration, as above."""

    def source(
        self, workflow: Workflow, given: object, queries: str
    ) -> Callable[[int, int, int], Scenarios]:
        return lambda draws, count, seed: scenarios(workflow, draws, count, seed)


def test_local_estimates_are_what_a_place_does_on_right_inputs(
    explored: tuple[str, Front], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, front = explored
    monkeypatch.setattr("flowir.passes.flow_select.read_observed", lambda *_: _Observed())
    number = next(
        i
        for i, point in enumerate(front.every)
        if point.choices[0] == "retry" and point.configurations[0].model == "large"  # type: ignore[union-attr]
    )
    workflow = find_workflow(selected(text, point=number, profile="any"))
    found = {op.properties["site"].data: means(op) for op in workflow.walk() if _placed(op)}  # type: ignore[attr-defined]
    terms = workflow_terms(workflow)
    known = scenarios(terms, SMALL.draws, SMALL.scenarios, SMALL.seed)
    p = known.calls[0].success[0]
    expected = {"accuracy": p.mean(), "latency_s": known.calls[0].mean_latency[0].mean()}
    for name, value in expected.items():
        assert found["draft"][name] == pytest.approx(value, rel=1e-5)
    # Three tiers, the last unchecked: accepted at once, or again, or whatever comes last.
    accept = 0.99 * p + 0.2 * (1 - p)
    right = 0.99 * p
    assert found["kept"]["accuracy"] == pytest.approx(
        (right + (1 - accept) * right + (1 - accept) ** 2 * p).mean(), rel=1e-5
    )
    assert found["kept"]["cost_usd"] == pytest.approx(
        (0.005 * (1 + (1 - accept) + (1 - accept) ** 2)).mean(), rel=1e-5
    )
    assert set(found) == {"draft", "kept", "best", "f"}


def _placed(op: Operation) -> bool:
    return ESTIMATE in op.attributes and "site" in op.properties


def means(op: Operation) -> dict[str, float]:
    estimate = op.attributes[ESTIMATE]
    assert isinstance(estimate, DictionaryAttr)
    return {name: entry.mean.data for name, entry in estimate.data.items()}  # type: ignore[attr-defined]


def test_a_stale_front_is_refused(explored: tuple[str, Front]) -> None:
    text, _ = explored
    with pytest.raises(SearchError, match="run flow-dse again"):
        selected(text.replace("max 3", "max 4"), point=0)


def test_no_front_at_all() -> None:
    with pytest.raises(SearchError, match="no workflow has a front; run flow-dse first"):
        selected(TEXT, point=0)
