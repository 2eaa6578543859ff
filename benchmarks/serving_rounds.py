"""How long one round of a scheduler takes on a long queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from flowir.serving.beam import BeamThroughput
from flowir.serving.forecast import delay_cost, finish_time
from flowir.serving.requests import EngineLoad, ReadyCall, ServedRequest
from flowir.serving.scheduler import StageScheduler
from flowir.serving.stagewise import StageWise
from flowir.sim.serving.clusters import cluster
from flowir.sim.serving.workload import MIX, arrivals, look_alike

QUEUE = 256
ROUNDS = 60

SCHEDULERS: dict[str, Callable[[], StageScheduler]] = {
    "stage-wise, delay cost": lambda: StageWise(delay_cost),
    "stage-wise, finish time": lambda: StageWise(finish_time),
    "beam 4 throughput": lambda: BeamThroughput(4),
}


def round_milliseconds() -> dict[str, tuple[float, float]]:
    """Per scheduler, median and longest, of CPU, of rounds in which one slot is free, at one engine
    after another. The first round, in which every call is new, is one of them.
    """
    return {name: _milliseconds(make()) for name, make in SCHEDULERS.items()}


def _milliseconds(scheduler: StageScheduler) -> tuple[float, float]:
    ready = waiting_calls(QUEUE + ROUNDS)
    taken = []
    for number in range(ROUNDS):
        loads = almost_full(number)
        begin = time.process_time()
        placed = scheduler.place(ready[:QUEUE], loads, 0.02 * number)
        taken.append(1e3 * (time.process_time() - begin))
        for placement in placed:
            ready.remove(placement.call)
    return median(taken), max(taken)


def waiting_calls(count: int) -> list[ReadyCall]:
    """First calls of so many requests of the mix."""
    trace = look_alike(2000)
    came = arrivals(MIX, np.linspace(0.0, 10.0, count), trace, np.random.default_rng(3))
    found = []
    for number, arrival in enumerate(came):
        request = ServedRequest(str(number), number, arrival.workflow, arrival.routed, arrival.at)
        found.append(
            ReadyCall(request, arrival.workflow.stages[0].name, arrival.tokens[0][0][0], arrival.at)
        )
    return found


def almost_full(number: int) -> list[EngineLoad]:
    """Four replicas, all full but for one slot of one of them."""
    replicas = cluster((1, 1, 2))
    return [
        EngineLoad(
            replica.endpoint,
            replica.model,
            replica.engine,
            decoding=replica.engine.slots - (place == number % len(replicas)),
            context_tokens=1260.0 * replica.engine.slots,
        )
        for place, replica in enumerate(replicas)
    ]
