"""Pareto local search by exchanges: the front of spaces too large to enumerate.

Start from good points; replace one setting or one structural label of every non-dominated point in
turn; keep the non-dominated; stop when no exchange finds a new one (Pareto local search: Paquete,
Chiarandini and Stützle 2004).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from typing import Literal

import numpy as np
import numpy.typing as npt

from flowir.search.anytime import StoppedError, report
from flowir.search.pareto import beaten, layers, non_dominated
from flowir.search.problem import Problem
from flowir.search.space import Indices, Points, Space
from flowir.search.structures import UNREACHED

BATCH = 1 << 12
"""Points evaluated between two looks at the limits."""

ROUND = 64
"""Points of the front whose exchanges are evaluated together."""

WIDE = 16
"""How much better than a sum of single exchanges a pair may be, as 1/WIDE of their size."""

Closure = Literal["pairs", "exchanges", "none"]


@dataclass(frozen=True, eq=False)
class Exchanged:
    """What local search found.

    Attributes:
        points: non-dominated points, then of the rest the best, in canonical order.
        evaluations: how many points were evaluated.
        closure: `exchanges` if no single exchange of a non-dominated point improves the front,
            `pairs` if no two together do either.
        stopped: which limit of time or memory ended it; empty if none did.
    """

    points: Points
    evaluations: int
    closure: Closure
    stopped: str = ""

    @property
    def closed(self) -> bool:
        """Whether no single exchange improves the front."""
        return self.closure != "none"


def exchange(
    problem: Problem, start: Points, *, limit: int = 1 << 18, at_least: int = 1
) -> Exchanged:
    """Local search from `start` until closed, or until `limit` points were evaluated.

    First single exchanges, until none helps; then pairs. All pairs are tried where the limit
    allows; else those that promise to help if their single exchanges add up, and what they improve
    is exchanged on. As in enumeration, whole Pareto layers of what was evaluated are kept until
    there are `at_least` points. Of points that differ only in what makes no difference, see
    `Problem.canonical`, one is looked at.
    """
    search = _Search(problem, limit, at_least)
    closure: Closure = "none"
    stopped = ""
    try:
        search.add(start[problem.space.legal(start)])
        if search.close():
            closure = "exchanges"
            while (more := search.pairs()) and len(more.points):
                closure = "none"
                search.add(more.points)
                if not search.close():
                    break
                closure = "exchanges"
                if not search.improved:
                    closure = "pairs" if more.every else "exchanges"
                    break
            else:
                closure = "pairs" if more is not None and more.every else closure
    except StoppedError as error:
        stopped = str(error)
    return Exchanged(search.points.ordered(), len(search.known), closure, stopped)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Points two exchanges away, and whether these are all there are."""

    points: Points
    every: bool


class _Search:
    """One local search: what is known of every point evaluated, and the best of them."""

    def __init__(self, problem: Problem, limit: int, at_least: int) -> None:
        self.space = problem.space
        self.points = problem.space.baseline[:0]
        self.known: dict[bytes, npt.NDArray[np.float64]] = {}
        self.improved = False
        self._problem = problem
        self._limit = limit
        self._at_least = at_least
        self._values = np.empty((0, len(problem.objectives)))
        self._expanded: set[bytes] = set()
        self._paired: set[bytes] = set()

    def add(self, points: Points) -> None:
        """Evaluate points, and keep the best of all. Says in `improved` if the front changed."""
        before = set(self.front.identities())
        fresh = self._unseen(points)
        for first in range(0, len(fresh), BATCH):
            batch = fresh[first : first + BATCH]
            values = self._problem.losses(batch)
            self.known.update(zip(batch.identities(), values, strict=True))
            self.points = Points.join([self.points, batch])
            self._values = np.concatenate([self._values, values])
        keep = np.sort(layers(self._values, self._at_least))
        self.points, self._values = self.points[keep], self._values[keep]
        self.improved = set(self.front.identities()) != before
        report(f"{len(self.known):,} points evaluated, {len(self.front):,} on the front")

    @property
    def front(self) -> Points:
        """The non-dominated points."""
        return self.points[non_dominated(self._values, duplicates=True)]

    def close(self) -> bool:
        """Single exchanges of the front until none helps; false where the limit comes first."""
        changed = False
        while True:
            front = self.front
            keys = front.identities()
            new: list[Points] = []
            seen: set[bytes] = set()
            rows = [i for i, key in enumerate(keys) if key not in self._expanded]
            # Few at a time, from all over the front: many of the others will be dominated by then.
            for i in rows[:: -(-len(rows) // ROUND) or 1]:
                near = self._unseen(neighbours(self.space, front[i : i + 1]), seen)
                if len(self.known) + len(seen) + len(near) > self._limit:
                    break
                self._expanded.add(keys[i])
                seen.update(near.identities())
                new.append(near)
            if not any(map(len, new)):
                self.improved |= changed
                return self._expanded.issuperset(keys)
            self.add(Points.join(new))
            changed |= self.improved

    def _unseen(self, points: Points, *seen: Container[bytes]) -> Points:
        """Those that were not evaluated, each once, what makes no difference as it is today."""
        points = self._problem.canonical(points).distinct()
        known = (self.known, *seen)
        new = [not any(key in some for some in known) for key in points.identities()]
        return points[np.array(new, dtype=np.bool_)]

    def pairs(self) -> _Pairs | None:
        """Points two exchanges from the front; None where nothing more may be evaluated."""
        front = self.front
        rows = [i for i, key in enumerate(front.identities()) if key not in self._paired]
        count = sum(_pairs_of(self.space, front.structure[i]) for i in rows)
        left = self._limit - len(self.known)
        if left <= 0:
            return None
        if count <= left:
            self._paired.update(front.identities())
            every = [two_away(self.space, front[i : i + 1]) for i in rows]
            return _Pairs(self._unseen(Points.join([front[:0], *every])), True)
        values = self._values[non_dominated(self._values, duplicates=True)]
        distinct = np.unique(values, axis=0)
        promising = [self._promising(front[i : i + 1], values[i], distinct) for i in rows]
        return _Pairs(self._unseen(Points.join(promising))[:left], False)

    def _promising(
        self, point: Points, own: npt.NDArray[np.float64], front: npt.NDArray[np.float64]
    ) -> Points:
        """Pairs of settings that nothing on the front dominates, if single exchanges add up."""
        near = _settings_exchanged(self.space, point.structure[0], point.settings[0])
        known = [self.known.get(key) for key in near.identities()]
        rows = np.array([i for i, value in enumerate(known) if value is not None], dtype=np.intp)
        if not len(rows):
            return point[:0]
        near = near[rows]
        change = np.array([known[i] for i in rows]) - own
        decision = np.argmax(near.settings != point.settings, axis=1)
        i, j = np.nonzero(decision[:, None] < decision[None, :])
        hoped = own + change[i] + change[j] - (np.abs(change[i]) + np.abs(change[j])) / WIDE
        alone = np.minimum(change[i], change[j]).min(axis=1) < 0.0
        i, j, hoped = i[alone], j[alone], hoped[alone]
        alive = ~beaten(hoped, front)
        i, j = i[alive], j[alive]
        settings = np.where(near.settings[j] != point.settings, near.settings[j], near.settings[i])
        found = Points(np.repeat(point.structure, len(i), axis=0), settings)
        return found[self.space.legal(found)]


def two_away(space: Space, point: Points) -> Points:
    """Every legal point with two settings exchanged, or one label and one setting."""
    structure, settings = point.structure[0], point.settings[0]
    parts = [point[:0]]
    for one, other in combinations(space.used(structure), 2):
        choices = [space.workflow.decisions[d].choices for d in (one, other)]
        pairs = np.array(list(product(*choices)), dtype=np.int16).reshape(-1, 2)
        rows = np.tile(settings, (len(pairs), 1))
        rows[:, [one, other]] = pairs
        parts.append(Points(np.tile(structure, (len(pairs), 1)), rows))
    for moved in _structures_exchanged(space, structure):
        labels = np.array(moved, dtype=np.int16)
        rows = _moved(space, settings, moved).settings
        parts += [_settings_exchanged(space, labels, row) for row in rows]
    found = Points.join(parts).distinct()
    return found[space.legal(found)]


def _pairs_of(space: Space, structure: Indices) -> int:
    """At most so many points are two exchanges of settings away, and some more of structure."""
    sizes = [len(space.workflow.decisions[d].choices) for d in space.used(structure)]
    within = (sum(sizes) ** 2 - sum(size * size for size in sizes)) // 2
    labels = sum(len(choice.labels) for choice in space.workflow.structures)
    return within + labels * sum(sizes) ** 2 // max(len(sizes), 1)


def neighbours(space: Space, point: Points) -> Points:
    """Every legal point one exchange away: another setting of one decision, another label.

    A decision that only the new structure reaches takes each of its configurations in turn, the
    others newly reached their baseline or first one.
    """
    structure, settings = point.structure[0], point.settings[0]
    moved = [_moved(space, settings, other) for other in _structures_exchanged(space, structure)]
    found = Points.join([_settings_exchanged(space, structure, settings), *moved])
    return found[space.legal(found)] if space.forbidden else found


def _settings_exchanged(space: Space, structure: Indices, settings: Indices) -> Points:
    changes = [
        (decision, choice)
        for decision in space.used(structure)
        for choice in space.workflow.decisions[decision].choices
        if choice != settings[decision]
    ]
    rows = np.tile(settings, (len(changes), 1))
    for row, (decision, choice) in enumerate(changes):
        rows[row, decision] = choice
    return Points(np.tile(structure, (len(changes), 1)), rows)


def _structures_exchanged(space: Space, structure: Indices) -> list[tuple[int, ...]]:
    """Structures that differ in one label that is reached, and in what that label then reaches."""
    found: dict[tuple[int, ...], None] = {}
    current = tuple(int(label) for label in structure)
    for place, choice in enumerate(space.workflow.structures):
        if current[place] == UNREACHED:
            continue
        kept = {i: x for i, x in enumerate(current) if i != place and x != UNREACHED}
        for label in range(len(choice.labels)):
            if label != current[place]:
                found.update(dict.fromkeys(space.completions({**kept, place: label})))
    found.pop(current, None)
    return list(found)


def _moved(space: Space, settings: Indices, structure: Sequence[int]) -> Points:
    """A point's settings in another structure, newly reached decisions varied one at a time."""
    used = space.used(structure)
    row = np.full(space.decisions, UNREACHED, dtype=np.int16)
    for decision in used:
        row[decision] = settings[decision]
    fresh = [decision for decision in used if row[decision] == UNREACHED]
    for decision in fresh:
        row[decision] = space.default(decision)
    rows = [row]
    for decision in fresh:
        for choice in space.workflow.decisions[decision].choices:
            changed = row.copy()
            changed[decision] = choice
            rows.append(changed)
    return Points(np.tile(np.array(structure, dtype=np.int16), (len(rows), 1)), np.array(rows))


def spread(problem: Problem, *, ranks: int = 5, structures: int = 200) -> Points:
    """Points all over the space, to start from.

    In each of the first `structures` structures, every decision takes the configuration at one
    and the same rank of its own ranking by success, by latency, and by money of a single call.
    """
    space = problem.space
    orders = _rankings(problem)
    shares = np.linspace(0.0, 1.0, ranks)
    parts = [space.baseline]
    for structure in islice(space.structures(), structures):
        used = list(space.used(structure))
        rows = np.full((len(orders) * ranks, space.decisions), UNREACHED, dtype=np.int16)
        for number, (order, share) in enumerate(product(orders, shares)):
            for decision in used:
                ranking = order[decision]
                rows[number, decision] = ranking[round(share * (len(ranking) - 1))]
        parts.append(Points(np.tile(np.array(structure, dtype=np.int16), (len(rows), 1)), rows))
    found = Points.join(parts).distinct()
    return found[space.legal(found)]


def _rankings(problem: Problem) -> list[list[npt.NDArray[np.intp]]]:
    """For every quantity known, for every decision, its choices in ascending order."""
    decisions = problem.space.workflow.decisions
    calls = problem.scenarios.calls
    rankings = []
    for quantity in ("success", "mean_latency", "cost"):
        means = [getattr(call, quantity).mean(axis=1) for call in calls]
        if not any(np.isnan(mean).any() for mean in means):
            rankings.append(
                [
                    np.argsort(mean[list(decision.choices)], kind="stable")
                    for mean, decision in zip(means, decisions, strict=True)
                ]
            )
    return rankings
