"""What widening passes make: the same workflow under its first labels, and sound ones besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import StringIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.printer import Printer

from flowir.calculus.expectation import expect
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import Workflow
from flowir.dialects.flow import AgentOp, AlternativesOp, BranchOp, CallOp, WorkflowOp
from flowir.passes.flow_cascade import FlowCascade
from flowir.passes.flow_name_sites import FlowNameSites
from flowir.passes.flow_optional import FlowOptional
from flowir.passes.flow_refine import FlowRefine
from flowir.passes.flow_select import inline_alternatives
from flowir.passes.flow_self_consistency import FlowSelfConsistency
from flowir.passes.flow_space_stats import statistics
from flowir.runtime.choices import Choices
from flowir.search.annotate import annotate
from flowir.search.explore import explore
from flowir.search.options import Options
from flowir.search.space import Space
from tests.backends.running import emitted, run_emitted, run_interpreted, values_for
from tests.strategies_ir import ROLES, TYPES, ScriptedModel, entry, module_texts, parse

EXAMPLE = Path(__file__).parents[2] / "examples/code_repair/code_repair.mlir"

JUDGES = """
flow.tool @zz_tests impl "tests.tools:checker" -> !flow.bool effect pure
  accepts <right = 0.99, wrong = 0.2>
"""
FIXERS = "\n".join(
    f'flow.agent @zz_fixer_{i} prompt "<{ROLES[kind][0]}> {{zz_value}} {{feedback}}" -> {kind} '
    'space <models = ["m1", "m2"]>'
    for i, kind in enumerate(TYPES)
)
"""One that mends values of each type."""

MODULE = """
flow.agent @coder prompt "<plain> {task}" space <models = ["small", "large"]> baseline <"large">
flow.agent @fixer prompt "<plain> {task} {value} {feedback}" space <models = ["small", "large"]>
flow.tool @tests impl "tests.tools:checker" -> !flow.bool effect pure
  accepts <right = 0.99, wrong = 0.2>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %kept = flow.fallback until @tests(%task : !flow.text) -> !flow.text {
    %quick = flow.call @coder(%task) as "quick" : (!flow.text) -> !flow.text
    flow.yield %quick : !flow.text
  } else {
    %slow = flow.call @coder(%task) : (!flow.text) -> !flow.text
    flow.yield %slow : !flow.text
  }
  %some = flow.join all(%kept, %task) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
  %each = flow.map(%x) in %some : !flow.list<!flow.text> max 2 -> !flow.list<!flow.text> {
    %y = flow.call @coder(%x) : (!flow.text) -> !flow.text
    flow.yield %y : !flow.text
  }
  %out = flow.call @fixer(%task, optional %kept, %task)
    : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %last = flow.call @coder(%out) at "format" : (!flow.text) -> !flow.text
  %both = flow.alternatives "end" -> !flow.text
    "plain" {
      flow.yield %out : !flow.text
    }
    "again" {
      %more = flow.call @coder(%last) : (!flow.text) -> !flow.text
      flow.yield %more : !flow.text
    }
  flow.return optional %both : !flow.text
}
"""

WIDENINGS: dict[str, tuple[ModulePass, ...]] = {
    "votes": (FlowSelfConsistency(agent="coder", n=(2, 3)),),
    "votes apart": (FlowSelfConsistency(agent="coder", n=(3,), tied=False),),
    "cascade": (FlowCascade(until="tests", agent="coder", tiers=(2, 3)),),
    "refinement": (FlowRefine(critic="tests", agent="coder", by="fixer", max=(1, 2)),),
    "all": (
        FlowCascade(until="tests", site="quick", tiers=(2,)),
        FlowRefine(critic="tests", site="format", by="fixer", max=(1,)),
        FlowSelfConsistency(agent="fixer", n=(2,)),
    ),
}


def widened(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    made = module.clone()
    for each in passes:
        each.apply(Context(), made)
        made.verify()
    return made


def written(module: ModuleOp) -> str:
    stream = StringIO()
    Printer(stream=stream).print_op(module)
    return stream.getvalue()


def compiled(module: ModuleOp, labels: Mapping[str, str] | None = None) -> ModuleOp:
    """The module with its alternatives inlined; where nothing is said, as today."""
    made = module.clone()
    FlowNameSites().apply(Context(), made)
    for op in made.ops:
        if isinstance(op, WorkflowOp):
            today = {
                inner.choice.data: inner.labels.data[0].data
                for inner in op.walk()
                if isinstance(inner, AlternativesOp)
            }
            inline_alternatives(op, today | dict(labels or {}))
    made.verify()
    return made


def structures(workflow: Workflow) -> Iterator[dict[str, str]]:
    names = [structure.name for structure in workflow.structures]
    for labels in product(*(structure.labels for structure in workflow.structures)):
        yield dict(zip(names, labels, strict=True))


def scenarios(workflow: Workflow, draws: int, queries: int, seed: int) -> Scenarios:
    """Made up per decision, so that a decision has the same rates in every workflow."""
    size = draws * queries
    calls = []
    for decision in workflow.decisions:
        own = np.random.default_rng([seed, *str(decision).encode()])
        shape = (len(decision.configurations), size)
        calls.append(
            CallModel(
                success=own.uniform(0.1, 0.9, shape),
                log_latency=own.normal(0.0, 0.5, shape),
                latency_scale=np.full(shape, 0.3),
                cost=own.uniform(0.001, 0.01, shape),
                recovery=own.uniform(0.0, 0.4, shape),
                wrong_agreement=own.uniform(0.2, 1.0, shape),
            )
        )
    checker = CheckerModel(np.full(size, 0.95), np.full(size, 0.2))
    names = ("tests", "visible_tests")
    return Scenarios(draws, queries, tuple(calls), dict.fromkeys(names, checker))


def agents_to_widen(module: ModuleOp) -> list[AgentOp]:
    """The agents that are called, and whose labels no branch looks at."""
    calls = [op for op in module.walk() if isinstance(op, CallOp)]
    names = {op.callee.root_reference.data for op in calls}
    routers = {
        op.callee.root_reference.data
        for op in calls
        if any(isinstance(use.operation, BranchOp) for use in op.output.uses)
    }
    return [
        op for op in module.ops if isinstance(op, AgentOp) and op.sym_name.data in names - routers
    ]


def for_agent(agent: AgentOp) -> tuple[ModulePass, ...]:
    """Passes that widen a random module."""
    name, fixer = agent.sym_name.data, f"zz_fixer_{TYPES.index(str(agent.output))}"
    none = ("none",)
    return (
        FlowSelfConsistency(agent=name, n=(2, 3)),
        FlowSelfConsistency(agent=name, n=(2,), tied=False),
        FlowCascade(until="zz_tests", agent=name, tiers=(3, 2)),
        FlowRefine(critic="zz_tests", agent=name, by=fixer, context=none, max=(2,)),
    )


@settings(max_examples=10)
@given(text=module_texts(), data=st.data())
def test_first_labels_are_what_was_written(text: str, data: st.DataObject) -> None:
    module = parse(JUDGES + FIXERS + text)
    agents = agents_to_widen(module)
    assume(agents)
    for step in for_agent(data.draw(st.sampled_from(agents))):
        made = widened(module, step)
        assert parse(written(made)).is_structurally_equivalent(made)
        assert not made.is_structurally_equivalent(module)
        assert compiled(made).is_structurally_equivalent(compiled(module))


@settings(max_examples=8)
@given(text=module_texts(called=False), data=st.data(), seed=st.integers(0, 3))
def test_every_structure_runs_as_its_emitted_file(
    text: str, data: st.DataObject, seed: int
) -> None:
    module = parse(JUDGES + FIXERS + text)
    agents = agents_to_widen(module)
    assume(agents)
    for step in for_agent(data.draw(st.sampled_from(agents))):
        made = widened(module, step)
        labels = {
            structure.name: data.draw(st.sampled_from(structure.labels))
            for structure in workflow_terms(entry(made)).structures
        }
        chosen = compiled(made, labels)
        values = values_for(entry(made))
        models = [ScriptedModel(seed) for _ in range(2)]
        for model in models:
            model.tools.of(made)
        expected = run_interpreted(entry(made), values, models[0], choices=Choices(labels, {}))
        found = run_emitted(emitted(chosen, entry(chosen)), values, models[1])
        assert found.calls == expected.calls
        assert (found.value, found.failed) == (expected.value, expected.failed)


@pytest.mark.parametrize("name", WIDENINGS)
def test_first_labels_are_predicted_as_before(name: str) -> None:
    before = workflow_terms(entry(parse(MODULE)))
    after = workflow_terms(entry(widened(parse(MODULE), *WIDENINGS[name])))
    number = {str(decision): i for i, decision in enumerate(after.decisions)}
    rng = np.random.default_rng(0)
    for labels in structures(before):
        today = {s.name: s.labels[0] for s in after.structures} | labels
        chosen = rng.integers(0, 2, size=(6, len(before.decisions)))
        wide = np.zeros((6, len(after.decisions)), dtype=int)
        for i, decision in enumerate(before.decisions):
            wide[:, number[str(decision)]] = chosen[:, i]
        for execution in ("asyncio", "sequential"):
            old = expect(before.specialise(labels), chosen, scenarios(before, 2, 3, 1), execution)
            new = expect(after.specialise(today), wide, scenarios(after, 2, 3, 1), execution)
            for quantity in ("success", "calls", "cost", "latency"):
                np.testing.assert_allclose(
                    getattr(new, quantity), getattr(old, quantity), rtol=1e-12
                )


SINGLE = """
flow.workflow @code_repair(%task: !flow.text) -> !flow.text {
  %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text
  flow.return %draft : !flow.text
}
"""


@pytest.mark.parametrize(
    ("made", "label", "by_hand"),
    [
        (
            FlowSelfConsistency(agent="coder", n=(3,), key="normalised"),
            "vote of 3",
            "vote of three",
        ),
        (FlowCascade(until="visible_tests", agent="coder"), "cascade of 2", "cascade of two"),
        (FlowCascade(until="visible_tests", agent="coder"), "cascade of 3", "cascade of three"),
        (FlowCascade(until="visible_tests", agent="coder"), "once", "once"),
    ],
)
def test_passes_make_what_was_written_by_hand(made: ModulePass, label: str, by_hand: str) -> None:
    hand = EXAMPLE.read_text()
    declarations = hand[: hand.index("flow.workflow")]
    module = widened(parse(declarations + SINGLE), made)
    (choice,) = (s.name for s in workflow_terms(entry(module)).structures)
    ours = compiled(module, {choice: label})
    theirs = compiled(parse(hand), {"strategy": by_hand})
    for each in (ours, theirs):
        for op in each.walk():
            op.properties.pop("site", None)
    assert ours.is_structurally_equivalent(theirs)


def test_widened_workflows_are_explored_and_their_points_run() -> None:
    module = widened(
        parse(EXAMPLE.read_text().partition("flow.workflow")[0] + SINGLE),
        FlowSelfConsistency(agent="coder", n=(3,), key="normalised"),
        FlowCascade(until="visible_tests", site="draft", tiers=(2,)),
    )
    text = written(module).replace("You write Python.", "").replace('"Complete', '"<code> Complete')
    module = parse(text.replace("tools:visible_tests", "tools:checker"))
    workflow = entry(module)
    terms = workflow_terms(workflow)
    options = Options(draws=4, scenarios=16, seed=1)
    front = explore(terms, lambda *shape: scenarios(terms, *shape), options)
    assert front.facts.space == Space(terms).size() == statistics(terms).workflows
    assert {point.choices for point in front.points} > {("once", "once")}
    annotate(workflow, front)
    file = emitted(module, workflow)
    for point in range(len(front.points)):
        models = [ScriptedModel(point) for _ in range(2)]
        for model in models:
            model.tools.of(module)
            model.tools.kinds["normalised"] = "!flow.text"
        values = values_for(workflow)
        expected = run_interpreted(workflow, values, models[0], point=point)
        found = run_emitted(file, values, models[1], point=point)
        assert found.calls == expected.calls
        assert not found.failed
        assert found.value == expected.value


def test_a_step_may_be_skipped_where_all_readers_agree() -> None:
    text = MODULE.replace("(%last)", "(optional %last)")
    made = widened(parse(text), FlowOptional(site="format"))
    skipped = compiled(made, {"format optional": "skipped", "end": "again"})
    before = compiled(parse(text), {"end": "again"})
    sites = [
        {op.site.data for op in module.walk() if isinstance(op, CallOp) and op.site is not None}
        for module in (skipped, before)
    ]
    assert sites[1] - sites[0] == {"format"}
    (more,) = (
        op
        for op in skipped.walk()
        if isinstance(op, CallOp) and op.site is not None and op.site.data == "more"
    )
    assert more.inputs[0].name_hint == "out"


def test_groups_of_tiers_are_new_and_shared() -> None:
    text = MODULE.replace('as "quick"', 'as "second"')
    made = widened(parse(text), FlowCascade(until="tests", agent="coder", tiers=(2, 3)))
    decisions = {str(decision) for decision in workflow_terms(entry(made)).decisions}
    assert decisions == {
        "coder", "coder/first", "coder/second_2", "coder/third", "coder/second",
        "coder/second.first", "coder/second.second", "coder/second.third", "fixer",
    }  # fmt: skip


def test_sizes_are_those_of_the_compiled_workflows() -> None:
    for passes in WIDENINGS.values():
        terms = workflow_terms(entry(widened(parse(MODULE), *passes)))
        found = statistics(terms)
        assert found.workflows == Space(terms).size()
        assert found.exact
        assert [axis.configurations for axis in found.decisions] == [2] * len(terms.decisions)


def test_spaces_too_large_to_count_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowir.search.space.MANY_STRUCTURES", 63)
    calls = "\n".join(
        f'%x{i} = flow.call @a(%x{i - 1}) as "g{i}" : (!flow.text) -> !flow.text'
        for i in range(1, 7)
    )
    module = parse(
        'flow.agent @a prompt "{t}" space <models = ["m"]>\n'
        f"flow.workflow @w(%x0: !flow.text) -> !flow.text {{\n{calls}\n"
        "flow.return %x6 : !flow.text\n}"
    )
    made = widened(module, FlowSelfConsistency(agent="a", n=(2,)))
    found = statistics(workflow_terms(entry(made)))
    assert not found.exact
    assert found.workflows == 2**6
    assert "at most 64 compiled workflows" in str(found)
