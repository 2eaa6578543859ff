"""Calls of running code on a simulated endpoint take what the simulated primitives take."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Block, Call, Decision, Workflow
from flowir.configuration import Configuration
from flowir.engines.engine import LanguageModelEngine
from flowir.errors import SimulationError
from flowir.prim.graph import Node, PrimitiveGraph, Work
from flowir.runtime.llm import LLM, Message, Tools
from flowir.scheduling.policies import FIFO
from flowir.sim.clock import run
from flowir.sim.endpoints import Endpoint
from flowir.sim.primitives import Arrival, simulate_primitives
from flowir.sim.simulate import simulate
from tests.budget import some

ENGINE = LanguageModelEngine(
    "m", 0.03, 7e-5, 0.0136, 8e-5, 3e-8, slots=3, kv_tokens=2500, prefill_batch_tokens=1500
)


async def ends(calls: list[tuple[float, int, int]]) -> list[float]:
    """When each (arrival, prompt, output) is answered."""
    endpoint = Endpoint(ENGINE)
    loop = asyncio.get_running_loop()

    async def one(at: float, prompt: int, output: int) -> float:
        await asyncio.sleep(at)
        async for _ in endpoint.serve(prompt, output):
            pass
        return loop.time()

    return await asyncio.gather(*(one(*call) for call in calls))


@settings(max_examples=some(80), deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 2), st.integers(1, 1000), st.integers(1, 60)),
        min_size=1,
        max_size=7,
        unique_by=lambda call: call[0],
    )
)
def test_calls_end_when_the_same_primitives_do(calls: list[tuple[float, int, int]]) -> None:
    graphs = [
        PrimitiveGraph(
            (
                Node("p", "prefilling", "m", Work(1, prompt)),
                Node("d", "decoding", "m", Work(1, 0, output, prompt), (0,), 0),
            ),
            1,
        )
        for _, prompt, output in calls
    ]
    arrivals = [Arrival(i, calls[i][0], graph) for i, graph in enumerate(graphs)]
    simulated = simulate_primitives(arrivals, {"m": ENGINE}, FIFO)
    expected = {answer.query: answer.answered_s for answer in simulated.answers}
    found = run(ends(calls))
    assert found == pytest.approx([expected[i] for i in range(len(calls))], rel=1e-9)


def test_pieces_come_as_they_are_written() -> None:
    async def times() -> list[float]:
        endpoint = Endpoint(LanguageModelEngine("m", 1.0, 0.0, 0.1))
        loop = asyncio.get_running_loop()
        return [loop.time() async for _ in endpoint.serve(100, 10, 3)]

    assert run(times()) == pytest.approx([1.3, 1.7, 2.0])


def test_runs_that_arrive_together_share_the_model_and_wait_for_each_other() -> None:
    one = np.ones((1, 8))
    model = CallModel(one, 0 * one, 0 * one, one, output_tokens=20 * one)
    scenarios = Scenarios(8, 1, (model,))
    decision = Decision("w", "a", "", (Configuration("m"),))
    workflow = Workflow("w", Block((Call("s", 0, (0,), 1),), 1, (0,)), (decision,))

    async def ask(inputs: object, llm: LLM, tools: Tools) -> object:
        messages: list[Message] = [{"role": "user", "content": "x" * 400}]
        return (await llm("s", messages, model="m")).text

    engines = {"m": LanguageModelEngine("m", 1.0, 0.0, 0.1, slots=1)}
    alone = simulate(ask, workflow, (0,), scenarios, samples=4, engines=engines)
    assert alone.latency_s == pytest.approx([3.0] * 4)
    drawn = simulate(ask, workflow, (0,), scenarios, samples=4)
    assert drawn.latency_s == pytest.approx([1.0] * 4)
    loaded = simulate(
        ask, workflow, (0,), scenarios, samples=4, engines=engines, arrivals_s=[0, 0, 1, 20]
    )
    assert loaded.latency_s == pytest.approx([3.0, 6.0, 8.0, 3.0])
    with pytest.raises(SimulationError, match="3 arrivals of 4 samples"):
        simulate(ask, workflow, (0,), scenarios, samples=4, arrivals_s=[0, 1, 2])
