"""Which calls are worth most: those of arms that matter to fronts that may be the true one.

Points are chosen by the mean of the belief, and attain what they really are. Under a draw of the
belief, an arm counts as much as the share of the front that its points hold: that is the slope of
hypervolume in their accuracy. With w the mean square of this over draws, σ² the variance of one
call and n calls of each arm, Σ w σ² / n is what errors of the arms do to the hypervolume of the
fronts that may be true. The next call goes where it takes most of that away: n grows as
√w σ, the allocation of Neyman (1934), and as √(w / dollars) σ where calls cost money.

The n are counts, not what the belief thinks it knows already: a belief that shares much between
arms is too sure of those it hardly saw, and would not look again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.profiler.adaptive.arms import Array

Indices = npt.NDArray[np.intp]
BEYOND = 1.1
"""The corner of hypervolume, in seconds or dollars of the most accurate point."""
MOST = 0.9
"""The share of draws whose most accurate point lies inside it."""
FLOOR = 1e-9
"""Of the largest weight: what arms on no front weigh, which come when nothing else is left."""


def area(right: Array, spent: Array, corner: float) -> Array:
    """[M] area under each draw's front of n points [n, M], from 0 to the corner, as its share."""
    order = np.argsort(spent, axis=0, kind="stable")
    at = np.minimum(np.take_along_axis(spent, order, 0), corner)
    best = np.maximum.accumulate(np.take_along_axis(right, order, 0), axis=0)
    ends = np.concatenate([at[1:], np.full((1, at.shape[1]), corner)])
    return np.asarray((best * (ends - at)).sum(axis=0) / corner)


def held(right: Array, spent: Array, corner: float) -> Array:
    """[n, M] the share of 0 to the corner on which a point is the best of each draw's front."""
    order = np.argsort(spent, axis=0, kind="stable")
    at = np.minimum(np.take_along_axis(spent, order, 0), corner)
    best = np.maximum.accumulate(np.take_along_axis(right, order, 0), axis=0)
    better = np.ones(best.shape, dtype=np.bool_)
    better[1:] = best[1:] > best[:-1]
    # Where the next better point begins: the least of those that come after.
    begins = np.where(better, at, corner)
    ends = np.full(at.shape, corner)
    ends[:-1] = np.minimum.accumulate(begins[:0:-1], axis=0)[::-1]
    shares = np.empty(at.shape)
    np.put_along_axis(shares, order, np.where(better, ends - at, 0.0) / corner, 0)
    return shares


def chosen(right: Array, spent: Array) -> Indices:
    """The points [B] that no other is better than, cheapest first."""
    order = np.lexsort((-right, spent))
    best = np.maximum.accumulate(np.concatenate([[-np.inf], right[order][:-1]]))
    return np.asarray(order[right[order] > best])


@dataclass(frozen=True)
class Pool:
    """Points that may be on the front, under each draw.

    Attributes:
        right: [B, M] accuracy.
        spent: each [B, M]: latency, and cost where there are prices.
        uses: [B, A] whether a point calls an arm.
    """

    right: Array
    spent: tuple[Array, ...]
    uses: Array

    def choices(self) -> list[tuple[Indices, float]]:
        """For each amount the points chosen by the mean, and the corner.

        The corner is beyond the most accurate point of most draws: what is not chosen yet but may
        be far better has to count.
        """
        found = []
        top = self.right.argmax(axis=0)
        for spent in self.spent:
            mean = spent.mean(axis=1)
            rows = chosen(self.right.mean(axis=1), mean)
            far = float(np.quantile(spent[top, np.arange(len(top))], MOST))
            found.append((rows, BEYOND * max(far, float(mean[rows].max()))))
        return found

    def regret(self) -> float:
        """Share of hypervolume that the choice by the mean is expected to lack."""
        lost = []
        for spent, (rows, corner) in zip(self.spent, self.choices(), strict=True):
            most = area(self.right, spent, corner)
            got = area(self.right[rows], spent[rows], corner)
            lost.append(1.0 - float(got.mean()) / max(float(most.mean()), 1e-12))
        return max(0.0, max(lost))

    def weights(self) -> Array:
        """[A] mean square, over draws and amounts, of the share of the front that an arm holds."""
        found = []
        for spent, (_, corner) in zip(self.spent, self.choices(), strict=True):
            shares = self.uses.T @ held(self.right, spent, corner)
            found.append((shares**2).mean(axis=1))
        return np.asarray(np.mean(found, axis=0))


def allocated(gains: Array, asked: Array, left: Indices, size: int) -> list[int]:
    """The arms of the next calls, each as often as it is called.

    Every call goes to the arm of the largest gain / n − gain / (n + 1).

    Args:
        gains: [A] w σ², per dollar where dear calls have to give more.
        asked: [A] calls so far; none counts as one.
        left: [A] calls that can be made.
    """
    gains = gains + FLOOR * max(float(gains.max(initial=0.0)), FLOOR)
    number, left = np.maximum(asked, 1.0), left.copy()
    found: list[int] = []
    while len(found) < size and left.any():
        arm = int(np.argmax(np.where(left > 0, gains / (number * (number + 1.0)), -1.0)))
        found.append(arm)
        number[arm] += 1.0
        left[arm] -= 1
    return found
