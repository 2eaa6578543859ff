"""The made-up world that an evaluation is checked on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation import QUANTITIES, runs_of, truth
from benchmarks.evaluation_truth import ACCEPT_RIGHT, MODELS, PRICES, REPEATS, WORKFLOW, World
from benchmarks.search_problems import module_of
from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.search.annotate import annotate
from flowir.search.front import Estimate, Facts, Front, FrontPoint
from flowir.sim.points import Case, PointSimulation
from flowir.sim.simulate import standard_error

QUERIES = 400


@pytest.fixture(scope="module")
def world() -> World:
    return World.drawn(QUERIES, np.random.default_rng(3))


def test_a_seed_gives_one_world(world: World) -> None:
    again = World.drawn(QUERIES, np.random.default_rng(3))
    rows, other = (
        list(one.observations(np.random.default_rng(seed)))
        for one, seed in ((world, 5), (again, 5))
    )
    assert rows == other
    assert rows != list(world.observations(np.random.default_rng(6)))


def test_what_is_observed_is_as_often_right_and_accepted_as_the_world_says(world: World) -> None:
    rows = list(world.observations(np.random.default_rng(1)))
    for number, model in enumerate(MODELS):
        right = [row.correct for row in rows if row.configuration.model == model]
        assert len(right) == REPEATS * QUERIES
        expected = world.chance[number]
        error = np.sqrt((expected * (1.0 - expected)).sum() * REPEATS) / len(right)
        assert abs(np.mean(right) - expected.mean()) < 4.5 * error
    verdicts = [row for row in rows if row.agent == "tests"]
    of_right = [row.answer == "accept" for row in verdicts if row.input_correct]
    assert abs(np.mean(of_right) - ACCEPT_RIGHT) < 0.03
    passes = {f"q{n}" for n in np.flatnonzero(world.passes)}
    of_wrong = {(row.query in passes, row.answer) for row in verdicts if not row.input_correct}
    assert of_wrong == {(True, "accept"), (False, "reject")}


def simulation(folder: Path, world: World) -> PointSimulation:
    """Three points by hand: one of each strategy."""
    text = folder / "w.mlir"
    text.write_text(WORKFLOW)
    module = module_of(text)
    workflow = find_workflow(module)
    terms = workflow_terms(workflow)
    names = [decision.group for decision in terms.decisions]
    by_model = {one.model: one for one in terms.decisions[0].configurations}
    nothing = {name: Estimate(0.5, 0.5, 0.5) for name in QUANTITIES}

    def point(label: str, baseline: bool, **models: str) -> FrontPoint:
        chosen = tuple(by_model[models[n]] if n in models else None for n in names)
        return FrontPoint(nothing, 1.0, {"calls": 3}, chosen, (label,), baseline)

    points = (
        point("once", True, **{"": "large"}),
        point("retry", False, **{"": "medium"}),
        point("cascade", False, cheap="small", dear="large"),
    )
    facts = Facts(
        ("accuracy", "latency", "cost"), "mean", "asyncio", "scenario", "population", "enumerated",
        0.9, 1, 1, 0, 3, 3, 3, prices=tuple(PRICES.items()),
    )  # fmt: skip
    annotate(workflow, Front("w", terms.decisions, terms.structures, points, facts))
    scenarios = world.scenarios(len(terms.decisions))
    return PointSimulation.of(module, scenarios, inputs={"task": "a task"})


@pytest.mark.parametrize("number", range(3))
def test_runs_do_what_the_truth_says(tmp_path: Path, world: World, number: int) -> None:
    """The exact expectation against runs of the emitted file, several on each query."""
    points = simulation(tmp_path, world)
    simulated = points(Case(number, 1, 3 * QUERIES))
    true = truth(points, points.scenarios, [number])
    for name, column in zip(QUANTITIES, ("right", "latency_s", "cost_usd"), strict=True):
        values = getattr(simulated, column)
        assert abs(values.mean() - true[name][0]) < 4.5 * standard_error(values)


def test_runs_are_in_the_order_of_the_queries(tmp_path: Path, world: World) -> None:
    points = simulation(tmp_path, world)
    runs = runs_of(points(Case(0, 1, QUERIES)))
    again = runs_of(points(Case(0, 2, QUERIES)))
    # Slow queries are slow whatever the seed.
    seconds = np.log([[run.latency_s for run in some] for some in (runs, again)])
    assert np.corrcoef(seconds)[0, 1] > 0.5
