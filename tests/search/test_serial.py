"""Where asyncio latency is a sum: the expectation must be the mean of realised runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flowir.calculus.expectation import expect
from flowir.calculus.realised import realise
from flowir.calculus.terms import (
    Block,
    Call,
    Decision,
    Fallback,
    Join,
    Map,
    Term,
    ToolCall,
    Workflow,
    walk,
)
from flowir.configuration import Configuration
from flowir.search.explore import Source
from flowir.search.problem import Measure, Problem
from flowir.search.serial import waits_for_one
from flowir.search.space import Space

MakeWorkflow = Callable[[int], Workflow]
SourceOf = Callable[[Workflow], Source]
AGENT = (Decision("w", "a", "", (Configuration("m"),)),)


def of(*terms: Term) -> Workflow:
    return Workflow("w", Block(terms, terms[-1].output), AGENT)


def call(output: int, *inputs: int) -> Call:
    return Call(f"s{output}", 0, inputs, output)


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        (of(call(1, 0), call(2, 1)), True),
        (of(call(1, 0), call(2, 0), call(3, 1, 2)), False),
        (of(call(1, 0), call(2, 1), call(3, 1, 2)), True),
        (of(call(1, 0), call(2, 0), Join("all", (1, 2), 3)), False),
        (of(call(1, 0), ToolCall("t", "tool", (1,), 2, 0.1), call(3, 2, 0)), True),
        (of(call(1, 0), Map("m", 1, Block((call(3, 2),), 3, (2,)), 2, 4, 4)), False),
        (of(call(1, 0), Map("m", 1, Block((call(3, 2),), 3, (2,)), 1, 4, 4)), True),
    ],
)
def test_what_waits_for_one(workflow: Workflow, expected: bool) -> None:
    assert waits_for_one(workflow) is expected


def test_a_region_waits_for_what_it_reads(make_workflow: MakeWorkflow) -> None:
    """A tier that reads two concurrent calls waits for the later of them."""
    fallback = next(
        term
        for seed in range(40)
        for term in walk(make_workflow(seed).body)
        if isinstance(term, Fallback)
    )
    for inputs, expected in (((1, 2), False), ((2, 0), True)):
        tier = Block((call(3, *inputs),), 3)
        both = Fallback("f", fallback.checker, (tier, tier), 4)
        assert waits_for_one(of(call(1, 0), call(2, 0), both)) is expected


@pytest.mark.parametrize("seed", range(30))
def test_the_expectation_is_the_mean_of_runs(
    seed: int, make_workflow: MakeWorkflow, source_of: SourceOf
) -> None:
    workflow = make_workflow(seed)
    space = Space(workflow)
    scenarios = source_of(workflow)(40, 100, 1)
    structures = [s for s in space.structures() if waits_for_one(space.specialised(s))][:4]
    for structure in structures:
        special = space.specialised(structure)
        settings = np.maximum(space.points(structure, 0, 1).settings, 0)
        expected = expect(special, settings, scenarios, "asyncio").latency
        runs = realise(special, settings, scenarios, "asyncio", 3).latency
        error = (runs - expected).std() / np.sqrt(scenarios.size)
        assert abs((runs - expected).mean()) < 5 * error + 1e-12


def test_a_maximum_is_not_an_expectation(make_workflow: MakeWorkflow, source_of: SourceOf) -> None:
    """The expected slowest of three calls is 1.1 times the mean and more: realised, so seen."""
    workflow = of(call(1, 0), call(2, 0), call(3, 0), Join("all", (1, 2, 3), 4))
    scenarios = source_of(workflow)(20, 50, 1)
    space = Space(workflow)

    def latency(measure: Measure) -> float:
        problem = Problem(space, scenarios, ("latency",), measure, 1)
        return float(problem.evaluate(space.baseline)[0, 0])

    one = scenarios.calls[0].mean_latency.mean()
    assert latency(Measure("asyncio", "mean-field")) == pytest.approx(one)
    assert latency(Measure("sequential")) == pytest.approx(3 * one)
    assert 1.15 * one < latency(Measure("asyncio")) < 2 * one


@pytest.mark.parametrize("latency", ["mean", "p50", "p95"])
def test_latency_is_that_of_realised_runs(
    latency: str, workflow: Workflow, source_of: SourceOf
) -> None:
    scenarios = source_of(workflow)(6, 30, 1)
    space = Space(workflow)
    structure = (2, 1)
    points = space.points(structure, 5, 8)
    measure = Measure("asyncio", "scenario", latency)  # type: ignore[arg-type]
    problem = Problem(space, scenarios, ("latency",), measure, seed=9)
    settings = np.maximum(points.settings, 0)
    runs = realise(space.specialised(structure), settings, scenarios, "asyncio", 9).latency
    by_draw = runs.reshape(3, 6, 30)
    if latency == "mean":
        expected, pooled = by_draw.mean(axis=-1), runs.mean(axis=-1)
    else:
        share = {"p50": 0.5, "p95": 0.95}[latency]
        expected = np.quantile(by_draw, share, axis=-1)
        pooled = np.quantile(runs, share, axis=-1)
    np.testing.assert_allclose(problem.evaluate_per_draw(points)[:, 0], expected)
    np.testing.assert_allclose(problem.evaluate(points)[:, 0], pooled)
