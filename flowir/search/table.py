"""A front as a table for people: text only, whoever prints it."""

from __future__ import annotations

from dataclasses import dataclass

from flowir.search.front import Estimate, Front, difference, words

TODAY = "today"

UNITS = {"accuracy": (100.0, "%"), "latency_s": (1.0, "s"), "cost_usd": (1000.0, "$ / 1000")}
"""How the estimates of a point are shown to people: times what, in what unit."""


@dataclass(frozen=True)
class Row:
    """One point, as text.

    Attributes:
        point: its number.
        accuracy, latency, cost: mean and interval, with units; empty where not estimated.
        certainty: P(non-dominated), per cent; `?` where the point's place is uncertain.
        difference: from today's configuration.
        configuration: what it chooses.
        baseline: whether it is today's configuration.
    """

    point: str
    accuracy: str
    latency: str
    cost: str
    certainty: str
    difference: str
    configuration: str
    baseline: bool


def header(front: Front) -> Row:
    """What the columns hold, with the statistic of latency."""
    latency = "latency" if front.facts.latency == "mean" else f"latency ({front.facts.latency})"
    return Row(
        "point", "accuracy", latency, "cost", "on front", "against today", "configuration", False
    )


def rows(front: Front) -> list[Row]:
    """One row per point, in the front's order."""
    return [row(front, number) for number in range(len(front.points))]


def row(front: Front, number: int) -> Row:
    """The row of one point; those after the front's are dominated."""
    point, today = front.every[number], front.points[front.baseline]
    estimates = point.estimates
    return Row(
        str(number),
        _accuracy(estimates.get("accuracy")),
        _amount(estimates.get("latency_s"), " s"),
        _cost(estimates.get("cost_usd")),
        f"{100 * point.p_non_dominated:.0f} %{' ?' if point.uncertain else ''}",
        TODAY if point.baseline else str(difference(point, today)),
        words(front, point),
        point.baseline,
    )


def _accuracy(estimate: Estimate | None) -> str:
    """Per cent, one decimal."""
    if estimate is None:
        return ""
    mean, low, high = (100 * x for x in (estimate.mean, estimate.low, estimate.high))
    return f"{mean:.1f} % [{low:.1f}, {high:.1f}]"


def _cost(estimate: Estimate | None) -> str:
    """US dollars per thousand runs: single runs cost fractions of a cent."""
    if estimate is None:
        return ""
    return "$" + _amount(
        Estimate(1000 * estimate.mean, 1000 * estimate.low, 1000 * estimate.high), " / 1000"
    )


def _amount(estimate: Estimate | None, unit: str) -> str:
    """Three significant digits."""
    if estimate is None:
        return ""
    mean, low, high = (_digits(x) for x in (estimate.mean, estimate.low, estimate.high))
    return f"{mean}{unit} [{low}, {high}]"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
