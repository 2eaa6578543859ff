"""Survivors of a search under all posterior draws: intervals, and who is really on the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.calculus.bounds import worst_calls
from flowir.search.front import QUANTITY, Estimate, FrontPoint
from flowir.search.pareto import non_dominated
from flowir.search.problem import Array, Objective, losses
from flowir.search.space import UNREACHED, Points, Space

Mask = npt.NDArray[np.bool_]

DIGITS = 6
"""Significant digits of an estimate."""


def estimates(
    values: Array, known: Sequence[Objective], credible: float
) -> list[dict[str, Estimate]]:
    """Per point its quantities with equal-tailed intervals, of values [P, K, draws].

    Args:
        known: [K] what the columns are.
        credible: mass between the ends of an interval.
    """
    tail = (1.0 - credible) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail], axis=-1)
    table = np.stack([values.mean(axis=-1), low, high], axis=-1)
    return [
        {
            QUANTITY[objective]: Estimate(*(float(f"{x:.{DIGITS}g}") for x in numbers))
            for objective, numbers in zip(known, row.tolist(), strict=True)
        }
        for row in table
    ]


def share_non_dominated(by_draw: Array) -> Array:
    """[P] in which share of the draws no other point dominates the point.

    Args:
        by_draw: [P, K, draws] losses, minimised.
    """
    draws = by_draw.shape[-1]
    count = np.zeros(len(by_draw), dtype=np.float64)
    for draw in range(draws):
        count += non_dominated(by_draw[:, :, draw], duplicates=True)
    return np.asarray(count / draws)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Points with what they do under each draw.

    Attributes:
        values: [P, K, draws] by the quantities of `known`.
        objectives: those that are compared.
        baseline: row of today's configuration.
    """

    points: Points
    values: Array
    known: tuple[Objective, ...]
    objectives: tuple[Objective, ...]
    baseline: int

    def front(self, allowed: Mask, *, closed: bool) -> tuple[list[int], Array]:
        """Rows of the front and today's, in ascending order of latency; [P] P(non-dominated).

        Args:
            allowed: [P] which points keep to the limits.
            closed: whether today's configuration may not be chosen, and so beats nothing.
        """
        compared = [self.known.index(objective) for objective in self.objectives]
        by_draw = losses(self.values[:, compared], self.objectives)
        means = losses(self.values[:, compared].mean(axis=-1), self.objectives)
        rivals = allowed.copy()
        if closed:
            rivals[self.baseline] = False
        rows = np.flatnonzero(rivals)
        shares = np.full(len(self.points), np.nan)
        shares[rows] = share_non_dominated(by_draw[rows])
        front = rows[non_dominated(means[rows])]
        if not rivals[self.baseline]:
            with_today = np.append(rows, self.baseline)
            shares[self.baseline] = share_non_dominated(by_draw[with_today])[-1]
        kept = sorted({*front.tolist(), self.baseline}, key=self._place)
        return kept, shares

    def _place(self, row: int) -> tuple[float, ...]:
        """Faster first, then more accurate, then cheaper, then by choices and settings."""
        means = dict(zip(self.known, self.values[row].mean(axis=-1).tolist(), strict=True))
        return (
            means.get("latency", 0.0),
            -means.get("accuracy", 0.0),
            means.get("cost", 0.0),
            float(row),
        )

    def described(
        self, space: Space, kept: Sequence[int], shares: Array, credible: float
    ) -> tuple[FrontPoint, ...]:
        """The points of those rows, in words and numbers."""
        found = estimates(self.values, self.known, credible)
        workflow = space.workflow
        described = []
        for row in kept:
            structure, settings = self.points.structure[row], self.points.settings[row]
            described.append(
                FrontPoint(
                    found[row],
                    float(shares[row]),
                    {"calls": worst_calls(space.specialised(structure))},
                    tuple(
                        None if choice == UNREACHED else decision.configurations[choice]
                        for decision, choice in zip(workflow.decisions, settings, strict=True)
                    ),
                    tuple(
                        None if label == UNREACHED else choice.labels[label]
                        for choice, label in zip(workflow.structures, structure, strict=True)
                    ),
                    baseline=row == self.baseline,
                )
            )
        return tuple(described)
