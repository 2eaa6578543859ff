"""Emitted files on the simulated provider do what the calculus predicts."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from flowir.backends.asyncio.emit import emit
from flowir.calculus.expectation import expect
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.realised import realise
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.sim.simulate import Simulated, simulate, standard_error
from tests.backends.running import load
from tests.strategies_ir import entry, parse

QUERIES = 40
RUNS = 1600

RETRY = """
flow.agent @coder prompt "{task}" parser "code" space <models = ["m"]>
flow.tool @tests impl "a:b" -> !flow.bool latency 0.05 accepts <right = 0.9, wrong = 0.3>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %kept = flow.fallback until @tests(%task : !flow.text) max 4 -> !flow.text {
    %try = flow.call @coder(%task) : (!flow.text) -> !flow.text
    flow.yield %try : !flow.text
  }
  flow.return %kept : !flow.text
}"""

VOTE = """
flow.agent @coder prompt "{task}" space <models = ["m"]>
flow.agent @fix prompt "{task} {draft}" space <models = ["n"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %a2 = flow.call @fix(%task, %a) : (!flow.text, !flow.text) -> !flow.text
  %b = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %c = flow.call @coder(%task) : (!flow.text) -> !flow.text
  %v = flow.join vote(%a2, %b, %c) : (!flow.text, !flow.text, !flow.text) -> !flow.text
  flow.return %v : !flow.text
}"""


def _call(mean: float, seconds: float) -> CallModel:
    """Queries from hard to easy, latency with noise of 30 %, a tenth of a cent a call."""
    success = np.linspace(mean - 0.3, mean + 0.3, QUERIES)[None]
    shape = success.shape
    return CallModel(
        success, np.full(shape, np.log(seconds)), np.full(shape, 0.3), np.full(shape, 0.001)
    )


def _simulated(text: str, parsers: Mapping[str, str]) -> tuple[Simulated, Any, Any]:
    """What runs of the emitted file did, and what was expected and realised without it."""
    module = parse(text)
    workflow = workflow_terms(entry(module))
    calls = (_call(0.5, 2.0), _call(0.6, 1.0))[: len(workflow.decisions)]
    rates = CheckerModel(np.full(QUERIES, 0.9), np.full(QUERIES, 0.3))
    scenarios = Scenarios(1, QUERIES, calls, {"tests": rates})
    settings = [0] * len(calls)
    file: ModuleType = load(emit(module))

    async def run_one(inputs: Mapping[str, object], llm: Any, tools: Any) -> object:
        return (await file.run(inputs, llm=llm, tools=tools)).value

    simulated = simulate(
        run_one, workflow, settings, scenarios,
        inputs={"task": "a task"}, parsers=parsers, samples=RUNS,
    )  # fmt: skip
    return (
        simulated,
        expect(workflow, [settings], scenarios),
        realise(workflow, [settings], _repeated(scenarios, RUNS // QUERIES)),
    )


def _repeated(scenarios: Scenarios, times: int) -> Scenarios:
    """Every query several times, so that the noise of single runs averages out."""
    calls = tuple(
        CallModel(*(np.tile(x, times) for x in (c.success, c.log_latency, c.latency_scale, c.cost)))
        for c in scenarios.calls
    )
    checkers = {
        name: CheckerModel(np.tile(c.accept_right, times), np.tile(c.accept_wrong, times))
        for name, c in scenarios.checkers.items()
    }
    return Scenarios(scenarios.draws, scenarios.queries * times, calls, checkers)


def _near(values: Any, expected: float) -> None:
    assert abs(values.mean() - expected) <= 4.5 * standard_error(values)


def test_retries() -> None:
    """A sequence: success, calls, money and latency are exact expectations."""
    simulated, expected, _ = _simulated(RETRY, {"coder": "code"})
    _near(simulated.right, expected.success.mean())
    _near(simulated.calls, expected.calls.mean())
    _near(simulated.cost_usd, expected.cost.mean())
    _near(simulated.latency_s, expected.latency.mean())


def test_the_slowest_of_parallel_chains_is_waited_for() -> None:
    """A maximum: latency is distributed as in the realised track, above the composed means."""
    simulated, expected, realised = _simulated(VOTE, {})
    _near(simulated.right, expected.success.mean())
    assert set(simulated.calls) == {4.0}
    _near(simulated.latency_s, realised.latency.mean())
    assert simulated.mean_latency_s > expected.latency.mean() * 1.02
    for share in (0.5, 0.95):
        ratio = simulated.latency_quantile(share) / np.quantile(realised.latency, share)
        assert abs(ratio - 1) < 0.05
