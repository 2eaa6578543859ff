"""Pareto local search by exchanges: the front of spaces too large to enumerate.

Start from good points; replace one setting or one structural label of every non-dominated point in
turn; keep the non-dominated; stop when no exchange finds a new one (Pareto local search: Paquete,
Chiarandini and Stützle 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
import numpy.typing as npt

from flowir.search.pareto import layers, non_dominated
from flowir.search.problem import Problem
from flowir.search.space import UNREACHED, Indices, Points, Space


@dataclass(frozen=True, eq=False)
class Exchanged:
    """What local search found.

    Attributes:
        points: non-dominated points, then of the rest the best, in canonical order.
        evaluations: how many points were evaluated.
        closed: whether no single exchange of a non-dominated point improves the front.
    """

    points: Points
    evaluations: int
    closed: bool


def exchange(
    problem: Problem, start: Points, *, limit: int = 200_000, at_least: int = 1
) -> Exchanged:
    """Local search from `start` until closed, or until `limit` points were evaluated.

    As in enumeration, whole Pareto layers of what was evaluated are kept until there are
    `at_least` points.
    """
    space = problem.space
    found = start.distinct().ordered()
    values = problem.losses(found)
    seen = set(found.identities())
    expanded: set[bytes] = set()
    while True:
        keep = np.sort(layers(values, at_least))
        found, values = found[keep], values[keep]
        front = found[non_dominated(values, duplicates=True)]
        keys = front.identities()
        new: list[Points] = []
        for i in [i for i, key in enumerate(keys) if key not in expanded]:
            near = _unseen(neighbours(space, front[i : i + 1]), seen)
            if len(seen) + len(near) > limit:
                break
            expanded.add(keys[i])
            seen.update(near.identities())
            new.append(near)
        closed = expanded.issuperset(keys)
        if not any(map(len, new)):
            return Exchanged(found.ordered(), len(seen), closed)
        batch = Points.join(new)
        found = Points.join([found, batch])
        values = np.concatenate([values, problem.losses(batch)])


def _unseen(points: Points, seen: set[bytes]) -> Points:
    points = points.distinct()
    return points[np.array([key not in seen for key in points.identities()], dtype=np.bool_)]


def neighbours(space: Space, point: Points) -> Points:
    """Every point one exchange away: another setting of one decision, another label of one choice.

    A decision that only the new structure reaches takes each of its configurations in turn, the
    others newly reached their baseline or first one.
    """
    structure, settings = point.structure[0], point.settings[0]
    moved = [_moved(space, settings, other) for other in _structures_exchanged(space, structure)]
    return Points.join([_settings_exchanged(space, structure, settings), *moved])


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
        row[decision] = _default(space, decision)
    rows = [row]
    for decision in fresh:
        for choice in space.workflow.decisions[decision].choices:
            changed = row.copy()
            changed[decision] = choice
            rows.append(changed)
    return Points(np.tile(np.array(structure, dtype=np.int16), (len(rows), 1)), np.array(rows))


def _default(space: Space, decision: int) -> int:
    """Today's configuration where it may be chosen, else the first."""
    today = space.workflow.decisions[decision].baseline
    return today if today is not None and today in space.workflow.decisions[decision].choices else 0


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
    return Points.join(parts).distinct()


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
