"""Sweeps of simulations: each case for itself, whatever ran before and wherever."""

from __future__ import annotations

import pickle
from functools import lru_cache

import numpy as np
import pytest

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.errors import SimulationError
from flowir.search.annotate import annotate
from flowir.search.front import Estimate, Facts, Front, FrontPoint
from flowir.sim.points import Case, PointSimulation
from flowir.sim.simulate import standard_error
from flowir.sim.sweep import sweep
from tests.strategies_ir import parse

WORKFLOW = """
flow.agent @coder prompt "{task}" space <models = ["weak", "strong"]> baseline <"weak">
flow.tool @tests impl "a:b" -> !flow.bool latency 0.05 accepts <right = 0.9, wrong = 0.3>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "how" -> !flow.text
    "once" {
      %one = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %one : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
        %try = flow.call @coder(%task) : (!flow.text) -> !flow.text
        flow.yield %try : !flow.text
      }
      flow.yield %kept : !flow.text
    }
  flow.return %answer : !flow.text
}
"""
QUERIES = 20
RIGHT = {"weak": 0.3, "strong": 0.8}


@lru_cache
def simulation() -> PointSimulation:
    """Two points: weak and once, strong with retries."""
    module = parse(WORKFLOW)
    workflow = find_workflow(module)
    terms = workflow_terms(workflow)
    by_model = {one.model: one for one in terms.decisions[0].configurations}
    estimates = {"accuracy": Estimate(0.5, 0.4, 0.6), "latency_s": Estimate(1.0, 0.5, 2.0)}
    points = tuple(
        FrontPoint(estimates, 1.0, {"calls": 3}, (by_model[model],), (label,), baseline=first)
        for model, label, first in (("weak", "once", True), ("strong", "retry", False))
    )
    facts = Facts(
        ("accuracy", "latency"), "mean", "asyncio", "scenario", "population", "enumerated",
        0.9, 1, QUERIES, 0, 4, 4, 2,
    )  # fmt: skip
    annotate(workflow, Front("w", terms.decisions, terms.structures, points, facts))
    shape = (1, QUERIES)
    order = [one.model for one in terms.decisions[0].configurations]
    success = np.array([[RIGHT[model]] * QUERIES for model in order])
    seconds = np.zeros((len(order), QUERIES))
    model = CallModel(success, seconds, seconds + 0.3, seconds + 0.001)
    rates = CheckerModel(np.full(shape[1], 0.9), np.full(shape[1], 0.3))
    scenarios = Scenarios(1, QUERIES, (model,), {"tests": rates})
    return PointSimulation.of(module, scenarios, inputs={"task": "a task"})


def test_cases_come_back_in_their_order_and_do_not_influence_one_another() -> None:
    cases = [Case(point, seed, 60) for seed in (3, 1) for point in (1, 0)]
    swept = sweep(simulation(), cases)
    alone = [sweep(simulation(), [case])[0] for case in reversed(cases)]
    direct = [simulation()(case) for case in cases]
    as_bytes = [pickle.dumps(one) for one in swept]
    assert as_bytes == [pickle.dumps(one) for one in reversed(alone)]
    assert as_bytes == [pickle.dumps(one) for one in direct]
    assert len(set(as_bytes)) == len(cases)


def test_a_point_runs_what_it_chooses() -> None:
    """Once with a weak model; up to three tries with a strong one, of which a right one is kept."""
    weak, strong = sweep(simulation(), [Case(0, 0, 2000), Case(1, 0, 2000)])
    assert set(weak.calls) == {1.0}
    assert abs(weak.accuracy - 0.3) < 4.5 * standard_error(weak.right)
    # A try ends the run if it is right and accepted, or wrong and accepted; the third ends it.
    right, wrong = 0.8 * 0.9, 0.2 * 0.3
    on = 1.0 - right - wrong
    expected = (right + on * right) / 1.0 + on**2 * 0.8
    assert abs(strong.accuracy - expected) < 4.5 * standard_error(strong.right)
    assert set(strong.calls) == {1.0, 2.0, 3.0}


def test_what_a_simulation_raises_ends_a_sweep() -> None:
    with pytest.raises(SimulationError, match="at least one run"):
        sweep(simulation(), [Case(0), Case(0, samples=0)])


def test_a_simulation_travels() -> None:
    again = pickle.loads(pickle.dumps(simulation()))
    case = Case(1, 5, 40)
    assert pickle.dumps(again(case)) == pickle.dumps(simulation()(case))
