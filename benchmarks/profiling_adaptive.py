"""Which calls to make: adaptive profiling against the grid, uniform random and even allocation.

    python -m benchmarks.profiling_adaptive [--quick] [--seed N] [--json FILE]

A simulated world (`profiling_truth.py`) answers. A front is chosen by the means of the same sketch
of the cost model whoever chose the calls, and attains the hypervolume its points have in truth.
Every figure is a share of what the front chosen from the full grid attains.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.profiling_truth import World, world
from benchmarks.search_problems import FLOWCOMPILE
from flowir.profile.calls import Call, Key
from flowir.profiler.adaptive.belief import Belief
from flowir.profiler.adaptive.chooser import Adaptive
from flowir.profiler.adaptive.fronts import objectives
from flowir.profiler.adaptive.value import BEYOND, area
from flowir.profiler.engine import Situation
from flowir.search.explore import mean_field_front
from flowir.search.problem import Measure, Problem
from flowir.search.space import Points, Space

SHARES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5)
ENOUGH = 0.99
ROOM = 8
Order = Callable[[World, int], list[Call]]


def main() -> None:
    asked = arguments(__doc__).parse_args()
    figures = Figures(simulated=True)
    adaptive(figures, quick=asked.quick, seed=asked.seed)
    if asked.json:
        write_json(figures.found, asked.json)


def adaptive(figures: Figures, *, quick: bool, seed: int) -> None:
    """All workflows and seeds."""
    policies: dict[str, Order] = {"adaptive": by_chooser, "even": even, "random": at_random}
    shares = SHARES[:3] if quick else SHARES
    needed: dict[str, list[float]] = {name: [] for name in policies}
    for name in FLOWCOMPILE[1:2] if quick else FLOWCOMPILE:
        found: dict[tuple[str, float], list[float]] = {}
        seconds = 0.0
        for number in range(seed, seed + (2 if quick else 10)):
            one = world(name, number)
            score = Score(one)
            full = score.attained([one.call(r) for r in one.requests])
            for policy, order in policies.items():
                start = time.process_time()
                calls = order(one, int(max(shares) * len(one.requests)))
                seconds += time.process_time() - start if policy == "adaptive" else 0.0
                got = [score.attained(calls[: int(s * len(one.requests))]) / full for s in shares]
                for share, value in zip(shares, got, strict=True):
                    found.setdefault((policy, share), []).append(value)
                reached = [s for s, v in zip(shares, got, strict=True) if v >= ENOUGH]
                needed[policy].append(min(reached, default=1.0))
        figures.heading(f"{name}: hypervolume attained, as a share of the full grid's, simulated")
        for (policy, share), values in found.items():
            goal = ENOUGH if (policy, share) == ("adaptive", 0.1) else None
            note = f"worst {min(values):.3f}"
            figures.add(f"{name}: {policy}, {share:.1%} of calls", fmean(values), at_least=goal,
                        note=note)  # fmt: skip
        figures.add(f"{name}: processor time of choosing, all seeds", seconds, "s")
    figures.heading(f"first share of calls looked at that attains {ENOUGH}, mean (1: none did)")
    for policy, values in needed.items():
        figures.add(f"{policy}: share of calls", fmean(values))
    ratio = fmean(needed["random"]) / fmean(needed["adaptive"])
    figures.add("random over adaptive, calls", ratio, "x", at_least=3)


class Score:
    """Fronts chosen by a belief, valued by the truth."""

    def __init__(self, one: World) -> None:
        self._world = one
        self._chooser = Adaptive(one.requests, one.subjects)
        self._space = Space(one.subjects.workflow)
        self._truth = Problem(
            self._space, one.truth(), ("accuracy", "latency", "cost"), Measure(), 1
        )
        best = self._truth.evaluate(_front(self._truth))
        self._corners = BEYOND * best[:, 1:].max(axis=0)

    def attained(self, calls: Sequence[Call]) -> float:
        """True hypervolume, the mean of that of latency and of cost."""
        belief = self._chooser.belief(calls)
        values = self._truth.evaluate(self._chosen(belief))
        return fmean(
            float(area(values[:, :1], values[:, k : k + 1], self._corners[k - 1])[0])
            for k in (1, 2)
        )

    def _chosen(self, belief: Belief) -> Points:
        scenarios = self._world.subjects.scenarios(self._chooser.arms, belief)
        wanted = objectives(belief)
        return _front(Problem(self._space, scenarios, wanted, Measure("asyncio", "mean-field")))


def _front(problem: Problem) -> Points:
    found = mean_field_front(problem)
    assert found is not None
    return found


def by_chooser(one: World, number: int) -> list[Call]:
    """What the chooser asks, a round of calls at a time, until so many are made."""
    chooser = Adaptive(one.requests, one.subjects, tolerance=0.0)
    room = {request.model: ROOM for request in one.requests}
    calls: dict[Key, Call] = {}
    while len(calls) < number:
        spent = sum(call.cost_usd or 0.0 for call in calls.values())
        asked = chooser(Situation(calls, frozenset(), room, spent))
        if not asked:
            break
        calls |= {request.key: one.call(request) for request in asked}
    return list(calls.values())[:number]


def even(one: World, number: int) -> list[Call]:
    """The grid's own order: the first queries of every arm."""
    return [one.call(request) for request in one.requests[:number]]


def at_random(one: World, number: int) -> list[Call]:
    """Any calls."""
    rng = np.random.default_rng([one.seed, 3])
    rows = rng.permutation(len(one.requests))[:number]
    return [one.call(one.requests[row]) for row in rows]


if __name__ == "__main__":
    main()
