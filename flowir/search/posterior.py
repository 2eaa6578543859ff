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
from flowir.search.space import Points, Space
from flowir.search.structures import UNREACHED

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
    table = np.stack([means(values), rounded(low), rounded(high)], axis=-1)
    return [
        {
            QUANTITY[objective]: Estimate(*numbers)
            for objective, numbers in zip(known, row.tolist(), strict=True)
        }
        for row in table
    ]


def means(values: Array) -> Array:
    """[P, K] posterior means of values [P, K, draws], as they are reported and compared."""
    return rounded(values.mean(axis=-1))


def rounded(values: Array) -> Array:
    """The values to `DIGITS` significant digits."""
    return np.array([float(f"{x:.{DIGITS}g}") for x in values.flat]).reshape(values.shape)


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

    def front(self, allowed: Mask, *, closed: bool) -> tuple[list[int], list[int], Array]:
        """Rows of the front and today's; rows of the other allowed points; [P] P(non-dominated).

        Rows are in ascending order of latency.

        Args:
            allowed: [P] which points keep to the limits.
            closed: whether today's configuration may not be chosen, and so beats nothing.
        """
        compared = [self.known.index(objective) for objective in self.objectives]
        by_draw = losses(self.values[:, compared], self.objectives)
        reported = losses(means(self.values[:, compared]), self.objectives)
        rivals = allowed.copy()
        if closed:
            rivals[self.baseline] = False
        rows = np.flatnonzero(rivals)
        shares = np.full(len(self.points), np.nan)
        shares[rows] = share_non_dominated(by_draw[rows])
        front = rows[non_dominated(reported[rows])]
        if not rivals[self.baseline]:
            with_today = np.append(rows, self.baseline)
            shares[self.baseline] = share_non_dominated(by_draw[with_today])[-1]
        kept = sorted({*front.tolist(), self.baseline}, key=self._place)
        return kept, sorted(set(rows.tolist()) - set(kept), key=self._place), shares

    def _place(self, row: int) -> tuple[float, ...]:
        """Faster first, then more accurate, then cheaper, then by choices and settings."""
        mean = dict(zip(self.known, self.values[row].mean(axis=-1).tolist(), strict=True))
        return (
            mean.get("latency", 0.0),
            -mean.get("accuracy", 0.0),
            mean.get("cost", 0.0),
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
