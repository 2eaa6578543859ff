"""What a user can ask for in vain, and spaces with little in them: one clear message each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from flowir.calculus.terms import Workflow
from flowir.configuration import Configuration
from flowir.errors import SearchError
from flowir.passes.flow_space_stats import statistics
from flowir.search.distinct import distinct
from flowir.search.explore import Source, explore
from flowir.search.front import Front
from flowir.search.options import Options
from flowir.search.pareto_json import front_document
from tests.search.conftest import fake_scenarios

SourceOf = Callable[[Workflow], Source]
SMALL = {"draws": 4, "scenarios": 16, "execution": "sequential"}


def explored(workflow: Workflow, source: Source, **options: object) -> Front:
    return explore(workflow, source, Options(**SMALL, **options))  # type: ignore[arg-type]


METHODS = [{}, {"limit": 40}, {"limit": 40, "algorithm": "optuna-nsga2"}]
"""Enumerated, exchanged, and by a black box."""


@pytest.mark.parametrize("how", METHODS)
@pytest.mark.parametrize("axis", ["coder/", "judge", "strategy"])
def test_an_empty_list_is_named(
    axis: str, how: dict[str, object], workflow: Workflow, source_of: SourceOf
) -> None:
    with pytest.raises(SearchError, match=rf'^allow="{axis}: ": '):
        explored(workflow, source_of(workflow), allow=(f"{axis}: ",), **how)


@pytest.mark.parametrize("how", METHODS)
def test_contradictory_locks_are_both_named(
    how: dict[str, object], workflow: Workflow, source_of: SourceOf
) -> None:
    locks = ("strategy: once", "strategy: two")
    with pytest.raises(SearchError) as caught:
        explored(workflow, source_of(workflow), lock=locks, **how)
    assert all(f'lock="{lock}"' in str(caught.value) for lock in locks)
    with pytest.raises(SearchError, match='alternatives "strategy" would have nothing'):
        statistics(workflow, lock=locks)


@pytest.mark.parametrize("how", METHODS)
def test_limits_that_nothing_meets_give_the_nearest_there_is(
    how: dict[str, object], workflow: Workflow, source_of: SourceOf
) -> None:
    """The value named is the extreme of the points the front would have had, and meets itself."""
    source = source_of(workflow)
    free = explored(workflow, source, **how)
    fastest = min(p.estimates["latency_s"].mean for p in free.every)
    with pytest.raises(SearchError) as caught:
        explored(workflow, source, max_latency=fastest / 10, **how)
    text = str(caught.value)
    assert text.startswith(f"no point meets max-latency={fastest / 10:g}: the lowest latency")
    nearest = float(text.rpartition("found is ")[2].removesuffix(" s"))
    assert nearest == pytest.approx(fastest, rel=1e-3) or "algorithm" in how
    assert explored(workflow, source, max_latency=nearest * 1.001, **how).points


def test_limits_that_contradict_each_other_say_what_each_leaves(
    workflow: Workflow, source_of: SourceOf
) -> None:
    source = source_of(workflow)
    free = explored(workflow, source, survivors=10_000)
    fastest = min(free.every, key=lambda p: p.estimates["latency_s"].mean)
    best = max(free.every, key=lambda p: p.estimates["accuracy"].mean)
    latency = fastest.estimates["latency_s"].mean * 1.001
    accuracy = best.estimates["accuracy"].mean * 0.999
    within = [p for p in free.every if p.estimates["latency_s"].mean <= latency]
    highest = max(p.estimates["accuracy"].mean for p in within)
    with pytest.raises(SearchError, match=f"the highest accuracy found is {highest:.4g}"):
        explored(workflow, source, survivors=10_000, max_latency=latency, min_accuracy=accuracy)


def one_point(workflow: Workflow) -> Workflow:
    """The workflow with one configuration of everything."""
    single = tuple(
        replace(d, configurations=d.configurations[:1], baseline=0, closed=0)
        for d in workflow.decisions
    )
    return replace(workflow, decisions=single)


@pytest.mark.parametrize("how", METHODS)
def test_a_front_of_one_point_is_a_front(
    how: dict[str, object], workflow: Workflow, source_of: SourceOf
) -> None:
    alone = one_point(workflow)
    front = explored(alone, source_of(alone), lock=("strategy: once",), **how)
    assert len(front.points) == 1
    assert front.points[0].baseline
    assert front.points[0].p_non_dominated == 1.0
    assert len(front_document(front, "")["points"]) == 1


def repeated(workflow: Workflow, order: list[int]) -> Workflow:
    """The first decision's space with settings listed again, in that order."""
    first = workflow.decisions[0]
    again = replace(
        first,
        configurations=tuple(first.configurations[i] for i in order),
        baseline=max(i for i, x in enumerate(order) if x == first.baseline),
    )
    return replace(workflow, decisions=(again, *workflow.decisions[1:]))


@pytest.mark.parametrize("how", METHODS[:2])
def test_a_setting_listed_twice_counts_once_and_is_reported(
    how: dict[str, object], workflow: Workflow, source_of: SourceOf
) -> None:
    """The front, the size and what is evaluated are those of the space without it."""
    count = len(workflow.decisions[0].configurations)
    order = [*range(count), 1, workflow.decisions[0].baseline or 0]
    twice = repeated(workflow, order)

    def source(draws: int, queries: int, seed: int) -> object:
        single = fake_scenarios(workflow, draws, queries, seed)
        call = single.calls[0]
        rows = {
            name: getattr(call, name)[order]
            for name in ("success", "log_latency", "latency_scale", "cost")
        }
        rows |= {name: getattr(call, name)[order] for name in ("accept_right", "accept_wrong")}
        return replace(single, calls=(replace(call, **rows), *single.calls[1:]))

    expected = explored(workflow, source_of(workflow), **how)
    found = explored(twice, source, **how)  # type: ignore[arg-type]
    assert found.points == expected.points
    assert found.facts.evaluated == expected.facts.evaluated
    assert found.facts.space == expected.facts.space
    assert len(found.facts.warnings) == len(expected.facts.warnings) + 1
    assert "listed more than once in its space; it counts once" in found.facts.warnings[0]
    assert statistics(twice) == statistics(workflow)


def test_what_only_looks_alike_is_not_merged(workflow: Workflow) -> None:
    """`true` and 1 are two values; 0 and 0.0 are one."""
    first = workflow.decisions[0]
    spelled = [Configuration("m", None, (("t", x),)) for x in (True, 1, 0, 0.0, "0", False)]
    one = replace(first, configurations=tuple(spelled), baseline=3, closed=0)
    rules, warnings = distinct(replace(workflow, decisions=(one, *workflow.decisions[1:])))
    assert rules.kept[0] == (0, 1, 2, 4, 5)
    assert rules.workflow.decisions[0].baseline == 2
    assert len(warnings) == 1
    assert distinct(workflow) == (
        replace(rules, workflow=workflow, kept=distinct(workflow)[0].kept),
        (),
    )
    assert np.array_equal(distinct(workflow)[0].kept[0], range(len(first.configurations)))
