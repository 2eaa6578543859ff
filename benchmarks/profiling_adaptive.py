"""Which calls to make: adaptive profiling against the grid, uniform random and even allocation.

    python -m benchmarks.profiling_adaptive [--quick] [--full] [--seeds N] [--only NAME ...]

A simulated world (`profiling_truth.py`) answers. A front is chosen by the means of the same sketch
of the cost model whoever chose the calls, and attains the hypervolume its points have in truth.
Every figure is a share of what the front chosen from the full grid attains. `--full` adds the
chooser that is not the default, per call or per dollar.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.figures import Figures, arguments, write_json
from benchmarks.profiling_truth import World, world
from benchmarks.search_problems import FLOWCOMPILE
from flowir.profile.calls import Call, Key
from flowir.profiler.adaptive.belief import Belief
from flowir.profiler.adaptive.chooser import PER_DOLLAR, Adaptive
from flowir.profiler.adaptive.fronts import objectives
from flowir.profiler.adaptive.value import BEYOND, area
from flowir.profiler.engine import Situation
from flowir.profiler.requests import Request
from flowir.search.explore import mean_field_front
from flowir.search.problem import Measure, Problem
from flowir.search.space import Points, Space

SHARES = (0.025, 0.05, 0.1)
STEPS = (0.025, 0.05, 0.075, 0.1, 0.15, 0.2)
"""Shares of calls among which the first is looked for that attains enough; else the grid counts."""
ENOUGH = 0.99
TOLERANCES = (0.01, 0.02, 0.05)
ROOM = 8
SEEDS = 10
FIRST_SEED = 100
"""Worlds of smaller numbers were looked at while the chooser was written."""
Size = Callable[[Call], float]
Policy = Callable[[World], "Asking"]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--full", action="store_true", help="per call and per dollar")
    parser.add_argument("--only", nargs="+", choices=FLOWCOMPILE, default=FLOWCOMPILE)
    asked = parser.parse_args()
    figures = Figures(simulated=True)
    names = ("hotpotqa",) if asked.quick else asked.only
    start = FIRST_SEED + asked.seed
    seeds = range(start, start + (2 if asked.quick else asked.seeds))
    policies: dict[str, Policy] = {"adaptive": Chosen, "even": even, "random": at_random}
    if asked.full:
        policies["adaptive, other"] = lambda one: Chosen(one, not PER_DOLLAR)
    compare(figures, names, seeds, policies)
    if asked.json:
        write_json(figures.found, asked.json)


def compare(
    figures: Figures, names: Sequence[str], seeds: Sequence[int], policies: Mapping[str, Policy]
) -> None:
    """All workflows and seeds, by calls and by dollars."""
    needed: dict[str, list[float]] = {policy: [] for policy in policies}
    stops: list[Stop] = []
    for name in names:
        found: dict[tuple[str, str, float], list[float]] = {}
        seconds = 0.0
        for number in seeds:
            one = world(name, number)
            score = Score(one)
            for policy, order in policies.items():
                start = time.process_time()
                asking = order(one)
                for unit, size in (("calls", by_calls), ("dollars", by_dollars)):
                    for share in SHARES:
                        reached = asking.reached(score, share, size)
                        found.setdefault((policy, unit, share), []).append(reached)
                if isinstance(asking, Chosen) and policy == "adaptive":
                    seconds += time.process_time() - start
                    stops += asking.stops(score)
                needed[policy].append(enough(asking, score))
        figures.heading(f"{name}: true hypervolume, of that of the full grid; {len(seeds)} seeds")
        for (policy, unit, share), values in found.items():
            goal = ENOUGH if (policy, unit, share) == ("adaptive", "calls", 0.1) else None
            title = f"{name}: {policy}, {share:.1%} of the grid's {unit}"
            figures.add(title, fmean(values), at_least=goal, note=f"worst {min(values):.3f}")
        figures.add(f"{name}: processor time of a seed, with scoring", seconds / len(seeds), "s")
        for policy, values in needed.items():
            own = fmean(values[-len(seeds) :])
            figures.add(f"{name}: {policy}, share of calls that first attains {ENOUGH}", own)
    figures.heading(f"share of calls that first attains {ENOUGH}, of {STEPS}, else 1; mean")
    for policy, values in needed.items():
        figures.add(f"{policy}: share of calls", fmean(values))
    ratio = fmean(needed["random"]) / fmean(needed["adaptive"])
    figures.add("random over adaptive", ratio, "×", at_least=3)
    figures.heading("where the adaptive chooser would have stopped, of the calls made here")
    for tolerance in TOLERANCES:
        some = [stop for stop in stops if stop.tolerance == tolerance]
        runs = len(names) * len(seeds)
        figures.add(f"tolerance {tolerance:g}: runs that stopped", len(some) / runs)
        if some:
            within = fmean(stop.lost <= tolerance for stop in some)
            figures.add(f"tolerance {tolerance:g}: of those, front within it", within)
            figures.add(f"tolerance {tolerance:g}: mean lost", fmean(s.lost for s in some))
            figures.add(f"tolerance {tolerance:g}: share of calls", fmean(s.calls for s in some))


def enough(asking: Asking, score: Score) -> float:
    """The first of `STEPS` that attains enough; 1 where none does."""
    for share in STEPS:
        if asking.reached(score, share, by_calls) >= ENOUGH:
            return share
    return 1.0


def by_calls(call: Call) -> float:
    """A call counts as one."""
    return 1.0


def by_dollars(call: Call) -> float:
    """A call counts as what it cost."""
    return call.cost_usd or 0.0


def cut(calls: Sequence[Call], size: Size, most: float) -> Sequence[Call]:
    """The first calls, as many as are worth so much together."""
    taken = np.cumsum([size(call) for call in calls])
    return calls[: int(np.searchsorted(taken, most * (1.0 + 1e-9), side="right"))]


class Score:
    """Fronts chosen by a belief, valued by the truth.

    Attributes:
        full: what is attained after the full grid.
    """

    def __init__(self, one: World) -> None:
        self._world = one
        self._chooser = Adaptive(one.requests, one.subjects)
        self._space = Space(one.subjects.workflow)
        self._truth = Problem(
            self._space, one.truth(), ("accuracy", "latency", "cost"), Measure(), 1
        )
        best = self._truth.evaluate(_front(self._truth))
        self._corners = BEYOND * best[:, 1:].max(axis=0)
        self.full = self.attained(even(one).calls)

    def share(self, calls: Sequence[Call]) -> float:
        """What is attained, of that of the full grid."""
        return self.attained(calls) / self.full

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


@lru_cache(maxsize=1)
def answers(one: World) -> dict[Key, Call]:
    """All calls of a grid."""
    return {request.key: one.call(request) for request in one.requests}


class Asking:
    """The calls of a grid in the order in which somebody makes them."""

    def __init__(self, one: World, order: Sequence[Request]) -> None:
        self._answers = answers(one)
        self.calls = [self._answers[request.key] for request in order]
        every = self._answers.values()
        self._totals = {size: sum(map(size, every)) for size in (by_calls, by_dollars)}
        self._known: dict[int, float] = {}

    def first(self, share: float, size: Size) -> Sequence[Call]:
        """The calls that are made with a share of the grid's calls or dollars."""
        return cut(self.calls, size, share * self._totals[size])

    def reached(self, score: Score, share: float, size: Size) -> float:
        """What is attained with them, of what the full grid attains."""
        calls = self.first(share, size)
        if len(calls) not in self._known:
            self._known[len(calls)] = score.share(calls)
        return self._known[len(calls)]


class Chosen(Asking):
    """What the chooser asks, a round of calls at a time, as far as it is looked at."""

    def __init__(self, one: World, per_dollar: bool = PER_DOLLAR) -> None:
        super().__init__(one, ())
        self._chooser = Adaptive(one.requests, one.subjects, tolerance=0.0, per_dollar=per_dollar)
        self._room = {request.model: ROOM for request in one.requests}
        self._stored: dict[Key, Call] = {}
        self._regrets: list[tuple[int, float]] = []

    def first(self, share: float, size: Size) -> Sequence[Call]:
        """As of any order; goes on asking where that takes more calls."""
        while sum(map(size, self.calls)) < share * self._totals[size]:
            asked = self._chooser(Situation(self._stored, frozenset(), self._room, 0.0))
            if not asked:
                break
            if not self._regrets or self._regrets[-1][1] != self._chooser.regret:
                self._regrets.append((len(self.calls), self._chooser.regret))
            self.calls += [self._answers[request.key] for request in asked]
            self._stored = {call.key: call for call in self.calls}
        return super().first(share, size)

    def stops(self, score: Score) -> list[Stop]:
        """Where it would have stopped, by tolerance, and what the front lacks there."""
        found = []
        for tolerance in TOLERANCES:
            for calls, regret in self._regrets:
                if regret <= tolerance:
                    lost = 1.0 - score.share(self.calls[:calls])
                    found.append(Stop(tolerance, calls / self._totals[by_calls], lost))
                    break
        return found


class Stop(NamedTuple):
    """Where a run with a tolerance ends: share of the grid's calls, and of hypervolume lost."""

    tolerance: float
    calls: float
    lost: float


def even(one: World) -> Asking:
    """The grid in its own order: the first queries of every arm first."""
    return Asking(one, one.requests)


def at_random(one: World) -> Asking:
    """The grid in any order."""
    rng = np.random.default_rng([one.seed, 3])
    return Asking(one, [one.requests[row] for row in rng.permutation(len(one.requests))])


if __name__ == "__main__":
    main()
