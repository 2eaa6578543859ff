"""Spaces against their definition: every assignment of labels and settings, compiled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Call,
    Decision,
    Structure,
    Workflow,
    decisions_used,
    walk,
)
from flowir.configuration import Configuration
from flowir.search.space import UNREACHED, Space

SEEDS = range(40)


def compiled(workflow: Workflow) -> set[tuple]:
    """Every different pair of (calls made, in order; settings of the decisions used)."""
    found = set()
    labels = [structure.labels for structure in workflow.structures]
    for chosen in product(*labels):
        choices = dict(zip([s.name for s in workflow.structures], chosen, strict=True))
        special = workflow.specialise(choices)
        used = decisions_used(special.body)
        for setting in product(*(workflow.decisions[d].choices for d in used)):
            found.add((outline(special), tuple(zip(used, setting, strict=True))))
    return found


def outline(workflow: Workflow) -> tuple:
    """What a workflow computes: its result as a nested expression, then everything it runs."""
    expressions: dict[int, object] = {}
    runs = []

    def of(value: int) -> object:
        return expressions.get(value, value)

    def visit(block: Block) -> object:
        for term in block.terms:
            inner = [visit(b) for b in getattr(term, "tiers", ())]
            key = (
                type(term).__name__,
                getattr(term, "decision", None),
                tuple(of(v) for v in getattr(term, "inputs", ())),
                tuple(inner),
                len(runs) if isinstance(term, Call) else None,
            )
            runs.append(key[:4])
            expressions[term.output] = key
        return of(block.result)

    return visit(workflow.body), tuple(runs)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_compiled_workflow_is_one_point(
    seed: int, make_workflow: Callable[[int], Workflow]
) -> None:
    workflow = make_workflow(seed)
    space = Space(workflow)
    found = []
    for structure in space.structures():
        points = space.points(structure, 0, space.settings_of(structure))
        special = space.specialised(structure)
        for row in points.settings:
            used = decisions_used(special.body)
            assert all((row[d] == UNREACHED) == (d not in used) for d in range(space.decisions))
            found.append((outline(special), tuple((d, int(row[d])) for d in used)))
    assert len(found) == len(set(found)) == space.size()
    assert set(found) == compiled(workflow)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_point_does_not_depend_on_what_it_does_not_reach(
    seed: int, make_workflow: Callable[[int], Workflow]
) -> None:
    workflow = make_workflow(seed)
    space = Space(workflow)
    random = np.random.default_rng(seed)
    labels = [len(s.labels) for s in workflow.structures]
    settings = [len(d.choices) for d in workflow.decisions]
    for _ in range(5):
        structure, setting = random.integers(0, labels), random.integers(0, settings)
        point = space.point(structure, setting)
        again_structure = np.where(
            point.structure[0] == UNREACHED, random.integers(0, labels), structure
        )
        again_setting = np.where(
            point.settings[0] == UNREACHED, random.integers(0, settings), setting
        )
        again = space.point(again_structure, again_setting)
        assert again.identities() == point.identities()
        canonical = space.point(point.structure[0], point.settings[0])
        assert canonical.identities() == point.identities()


def test_equal_regions_are_one_structure() -> None:
    """Three labels, of which two run the same call."""
    decisions = tuple(
        Decision("w", agent, "", (Configuration("m"), Configuration("n"))) for agent in "ab"
    )
    cases = (
        ("one", Block((Call("s1", 0, (0,), 1),), 1)),
        ("same", Block((Call("s2", 0, (0,), 2),), 2)),
        ("other", Block((Call("s3", 1, (0,), 3),), 3)),
    )
    body = Block((Alternatives("x", cases, 4),), 4)
    labels = ("one", "same", "other")
    space = Space(Workflow("w", body, decisions, (Structure("x", labels),)))
    assert list(space.structures()) == [(0,), (2,)]
    assert space.canonical((1,)) == (0,)
    assert space.size() == 4


def test_calls_of_different_arguments_are_different() -> None:
    decision = Decision("w", "a", "", (Configuration("m"),))
    cases = (
        ("left", Block((Call("s", 0, (0,), 2),), 2)),
        ("right", Block((Call("s", 0, (1,), 3),), 3)),
    )
    body = Block((Alternatives("x", cases, 4),), 4)
    space = Space(Workflow("w", body, (decision,), (Structure("x", ("left", "right")),)))
    assert space.size() == 2


def test_today_is_the_first_label_and_the_baseline(workflow: Workflow) -> None:
    space = Space(workflow)
    names = [str(decision) for decision in workflow.decisions]
    settings = dict(zip(names, space.baseline.settings[0].tolist(), strict=True))
    assert space.baseline.structure[0].tolist() == [0, UNREACHED]
    assert settings == {
        "coder": 2,
        "coder/strong": UNREACHED,
        "judge": UNREACHED,
        "critic": 0,
        "fixer": 0,
    }


def test_completions_keep_the_labels_that_are_given(workflow: Workflow) -> None:
    space = Space(workflow)
    assert list(space.completions({0: 2})) == [(2, 0), (2, 1)]
    assert list(space.completions({0: 1, 1: 1})) == [(1, UNREACHED)]


def test_calls_are_not_counted_twice_by_walking(workflow: Workflow) -> None:
    """A guard of the oracle above: specialised workflows have no alternatives left."""
    space = Space(workflow)
    for structure in space.structures():
        terms = walk(space.specialised(structure).body)
        assert not any(isinstance(term, Alternatives) for term in terms)
