"""Plans that really run, on the simulated provider, do what the calculus predicts.

The emitted files and the interpreter read, dispatch and join plans on the virtual clock; the
calculus has formulas for them. They share no code that composes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from flowir.backends.asyncio.emit import emit
from flowir.backends.langgraph.emit import emit as emit_graph
from flowir.calculus.expectation import Execution, expect
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.realised import realise
from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.runtime.interpreter import interpret
from flowir.sim.simulate import Simulated, simulate, standard_error
from tests.backends.running import load
from tests.strategies_ir import entry, parse

pytestmark = pytest.mark.slow

S = 40
RUNS = 800
SIGMAS = 4.5

MODULE = """
flow.agent @writer prompt "{{question}}" space <models = ["w"]>
flow.agent @planner prompt "{{tools}} {{question}} {{history}}" space <models = ["p"]>
flow.agent @joiner prompt "{{question}} {{history}}" space <models = ["j"]>
flow.tool @look impl "m:look" takes (x: any, n?: integer) effect reads latency {look}
flow.tool @add impl "m:add" takes (n: number, values: list) effect reads latency {add}
flow.workflow @w(%task: !flow.text) -> !flow.text {{
  %question = flow.call @writer(%task) : (!flow.text) -> !flow.text
  %answer = flow.plan tools [@look, @add] max_replans {replans} -> !flow.text
    expects <{expects}>
    planner(%tools, %history) {{
      %plan = flow.call @planner(%tools, %question, %history)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }}
    joiner(%history) {{
      %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }}
  flow.return %answer : !flow.text
}}
"""

SHAPES = [
    "width = 3",
    "width = {1: 0.3, 3: 0.7}, depth = {1: 0.5, 2: 0.5}, right = 0.8",
    "width = 2, depth = 2, right = 0.9, replan = <right = 0.2, wrong = 0.7>",
]


def _module(expects: str, look: float = 0.5, add: float = 0.5, replans: int = 2) -> Any:
    return parse(MODULE.format(expects=expects, look=look, add=add, replans=replans))


def _scenarios(noise: float) -> Scenarios:
    rng = np.random.default_rng(7)

    def model(recovery: bool) -> CallModel:
        return CallModel(
            success=rng.uniform(0.4, 1.0, (1, S)),
            log_latency=rng.normal(0.0, 0.5, (1, S)),
            latency_scale=np.full((1, S), noise),
            cost=rng.uniform(0.5, 1.5, (1, S)),
            recovery=rng.uniform(0.0, 0.5, (1, S)) if recovery else None,
        )

    return Scenarios(4, S // 4, (model(False), model(False), model(True)), {})


def _simulated(module: Any, scenarios: Scenarios, how: str) -> Simulated:
    workflow = entry(module)
    file = (
        None if how == "interpreter" else load((emit if how == "asyncio" else emit_graph)(module))
    )

    async def run_one(inputs: Mapping[str, object], llm: Any, tools: Any) -> object:
        if file is None:
            return (await interpret(workflow, inputs, llm, tools)).value
        return (await file.run(inputs, llm=llm, tools=tools)).value

    terms = workflow_terms(workflow)
    return simulate(run_one, terms, [0] * 3, scenarios, inputs={"task": "x"}, samples=RUNS, seed=3)


def _sigmas(differences: np.ndarray) -> float:
    return abs(float(differences.mean())) / max(standard_error(differences), 1e-9)


@pytest.mark.parametrize("expects", SHAPES)
@pytest.mark.parametrize(("how", "execution"), [("asyncio", "asyncio"), ("langgraph", "langgraph")])
def test_expected_success_calls_and_money(expects: str, how: str, execution: Execution) -> None:
    module, scenarios = _module(expects), _scenarios(0.3)
    expected = expect(workflow_terms(entry(module)), [[0] * 3], scenarios, execution)
    found = _simulated(module, scenarios, how)
    for seen, wanted in (
        (found.right, expected.success),
        (found.calls, expected.calls),
        (found.cost_usd, expected.cost),
    ):
        assert _sigmas(seen - wanted[0][found.scenario]) < SIGMAS
    # The mean of a maximum is at least the maximum of means.
    assert found.latency_s.mean() > 0.98 * expected.latency[0][found.scenario].mean()


@pytest.mark.parametrize("expects", SHAPES)
def test_without_noise_expected_latency_is_exact(expects: str) -> None:
    """Equal tools and sure latencies: each plan takes max(L, w·P + d·E, n·P + E)."""
    module, scenarios = _module(expects), _scenarios(0.0)
    expected = expect(workflow_terms(entry(module)), [[0] * 3], scenarios)
    found = _simulated(module, scenarios, "interpreter")
    assert _sigmas(found.latency_s - expected.latency[0][found.scenario]) < SIGMAS


@pytest.mark.parametrize("expects", SHAPES)
def test_realised_latency_has_the_distribution_of_runs(expects: str) -> None:
    """Also where the tools differ, and latency is drawn."""
    module, scenarios = _module(expects, look=1.5, add=0.25), _scenarios(0.4)
    terms = workflow_terms(entry(module))
    drawn = [realise(terms, [[0] * 3], scenarios, seed=seed) for seed in range(20)]
    found = _simulated(module, scenarios, "asyncio")
    latency = np.concatenate([run.latency[0] for run in drawn])
    assert _distance(found.latency_s, latency) < 2.5
    right = np.concatenate([run.right[0] for run in drawn])
    assert abs(found.right.mean() - right.mean()) < 0.06


def _distance(one: np.ndarray, two: np.ndarray) -> float:
    """√(n·m / (n + m)) · the largest distance of two empirical distribution functions."""
    n, m = len(one), len(two)
    at = np.sort(np.concatenate([one, two])) + 1e-9
    below = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (one, two)]
    return float(np.abs(below[0] - below[1]).max() * np.sqrt(n * m / (n + m)))
