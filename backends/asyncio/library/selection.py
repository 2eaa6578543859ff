"""Choosing among the points."""

from __future__ import annotations

from collections.abc import Iterable

from flowir.backends.asyncio.library.errors import SelectionError
from flowir.backends.asyncio.library.written import POINTS, Point


def point_of(chosen: Point | int | None) -> Point:
    """A point, given as such or by its number; today's where none is given."""
    if isinstance(chosen, Point):
        return chosen
    # <front>
    today = next(point.number for point in POINTS if point.baseline)
    # </front>
    # <single>
    today = 0
    # </single>
    number = today if chosen is None else chosen
    if not 0 <= number < len(POINTS):
        raise SelectionError(f"there is no point {number}; they are 0 to {len(POINTS) - 1}")
    return POINTS[number]


def losses(point: Point) -> dict[str, float]:
    """The means of a point, such that less is better: that of accuracy is negative."""
    means = {"accuracy": point.accuracy, "latency": point.latency_s, "cost": point.cost_usd}
    return {
        name: -estimate.mean if name == "accuracy" else estimate.mean
        for name, estimate in means.items()
        if estimate is not None
    }


def select(
    *,
    max_latency: float | None = None,
    min_accuracy: float | None = None,
    max_cost: float | None = None,
) -> Point:
    """The best point whose means are within the limits: seconds, a share from 0 to 1, US dollars.

    The best is the most accurate; where accuracy has a limit, the fastest; where latency has one
    too, the cheapest.

    Raises:
        SelectionError: no point is within the limits; the message says how near one comes.
    """
    given = {"accuracy": min_accuracy, "latency": max_latency, "cost": max_cost}
    limits = {name: limit for name, limit in given.items() if limit is not None}
    bounds = {name: -limit if name == "accuracy" else limit for name, limit in limits.items()}
    known = losses(POINTS[0])
    if unknown := limits.keys() - known.keys():
        raise SelectionError(f"nothing is known of the {', '.join(sorted(unknown))} of any point")

    def within(point: Point, names: Iterable[str]) -> bool:
        return all(losses(point)[name] <= bounds[name] for name in names)

    found = [point for point in POINTS if within(point, limits)]
    if not found:
        closest = []
        for name in limits:
            others = limits.keys() - {name}
            loss, number = min(
                (losses(point)[name], point.number)
                for point in [p for p in POINTS if within(p, others)] or POINTS
            )
            closest.append(f"{name} {abs(loss):.4g} (point {number})")
        asked = " and ".join(f"{name} {limit:.4g}" for name, limit in limits.items())
        raise SelectionError(f"no point has {asked} or better; closest: {', '.join(closest)}")
    order = sorted(known, key=limits.__contains__)  # First what has no limit.
    return min(found, key=lambda point: [losses(point)[name] for name in order])
