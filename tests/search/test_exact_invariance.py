"""What names, numbers, order and repetition must not change about the exact front, and large ones.

Fronts are compared both ways: each has something as good as every point of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Alternatives, Block, Call, Decision, Term, Workflow
from flowir.errors import CalculusError, SearchError
from flowir.search.exact import exact_front
from flowir.search.exact.incumbents import Incumbents
from flowir.search.pareto import non_dominated
from flowir.search.problem import Objective, losses
from tests.budget import some
from tests.calculus.samples import call_model, decision, point
from tests.search.random_workflows import random_scenarios, random_workflow

TOLERANCE = 1e-9
ALL = 1 << 30
PAIR: tuple[Objective, ...] = ("accuracy", "latency")
TRIPLE: tuple[Objective, ...] = ("accuracy", "latency", "cost")
VALUES = {"inputs", "output", "candidates", "result", "arguments", "source", "initial", "label"}

Samples = tuple[Workflow, Scenarios]


def front(workflow: Workflow, scenarios: Scenarios, objectives: Sequence[Objective]) -> np.ndarray:
    found = exact_front(workflow, scenarios, tuple(objectives), most=ALL)
    return losses(found.values, tuple(objectives))


def check_same(some: np.ndarray, others: np.ndarray) -> None:
    for one, other in ((some, others), (others, some)):
        for row in one:
            assert (other <= row + TOLERANCE).all(axis=1).any(), f"nothing is as good as {row}"


def sample(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, terms=int(rng.integers(2, 7)))
    return workflow, random_scenarios(rng, workflow)


def changed(item: Any, change: Mapping[str, Callable[[Any], Any]], name: str = "") -> Any:
    """Terms with fields of some names replaced."""
    if isinstance(item, tuple):
        return tuple(changed(part, change, name) for part in item)
    if is_dataclass(item) and not isinstance(item, type):
        own = {f.name: changed(getattr(item, f.name), change, f.name) for f in fields(item)}
        return replace(item, **own)
    return change[name](item) if name in change else item


def by_configuration(call: CallModel, rows: Sequence[int]) -> CallModel:
    """The call with those rows of all its tables."""
    tables = {
        f.name: getattr(call, f.name)[list(rows)]
        for f in fields(call)
        if isinstance(getattr(call, f.name), np.ndarray)
    }
    return replace(call, labels={k: v[list(rows)] for k, v in call.labels.items()}, **tables)


def with_rows(workflow: Workflow, scenarios: Scenarios, rows: Sequence[Sequence[int]]) -> Samples:
    """Each decision with those of its configurations, in that order, under new names."""
    chosen = tuple(
        replace(
            d,
            configurations=tuple(
                replace(d.configurations[c], model=f"{d.configurations[c].model} no. {n}")
                for n, c in enumerate(which)
            ),
            baseline=None,
        )
        for d, which in zip(workflow.decisions, rows, strict=True)
    )
    calls = tuple(by_configuration(c, r) for c, r in zip(scenarios.calls, rows, strict=True))
    return replace(workflow, decisions=chosen), replace(scenarios, calls=calls)


def closed(one: Decision) -> range:
    """Configurations that are known but may not be chosen: the last ones."""
    return range(len(one.choices), len(one.configurations))


def settings_reversed(workflow: Workflow, scenarios: Scenarios) -> Samples:
    every = [[*d.choices[::-1], *closed(d)] for d in workflow.decisions]
    return with_rows(workflow, scenarios, every)


def settings_repeated(workflow: Workflow, scenarios: Scenarios) -> Samples:
    every = [[d.choices[-1], *d.choices, d.choices[0], *closed(d)] for d in workflow.decisions]
    return with_rows(workflow, scenarios, every)


def agents_reversed(workflow: Workflow, scenarios: Scenarios) -> Samples:
    last = len(workflow.decisions) - 1

    def other(number: int | None) -> int | None:
        return None if number is None else last - number

    body = changed(workflow.body, {"decision": other, "router": other})
    decisions = tuple(replace(d, agent=f"z {d.agent}") for d in reversed(workflow.decisions))
    calls = tuple(reversed(scenarios.calls))
    return replace(workflow, body=body, decisions=decisions), replace(scenarios, calls=calls)


def names_changed(workflow: Workflow, scenarios: Scenarios) -> Samples:
    """Values numbered backwards, sites and structural choices called something else."""

    def value(number: Any) -> Any:
        return 10_000 - number if isinstance(number, int) else number

    change: dict[str, Callable[[Any], Any]] = dict.fromkeys(VALUES, value)
    body = changed(workflow.body, {**change, "site": lambda site: f"at {site}"})
    body = each_term(
        body, lambda t: replace(t, name=f"which {t.name}") if isinstance(t, Alternatives) else t
    )
    named = tuple(replace(s, name=f"which {s.name}") for s in reversed(workflow.structures))
    return replace(workflow, body=body, structures=named), scenarios


def each_term(item: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(item, tuple):
        return tuple(each_term(part, change) for part in item)
    if is_dataclass(item) and not isinstance(item, type):
        own = {f.name: each_term(getattr(item, f.name), change) for f in fields(item)}
        return change(replace(item, **own))
    return item


def terms_reordered(workflow: Workflow, scenarios: Scenarios) -> Samples:
    """Every term as early as what it reads allows, the last one written first."""

    def numbers(item: Any, name: str = "") -> set[int]:
        if isinstance(item, tuple):
            return set().union(*(numbers(part, name) for part in item))
        if is_dataclass(item) and not isinstance(item, type):
            return set().union(*(numbers(getattr(item, f.name), f.name) for f in fields(item)))
        return {item} if name in VALUES and isinstance(item, int) else set()

    def reorder(block: Any) -> Any:
        if not isinstance(block, Block):
            return block
        left, made = list(block.terms), {term.output for term in block.terms}
        ordered: list[Term] = []
        while left:
            ready = [t for t in left if not (numbers(t) - {t.output}) & made]
            ordered.append(ready[-1])
            left.remove(ready[-1])
            made.discard(ready[-1].output)
        return replace(block, terms=tuple(ordered))

    return replace(workflow, body=each_term(workflow.body, reorder)), scenarios


CHANGES = (agents_reversed, settings_reversed, settings_repeated, names_changed, terms_reordered)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_front_does_not_change(change: Callable[[Workflow, Scenarios], Samples]) -> None:
    compared = 0
    for seed in range(80):
        workflow, scenarios = sample(seed)
        objectives = (PAIR, ("accuracy", "cost"), TRIPLE)[seed % 3]
        try:
            before = front(workflow, scenarios, objectives)
        except (CalculusError, SearchError):
            continue
        check_same(before, front(*change(workflow, scenarios), objectives))
        compared += len(before) > 1
    assert compared > 25


@pytest.mark.parametrize("objectives", [PAIR, TRIPLE])
@pytest.mark.parametrize("recovered", [False, True])
def test_products_that_are_not_worked_out(
    objectives: tuple[Objective, ...], recovered: bool
) -> None:
    """Two agents of 400 undominated settings: every pair is worked out here, not in the search."""
    rng = np.random.default_rng(len(objectives) + recovered)
    count = 400
    models = []
    for _ in range(2):
        success = np.sort(rng.uniform(0.2, 1.0, (count, 1)), axis=0)
        seconds = np.sort(np.exp(rng.normal(size=(count, 1))), axis=0)
        cost = np.sort(np.exp(rng.normal(size=(count, 1))), axis=0)
        recovery = {"recovery": 0.5 * success} if recovered else {}
        models.append(call_model(success, seconds, cost, **recovery))
    calls = (Call("first", 0, (0,), 1), Call("second", 1, (1,), 2))
    workflow = Workflow("two", Block(calls, 2, (0,)), tuple(decision(d, count) for d in range(2)))
    first, second = models
    right = first.success * second.success.T
    if recovered:
        right = right + (1.0 - first.success) * 0.5 * second.success.T
    columns = [-right, np.exp(first.log_latency) + np.exp(second.log_latency).T]
    if len(objectives) > 2:
        columns.append(first.cost + second.cost.T)
    every = np.stack([column.ravel() for column in columns], axis=1)
    check_same(front(workflow, point(models), objectives), every[non_dominated(every)])


@settings(max_examples=some(60))
@given(st.integers(0, 10_000), st.integers(0, 4), st.booleans())
def test_nothing_is_called_beaten_that_is_not(seed: int, columns: int, coarse: bool) -> None:
    """By whatever order things become known, and with ties in every column."""
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.integers(-3, 4, columns).astype(np.float64)
    rows: npt.NDArray[np.float64] = rng.normal(size=(300, columns)) * scales
    if coarse:
        rows = np.round(rows, 1)
    known, bounds = rows[:200], rows[100:]
    incumbents = Incumbents(int(rng.integers(1, 300)))
    for part in np.array_split(known, 3):
        incumbents.add(part)
    for bound in bounds[incumbents.beat(bounds)]:
        assert ((known <= bound).all(axis=1) & (known < bound).any(axis=1)).any()


def test_what_is_clearly_beaten_is_seen() -> None:
    """Two losses: everything that is above the known front by more than a slot."""
    places = np.linspace(0.0, 1.0, 200)
    known = np.column_stack([places, 1.0 - places])
    incumbents = Incumbents(len(known))
    incumbents.add(known)
    assert incumbents.beat(known + 0.02).all()
    assert not incumbents.beat(known - 0.02).any()
