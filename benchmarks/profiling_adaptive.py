"""Which calls to make: adaptive profiling against the grid, uniform random and even allocation.

    python -m benchmarks.profiling_adaptive [--quick] [--seed N] [--seeds N] [--only NAME ...]

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

SHARES = (0.025, 0.05, 0.1, 0.2)
ENOUGH = 0.99
ROOM = 8
SEEDS = 10
FIRST_SEED = 100
"""Worlds of smaller numbers were looked at while the chooser was written."""
Order = Callable[[World], list[Call]]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", nargs="+", choices=FLOWCOMPILE, default=FLOWCOMPILE)
    asked = parser.parse_args()
    figures = Figures(simulated=True)
    names = ("hotpotqa",) if asked.quick else asked.only
    compare(figures, names, FIRST_SEED + asked.seed, 2 if asked.quick else asked.seeds)
    if asked.json:
        write_json(figures.found, asked.json)


def compare(figures: Figures, names: Sequence[str], first: int, seeds: int) -> None:
    """All workflows and seeds, by calls and by dollars."""
    policies: dict[str, Order] = {
        "adaptive": lambda one: by_chooser(one, per_dollar=False),
        "adaptive per dollar": lambda one: by_chooser(one, per_dollar=True),
        "even": even,
        "random": at_random,
    }
    needed: dict[str, list[float]] = {policy: [] for policy in policies}
    for name in names:
        found: dict[tuple[str, str, float], list[float]] = {}
        seconds = 0.0
        for number in range(first, first + seeds):
            one = world(name, number)
            score = Score(one)
            every = even(one)
            full = score.attained(every)
            for policy, order in policies.items():
                start = time.process_time()
                calls = order(one)
                if policy == "adaptive":
                    seconds += time.process_time() - start
                for unit, size in (("calls", by_calls), ("dollars", by_dollars)):
                    got = [
                        score.attained(cut(calls, size, share * sum(map(size, every)))) / full
                        for share in SHARES
                    ]
                    for share, reached in zip(SHARES, got, strict=True):
                        found.setdefault((policy, unit, share), []).append(reached)
                    if unit == "calls":
                        enough = [s for s, v in zip(SHARES, got, strict=True) if v >= ENOUGH]
                        needed[policy].append(min(enough, default=1.0))
        figures.heading(f"{name}: true hypervolume, of that of the full grid; {seeds} seeds")
        for (policy, unit, share), values in found.items():
            goal = ENOUGH if (policy, unit, share) == ("adaptive", "calls", 0.1) else None
            title = f"{name}: {policy}, {share:.1%} of the grid's {unit}"
            figures.add(title, fmean(values), at_least=goal, note=f"worst {min(values):.3f}")
        figures.add(f"{name}: processor time of choosing, per seed", seconds / seeds, "s")
    figures.heading(f"first of {SHARES} of calls that attains {ENOUGH}; 1 where none does; mean")
    for policy, values in needed.items():
        figures.add(f"{policy}: share of calls", fmean(values))
    ratio = fmean(needed["random"]) / fmean(needed["adaptive"])
    figures.add("random over adaptive", ratio, "x", at_least=3)


def by_calls(call: Call) -> float:
    """A call counts as one."""
    return 1.0


def by_dollars(call: Call) -> float:
    """A call counts as what it cost."""
    return call.cost_usd or 0.0


def cut(calls: Sequence[Call], size: Callable[[Call], float], most: float) -> Sequence[Call]:
    """The first calls, as many as are worth so much together."""
    taken = np.cumsum([size(call) for call in calls])
    return calls[: int(np.searchsorted(taken, most * (1.0 + 1e-9), side="right"))]


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


def by_chooser(one: World, *, per_dollar: bool) -> list[Call]:
    """What the chooser asks, a round of calls at a time, up to the largest share."""
    chooser = Adaptive(one.requests, one.subjects, tolerance=0.0, per_dollar=per_dollar)
    room = {request.model: ROOM for request in one.requests}
    calls: dict[Key, Call] = {}
    every = even(one)
    most, dollars = len(every), sum(call.cost_usd or 0.0 for call in every)
    spent = 0.0
    while len(calls) < SHARES[-1] * most or (per_dollar and spent < SHARES[-1] * dollars):
        asked = chooser(Situation(calls, frozenset(), room, spent))
        if not asked:
            break
        calls |= {request.key: one.call(request) for request in asked}
        spent = sum(call.cost_usd or 0.0 for call in calls.values())
    return list(calls.values())


def even(one: World) -> list[Call]:
    """The grid in its own order: the first queries of every arm first."""
    return [one.call(request) for request in one.requests]


def at_random(one: World) -> list[Call]:
    """The grid in any order."""
    rng = np.random.default_rng([one.seed, 3])
    return [one.call(one.requests[row]) for row in rng.permutation(len(one.requests))]


if __name__ == "__main__":
    main()
