"""Where the points of a front stand in a picture: geometry only, in the units of an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flowir.report.labels import placed
from flowir.report.ticks import ticks
from flowir.search.front import Estimate, Front
from flowir.search.table import UNITS

WIDTH, HEIGHT = 520.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 14.0, 46.0
TITLE = {
    "accuracy": "accuracy, %",
    "latency_s": "latency, s",
    "cost_usd": "cost, US dollars per 1000 runs",
}
LOGARITHMIC = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""


@dataclass(frozen=True)
class Axis:
    """One axis: its title, and (place, text) of its ticks."""

    quantity: str
    title: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Dot:
    """A point with the ends of its intervals, in SVG units; `text` says all of it.

    Its number stands at `label`: middle and base line.
    """

    number: int
    x: float
    y: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    baseline: bool
    uncertain: bool
    text: str
    label: tuple[float, float]


@dataclass(frozen=True)
class Plot:
    """Two quantities of a front against each other."""

    across: Axis
    up: Axis
    dots: tuple[Dot, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    bottom: float = HEIGHT - BOTTOM
    right: float = WIDTH - RIGHT
    top: float = TOP


def plots(front: Front) -> list[Plot]:
    """Every pair of what was estimated: accuracy upwards, else money."""
    known = list(front.points[0].estimates)
    pairs = [
        pair
        for pair in (("latency_s", "accuracy"), ("cost_usd", "accuracy"), ("latency_s", "cost_usd"))
        if pair[0] in known and pair[1] in known
    ]
    return [_plot(front, across, up) for across, up in pairs]


def _plot(front: Front, across: str, up: str) -> Plot:
    x = _Line([p.estimates[across] for p in front.points], UNITS[across][0], LEFT, WIDTH - RIGHT)
    y = _Line([p.estimates[up] for p in front.points], UNITS[up][0], HEIGHT - BOTTOM, TOP)
    places = [
        (x.place(p.estimates[across].mean), y.place(p.estimates[up].mean)) for p in front.points
    ]
    numbers = [str(number) for number in range(len(places))]
    boxes = placed(places, numbers, (LEFT, 0.0, WIDTH, HEIGHT - BOTTOM))
    dots = []
    for number, (point, place, box) in enumerate(zip(front.points, places, boxes, strict=True)):
        a, b = point.estimates[across], point.estimates[up]
        dots.append(
            Dot(
                number, *place,
                x.place(a.low), x.place(a.high), y.place(b.low), y.place(b.high),
                point.baseline,
                point.uncertain,
                f"point {number}{' (today)' if point.baseline else ''}: "
                f"{TITLE[across]} {x.text(a)}; {TITLE[up]} {y.text(b)}",
                (round((box[0] + box[2]) / 2, 2), round(box[3] - 1.5, 2)),
            )
        )  # fmt: skip
    return Plot(Axis(across, TITLE[across], x.ticks()), Axis(up, TITLE[up], y.ticks()), tuple(dots))


class _Line:
    """A quantity on an axis from `start` to `end`; logarithmic where values differ a lot."""

    def __init__(
        self, estimates: Sequence[Estimate], scale: float, start: float, end: float
    ) -> None:
        self._scale, self._start, self._end = scale, start, end
        low = min(e.low for e in estimates) * scale
        high = max(e.high for e in estimates) * scale
        self._log = low > 0.0 and high / low > LOGARITHMIC
        if self._log:
            low, high = math.log10(low), math.log10(high)
        margin = 0.05 * (high - low) or 0.5
        self._low, self._high = low - margin, high + margin

    def place(self, value: float) -> float:
        value *= self._scale
        if self._log:
            value = math.log10(value)
        share = (value - self._low) / (self._high - self._low)
        return round(self._start + share * (self._end - self._start), 2)

    def text(self, estimate: Estimate) -> str:
        mean, low, high = (self._scale * v for v in (estimate.mean, estimate.low, estimate.high))
        return f"{mean:.4g} [{low:.4g}, {high:.4g}]"

    def ticks(self) -> tuple[tuple[float, str], ...]:
        return tuple((self.place(v / self._scale), f"{v:.12g}") for v in self._values())

    def _values(self) -> list[float]:
        """Round numbers within the axis."""
        if self._log:
            powers = range(math.floor(self._low), math.ceil(self._high) + 1)
            found = [m * 10.0**p for p in powers for m in (1, 2, 5)]
            return [v for v in found if self._low <= math.log10(v) <= self._high]
        return ticks(self._low, self._high)
