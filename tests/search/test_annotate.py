"""Fronts through the IR, its text, and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.terms import Workflow
from flowir.dialects import flow
from flowir.dialects.dse import CHOICES, CONFIGS, FRONT, FrontAttr, UnusedAttr
from flowir.errors import SearchError
from flowir.profile.prices import Price
from flowir.search.annotate import annotate, clear, front_from_ir, workflow_hash
from flowir.search.explore import Source, explore
from flowir.search.facts import price_texts, read_prices
from flowir.search.front import Front
from flowir.search.options import Options
from flowir.search.pareto_json import ParetoJsonTarget

SMALL = Options(execution="sequential", draws=6, scenarios=9, survivors=12)
Parse = Callable[[str], ModuleOp]


@pytest.fixture
def front(workflow: Workflow, source_of: Callable[[Workflow], Source]) -> Front:
    return explore(workflow, source_of(workflow), SMALL, profile="abc", warnings=("one", "two"))


@pytest.fixture
def annotated(module: ModuleOp, front: Front) -> ModuleOp:
    annotate(find_workflow(module), front)
    module.verify()
    return module


def test_a_front_survives_text(annotated: ModuleOp, front: Front, parse_module: Parse) -> None:
    assert front_from_ir(find_workflow(annotated)) == front
    again = parse_module(str(annotated))
    assert front_from_ir(find_workflow(again)) == front
    assert str(again) == str(annotated)


def test_annotating_twice_is_annotating_once(annotated: ModuleOp, front: Front) -> None:
    before = str(annotated)
    annotate(find_workflow(annotated), front)
    assert str(annotated) == before


def test_clearing_leaves_what_was_written(
    annotated: ModuleOp, parse_module: Parse, module_text: str
) -> None:
    clear(find_workflow(annotated))
    assert str(annotated) == str(parse_module(module_text))


def test_every_op_says_what_it_does_at_every_point(annotated: ModuleOp, front: Front) -> None:
    """By site, against where the site stands in the source."""
    workflow = find_workflow(annotated)
    place = {
        "draft": ("once", None, "coder"),
        "draft_2": ("retry", None, "coder"),
        "a": ("two", None, "coder/strong"),
        "b": ("two", None, "coder"),
        "s": ("two", "select", "judge"),
        "f": (None, None, "fixer"),
        "best": (None, None, "critic"),
    }
    names = [str(decision) for decision in front.decisions]
    seen = set()
    for op in workflow.walk():
        if CONFIGS not in op.attributes:
            continue
        site = op.properties["site"].data  # type: ignore[attr-defined]
        seen.add(site)
        strategy, combine, decision = place[site]
        entries = op.attributes[CONFIGS]
        assert isinstance(entries, ArrayAttr)
        for entry, point in zip(entries, front.every, strict=True):
            here = strategy in (None, point.choices[0]) and combine in (None, point.choices[1])
            assert isinstance(entry, UnusedAttr) != here
            if here:
                chosen = point.configurations[names.index(decision)]
                assert chosen is not None
                assert entry.model.data == chosen.model  # type: ignore[attr-defined]
    assert seen == set(place)


def test_choices_inside_a_region_not_taken_are_unused(annotated: ModuleOp, front: Front) -> None:
    inner = next(
        op
        for op in find_workflow(annotated).walk()
        if isinstance(op, flow.AlternativesOp) and op.choice.data == "combine"
    )
    entries = inner.attributes[CHOICES]
    assert isinstance(entries, ArrayAttr)
    found = [entry.data if isinstance(entry, StringAttr) else None for entry in entries]
    assert found == [point.choices[1] for point in front.every]
    assert None in found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max 3", "max 4"),
        ("Complete this.", "Complete that."),
        ('at "f"', 'at "other"'),
        ("wrong = 0.2", "wrong = 0.3"),
    ],
)
def test_a_front_of_another_workflow_is_refused(
    annotated: ModuleOp, parse_module: Parse, old: str, new: str
) -> None:
    text = str(annotated)
    assert old in text
    changed = parse_module(text.replace(old, new))
    with pytest.raises(SearchError, match=r"flow\.workflow @repair: .* run flow-dse again"):
        front_from_ir(find_workflow(changed))


def test_the_hash_is_of_meaning(module: ModuleOp, parse_module: Parse) -> None:
    own = workflow_hash(find_workflow(module))
    renamed = str(module).replace("%draft", "%other").replace("%kept", "%it")
    assert workflow_hash(find_workflow(parse_module(renamed))) == own
    unused = str(module).replace(
        "flow.agent @judge", 'flow.agent @idle prompt "{x}"\n  flow.agent @judge'
    )
    assert workflow_hash(find_workflow(parse_module(unused))) == own


def test_annotations_that_do_not_fit_are_refused(annotated: ModuleOp) -> None:
    workflow = find_workflow(annotated)
    call = next(op for op in workflow.walk() if isinstance(op, flow.CallOp))
    entries = call.attributes[CONFIGS]
    assert isinstance(entries, ArrayAttr)
    call.attributes[CONFIGS] = ArrayAttr(list(entries)[1:])
    with pytest.raises(SearchError, match=r'flow\.call @coder at "draft": dse\.configs'):
        front_from_ir(workflow)


def test_a_workflow_without_a_front(module: ModuleOp) -> None:
    with pytest.raises(SearchError, match="run flow-dse first"):
        front_from_ir(find_workflow(module))


def emit(module: ModuleOp, target: ParetoJsonTarget | None = None) -> dict:
    text = StringIO()
    (target or ParetoJsonTarget()).emit(Context(), module, text)
    return json.loads(text.getvalue())


def test_json_holds_every_point(annotated: ModuleOp, front: Front) -> None:
    document = emit(annotated)
    assert document["schema"] == "flowir.pareto/1"
    assert document["workflow"] == "repair"
    assert document["workflow_hash"] == workflow_hash(find_workflow(annotated))
    assert document["facts"]["profile"] == "abc"
    assert document["facts"]["objectives"] == ["accuracy", "latency", "cost"]
    assert document["warnings"] == ["one", "two"]
    assert document["points"][document["baseline"]]["baseline"]
    every = [*document["points"], *document["dominated"]]
    assert len(document["points"]) == len(front.points)
    assert [point["index"] for point in every] == list(range(len(front.every)))
    for found, point in zip(every, front.every, strict=True):
        assert found["p_non_dominated"] == point.p_non_dominated
        assert found["worst"] == point.worst
        assert found["estimates"]["latency_s"] == vars(point.estimates["latency_s"])
        assert found["choices"] == {"strategy": point.choices[0], "combine": point.choices[1]}
        for decision, chosen in zip(front.decisions, point.configurations, strict=True):
            entry = found["configurations"][str(decision)]
            assert entry == (
                None
                if chosen is None
                else {
                    "model": chosen.model,
                    "budget": chosen.budget,
                    "params": dict(chosen.params),
                }
            )
    today = document["points"][document["baseline"]]["difference"]
    assert today == {"accuracy_points": 0.0, "latency_ratio": 1.0, "cost_ratio": 1.0}


def test_json_needs_one_front(annotated: ModuleOp, parse_module: Parse, module_text: str) -> None:
    with pytest.raises(SearchError, match="no workflow has a front"):
        emit(parse_module(module_text))
    workflow = find_workflow(annotated)
    copy = workflow.clone()
    copy.sym_name = StringAttr("copy")
    workflow.parent_block().add_op(copy)  # type: ignore[union-attr]
    with pytest.raises(SearchError, match="@repair, @copy have fronts"):
        emit(annotated)
    assert emit(annotated, ParetoJsonTarget("repair"))["workflow"] == "repair"
    with pytest.raises(SearchError, match="@other has no front; @repair, @copy has"):
        emit(annotated, ParetoJsonTarget("other"))


def test_thinned_fronts_keep_their_numbers_straight(module: ModuleOp, front: Front) -> None:
    workflow = find_workflow(module)
    annotate(workflow, front.thinned(4))
    attribute = workflow.attributes[FRONT]
    assert isinstance(attribute, FrontAttr)
    assert [point.index.data for point in attribute.points] == [0, 1, 2, 3]
    found = front_from_ir(workflow)
    assert found.facts.found == len(front.points)
    assert found.decisions == workflow_terms(workflow).decisions
    assert not found.dominated


@given(
    st.lists(
        st.tuples(st.text(), st.floats(0, 1e9), st.floats(0, 1e9)), unique_by=lambda row: row[0]
    )
)
def test_prices_are_read_back_as_written(rows: list[tuple[str, float, float]]) -> None:
    """Whatever models are called."""
    prices = tuple((model, Price(given, taken)) for model, given, taken in rows)
    assert read_prices(price_texts(prices), "here") == prices


@pytest.mark.parametrize("text", ["", "gpt", "gpt 1", "gpt one 2"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(SearchError, match="is no price"):
        read_prices([text], "here")
