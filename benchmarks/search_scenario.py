"""The scenario model: how long its search takes, and what it misses where all can be enumerated."""

from __future__ import annotations

import itertools
import multiprocessing
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from benchmarks.figures import Figures
from benchmarks.measure import cores, cpu_seconds, peak_megabytes
from benchmarks.search_problems import (
    FLOWCOMPILE,
    PAIR,
    Floats,
    flowcompile,
    made_up,
    problem,
    twelve_agents,
)
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.errors import CalculusError
from flowir.search.enumerate import every_loss
from flowir.search.exchange import Exchanged, exchange, spread
from flowir.search.explore import mean_field_front
from flowir.search.pareto import hypervolume, non_dominated
from flowir.search.problem import OBJECTIVES, Measure, Objective, Problem
from flowir.search.space import Points, Space
from tests.search.random_workflows import random_workflow

SPACES = 12
SIZES = (20_000, 120_000)
QUICK_SIZES = (2_000, 12_000)
"""Points of the random spaces: enough that a search can miss some, few enough to evaluate all."""

FRONT = 10
"""Points that the true front of a random space has at least: of fewer there is little to miss."""

AHEAD = 256
"""Random spaces that wait for a core, of which most do not fit and take no time."""

Row = tuple[str, tuple[Objective, ...], Measure]

ROWS: tuple[Row, ...] = (
    ("mean latency", PAIR, Measure()),
    ("three objectives", OBJECTIVES, Measure()),
    ("p95 latency", PAIR, Measure(latency="p95")),
)


def searched(asked: Problem, limit: int = 200_000) -> Exchanged:
    """What flow-dse does with a space too large to enumerate, before survivors are estimated."""
    start = mean_field_front(asked)
    begin = spread(asked) if start is None else Points.join([asked.space.baseline, start])
    return exchange(asked, begin, limit=limit)


def scenario(figures: Figures, *, quick: bool, seed: int) -> None:
    """Times, then regret."""
    figures.heading("scenario model, 256 queries, accuracy and mean latency of concurrent runs")
    for name in FLOWCOMPILE[: 1 if quick else 3]:
        workflow, scenarios = flowcompile(name, seed)
        _timed(figures, name, workflow, scenarios, 3.0, 1 if quick else 5)
    if not quick:
        workflow = twelve_agents()
        _timed(figures, "12 agents", workflow, made_up(workflow, seed), 15.0, 3)
    count, sizes = (3, QUICK_SIZES) if quick else (SPACES, SIZES)
    figures.heading(
        f"{count} random spaces of {sizes[0]} to {sizes[1]} points, "
        f"{FRONT} or more on the front; every point evaluated under the full model"
    )
    rows = ROWS[: 1 if quick else 3]
    missed = _of_spaces(count, seed, sizes, rows)
    for (name, _, _), some in zip(rows, zip(*missed, strict=True), strict=True):
        _regret(figures, name, some)


def _timed(
    figures: Figures,
    name: str,
    workflow: Workflow,
    scenarios: Scenarios,
    most: float,
    repeats: int,
) -> None:
    found: list[Exchanged] = []

    def search() -> None:
        found.append(searched(problem(workflow, scenarios)))

    seconds = median([cpu_seconds(search) for _ in range(repeats)])
    start = cpu_seconds(lambda: mean_field_front(problem(workflow, scenarios)))
    figures.add(f"{name}: local search, all structures", seconds, "s", at_most=most)
    figures.add(f"{name}: of it, the exact mean-field front", start, "s")
    figures.add(f"{name}: memory", peak_megabytes(search), "MB")
    figures.add(f"{name}: evaluations", found[-1].evaluations)
    figures.add(f"{name}: no exchange improves it (1 = yes)", found[-1].closed, at_least=1)


@dataclass(frozen=True)
class _Lost:
    """What a set of points lacks of the true front."""

    regret: float
    recall: float


@dataclass(frozen=True)
class _Missed:
    """What our search, and the exact mean-field front if there is one, lack in a space.

    Attributes:
        share: of its points that were evaluated.
    """

    ours: _Lost
    proxy: _Lost | None
    share: float


def _of_spaces(
    count: int, seed: int, sizes: tuple[int, int], rows: Sequence[Row]
) -> list[list[_Missed]]:
    """Of the first `count` random spaces that fit, one per core at a time."""
    found: list[list[_Missed]] = []
    waiting: deque[Future[list[_Missed] | None]] = deque()
    numbers = itertools.count()
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        while len(found) < count:
            while len(waiting) < AHEAD:
                waiting.append(pool.submit(_missed, seed, next(numbers), sizes, rows))
            if one := waiting.popleft().result():
                found.append(one)
        pool.shutdown(cancel_futures=True)
    return found


def _missed(
    seed: int, number: int, sizes: tuple[int, int], rows: Sequence[Row]
) -> list[_Missed] | None:
    """For each row; None of a space that does not fit."""
    space = _space(seed, number, sizes)
    if space is None:
        return None
    missed = []
    evaluated: dict[Measure, Floats] = {}
    for _, objectives, measure in rows:
        if measure not in evaluated:
            evaluated[measure] = every_loss(problem(*space, objectives=OBJECTIVES, measure=measure))
        every = evaluated[measure][:, [OBJECTIVES.index(one) for one in objectives]]
        asked = problem(*space, objectives=objectives, measure=measure)
        if not missed and non_dominated(every).sum() < FRONT:
            return None
        found, start = searched(asked), mean_field_front(asked)
        missed.append(
            _Missed(
                _lost(every, asked.losses(found.points)),
                None if start is None else _lost(every, asked.losses(start)),
                found.evaluations / len(every),
            )
        )
    return missed


def _regret(figures: Figures, name: str, missed: Sequence[_Missed]) -> None:
    ours = [one.ours for one in missed]
    proxy = [one.proxy for one in missed if one.proxy is not None]
    regrets = [100 * lost.regret for lost in ours]
    figures.add(f"{name}: hypervolume regret, mean", fmean(regrets), "%", at_most=0.01)
    figures.add(f"{name}: hypervolume regret, worst space", max(regrets), "%")
    recall = 100 * fmean([lost.recall for lost in ours])
    figures.add(f"{name}: recall of the true front, mean", recall, "%", at_least=97)
    worst = 100 * min(lost.recall for lost in ours)
    figures.add(f"{name}: recall of the true front, worst space", worst, "%")
    share = 100 * fmean([one.share for one in missed])
    figures.add(f"{name}: points evaluated, of all", share, "%")
    lost = 100 * fmean([lost.regret for lost in proxy])
    figures.add(f"{name}: mean-field only: hypervolume regret, mean", lost, "%")
    kept = 100 * fmean([lost.recall for lost in proxy])
    figures.add(f"{name}: mean-field only: recall of the true front", kept, "%")


def _lost(every: Floats, found: Floats) -> _Lost:
    """Regret of hypervolume below the worst of every objective, and the share of the front found.

    Points of equal losses count as one.
    """
    corner = every.max(axis=0)
    truth = every[non_dominated(every)]
    keys = {row.tobytes() for row in np.ascontiguousarray(found)}
    recall = np.mean([row.tobytes() in keys for row in np.ascontiguousarray(truth)])
    best = hypervolume(truth, corner)
    regret = 0.0 if best == 0.0 else 1.0 - hypervolume(found, corner) / best
    return _Lost(regret, float(recall))


def _space(seed: int, number: int, sizes: tuple[int, int]) -> tuple[Workflow, Scenarios] | None:
    """A random workflow over every construct, with made-up calls, if it is of middling size."""
    rng = np.random.default_rng([seed, 3, number])
    workflow = random_workflow(rng, decisions=5, configurations=9, terms=6)
    size = Space(workflow).size()
    if size is None or not sizes[0] <= size <= sizes[1]:
        return None
    scenarios = made_up(workflow, number + 1)
    try:
        problem(workflow, scenarios).losses(Space(workflow).baseline)
    except CalculusError:
        return None  # the calculus says no to some random workflows
    return workflow, scenarios
