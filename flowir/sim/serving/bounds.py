"""What arrivals take at least, and how long each would take alone: what results are held to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from flowir.engines.engine import LanguageModelEngine
from flowir.serving.fluid import Demand, utilisation
from flowir.serving.forecast import work_s
from flowir.serving.requests import ServedWorkflow
from flowir.serving.sets import ConfigurationSet
from flowir.sim.serving.clusters import ENGINES
from flowir.sim.serving.workload import Arrival

Floats = npt.NDArray[np.float64]


Fixed = Callable[[Arrival], Sequence[int]]
"""The one configuration a request is given, whatever the load."""


def demands(arrivals: Sequence[Arrival], fixed: Fixed | None = None) -> list[Demand]:
    """What the arrivals take of full engines, of the tokens they really read and write.

    Args:
        fixed: the configuration of each; None for any that keeps accuracy.
    """
    by_workflow: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        by_workflow[arrival.workflow.name].append(arrival)
    found = []
    for group in by_workflow.values():
        workflow = group[0].workflow
        rows = _rows(workflow)
        stage_work = np.array([_stage_seconds(arrival, work_s) for arrival in group])  # [N, L, K]
        work = np.zeros((len(group), len(rows), len(ENGINES)))
        for level in range(len(workflow.stages)):
            for model in range(len(ENGINES)):
                work[:, rows[:, level] == model, model] += stage_work[:, level, model][:, None]
        if fixed is None:
            opened = np.array([_open(workflow, arrival.keeps) for arrival in group])
        else:
            opened = np.array([(rows == np.array(fixed(a))).all(axis=1) for a in group])
        found.append(Demand(work, opened))
    return found


def bound_rate(
    arrivals: Sequence[Arrival],
    rate: float,
    replicas: Sequence[int],
    fixed: Fixed | None = None,
) -> float:
    """Requests per second that no scheduler can pass, of requests like these.

    Args:
        rate: any; the bound does not depend on it.
        fixed: as of `demands`: what cannot be passed by whoever gives these configurations.
    """
    seconds = len(arrivals) / rate
    return rate / utilisation(demands(arrivals, fixed), seconds * np.array(replicas, dtype=float))


def cheapest(arrival: Arrival) -> tuple[int, ...]:
    """The configuration of fewest dollars of those that a request is served with."""
    stages = arrival.workflow.stages

    def usd(row: Sequence[int]) -> float:
        pairs = zip(stages, row, strict=True)
        return sum(stage.calls * stage.choices[choice].usd for stage, choice in pairs)

    return min(arrival.routed, key=usd)


def alone_s(arrivals: Sequence[Arrival]) -> Floats:
    """[N] seconds each takes alone, with the fastest configuration that keeps accuracy."""
    return np.array([_fastest(arrival) for arrival in arrivals])


def reference_s(arrivals: Sequence[Arrival]) -> Floats:
    """[N] seconds each takes alone with the reference at every stage, as before it was compiled."""
    return np.array([_latency(arrival, _rows(arrival.workflow)[-1:]) for arrival in arrivals])


def _fastest(arrival: Arrival) -> float:
    workflow = arrival.workflow
    return _latency(arrival, _rows(workflow)[_open(workflow, arrival.keeps)])


def _latency(arrival: Arrival, rows: npt.NDArray[np.int64]) -> float:
    """Of the fastest of some configurations. Of calls side by side the longest counts."""
    workflow = arrival.workflow
    longest = _stage_seconds(arrival, _alone, together=max)
    ends: dict[str, Floats] = {}
    for level, stage in enumerate(workflow.stages):
        begin = np.max([ends[name] for name in stage.after], axis=0) if stage.after else 0.0
        ends[stage.name] = begin + longest[level][rows[:, level]]
    return float(np.max(list(ends.values()), axis=0).min())


def _alone(engine: LanguageModelEngine, read: float, written: float) -> float:
    return engine.prefill_s(read) + engine.decode_s(written, read)


def _stage_seconds(arrival: Arrival, seconds: object, together: object = sum) -> Floats:
    """[L, K] of all calls of each stage on each engine."""
    return np.array(
        [
            [together(seconds(e, read, written) for read, written in calls) for e in ENGINES]  # type: ignore[operator]
            for calls in arrival.tokens
        ]
    )


@cache
def _rows(workflow: ServedWorkflow) -> npt.NDArray[np.int64]:
    """[C, L] every configuration."""
    return np.array(list(workflow.every()), dtype=np.int64)


@cache
def _open(workflow: ServedWorkflow, kept: ConfigurationSet) -> npt.NDArray[np.bool_]:
    """[C] which are kept."""
    rows = set(kept)
    return np.array([tuple(row) in rows for row in _rows(workflow).tolist()])
