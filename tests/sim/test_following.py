"""A provider whose configurations are chosen call by call is, for each call, one of them."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.errors import SimulationError
from flowir.profile import observations_from_records
from flowir.runtime.llm import CompletionLike
from flowir.search.observed import Observed
from flowir.sim import clock
from flowir.sim.following import FollowingProvider
from flowir.sim.provider import SimulatedProvider
from flowir.sim.simulation import Simulation
from tests.serving_fronts import TWO_STAGES
from tests.strategies_ir import parse

TERMS = workflow_terms(find_workflow(parse(TWO_STAGES)))
SITES = ("draft", "end")
MODELS = ("small", "large")


def observed() -> Observed:
    """`large` is right more often, and slower."""
    rows = [
        {
            "sub_agent": agent,
            "model": model,
            "query_id": str(query),
            "correct": int(query % 10 < right),
            "latency_s": seconds * (1 + query / 100),
            "input_tokens": 10,
            "output_tokens": 5 + query % 3,
        }
        for agent in ("first", "second")
        for model, right, seconds in (("small", 5, 0.5), ("large", 9, 2.0))
        for query in range(40)
    ]
    return Observed(observations_from_records(rows), None)


SCENARIOS = observed().source(TERMS, {}, "population")(4, 16, 0)


def simulation(settings: tuple[int, ...]) -> Simulation:
    return Simulation(TERMS, settings, SCENARIOS, 0)


async def _run(llm: Any, models: tuple[str, ...]) -> tuple[list[CompletionLike], float]:
    found, prompt = [], "1: task"
    for number, (site, model) in enumerate(zip(SITES, models, strict=True), 2):
        found.append(await llm(site, [{"role": "user", "content": prompt}], model=model))
        prompt = f"{number}: {found[-1].text}"
    return found, asyncio.get_running_loop().time()


@pytest.mark.parametrize("models", list(itertools.product(MODELS, repeat=2)))
def test_a_run_is_that_of_the_configurations_it_asked_for(models: tuple[str, ...]) -> None:
    settings = tuple(MODELS.index(model) for model in models)
    for scenario in range(0, SCENARIOS.size, 5):
        fixed = SimulatedProvider(simulation(settings), scenario, 3)
        following = FollowingProvider(simulation, (0, 0), scenario, 3)
        assert clock.run(_run(following.llm, models)) == clock.run(_run(fixed.llm, models))
        assert following.cost_usd == pytest.approx(fixed.cost_usd, nan_ok=True)


def test_what_is_no_configuration_is_refused() -> None:
    following = FollowingProvider(simulation, (0, 0), 0)
    with pytest.raises(SimulationError, match="huge"):
        clock.run(_run(following.llm, ("huge", "small")))
