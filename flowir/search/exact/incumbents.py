"""The best pairs worked out so far, and which blocks of pairs can no longer hold a better one.

Blocks are only compared so far as is cheap: what is let through here is compared in full later.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flowir.search.exact.columns import Array, Indices
from flowir.search.exact.dominance import undominated

ROUNDING = 1e-12
"""How much better a block may look, relatively, than rounding lets its best member be."""

SLOTS = 4
"""Slots of the stairs per option that is merged."""

FEWEST, MOST = 1 << 8, 1 << 15
"""Slots of the stairs."""

SAMPLE = 64
"""Points of the front found so far that a block is compared with, in three or more losses."""

TOGETHER = 16
"""Of them, so many at once."""


class Incumbents:
    """The front of all pairs worked out so far.

    Args:
        options: of both fronts that are merged.
    """

    def __init__(self, options: int) -> None:
        self._options = options
        self._front: Array | None = None
        self._stairs: _Stairs | None = None

    def add(self, losses: Array) -> None:
        """Let some more pairs be known."""
        if self._stairs is not None:
            self._stairs.add(losses)
            return
        if self._front is not None:
            losses = np.concatenate([self._front, losses])
        self._front = losses[undominated(losses, None)]
        if losses.shape[1] == 2:
            self._stairs = _Stairs(self._front, self._options)

    def beat(self, bounds: Array) -> npt.NDArray[np.bool_]:
        """[n] which of these losses some known pair dominates, by more than rounding makes.

        All of them where there are at most two losses, up to the width of a slot.
        """
        assert self._front is not None
        bounds = bounds - ROUNDING * np.abs(bounds)
        if self._stairs is not None:
            return self._stairs.beat(bounds)
        if bounds.shape[1] == 0:
            return np.zeros(len(bounds), dtype=np.bool_)
        if bounds.shape[1] == 1:
            return np.asarray(bounds[:, 0] > self._front[:, 0].min())
        return _dominated(bounds, self._front[:: -(-len(self._front) // SAMPLE)])


class _Stairs:
    """The least second loss by the first, in slots of equal width.

    Slots ascend with the first loss, however it is rounded. So whatever is known in an earlier slot
    is less in the first loss.

    Attributes:
        _least: [slots + 1] least second loss of what is known in the slot before.
        _lowest: its running minimum.
    """

    def __init__(self, front: Array, options: int) -> None:
        slots = min(max(SLOTS * options, FEWEST), MOST)
        self._start = float(front[:, 0].min())
        width = float(front[:, 0].max()) - self._start
        self._scale = slots / width if slots * width > 0.0 and np.isfinite(slots / width) else 0.0
        self._least = np.full(slots + 1, np.inf)
        self._last = slots - 1
        self.add(front)

    def add(self, losses: Array) -> None:
        np.minimum.at(self._least, self._slot(losses[:, 0]) + 1, losses[:, 1])
        self._lowest = np.minimum.accumulate(self._least)

    def beat(self, bounds: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(self._lowest[self._slot(bounds[:, 0])] <= bounds[:, 1])

    def _slot(self, first: Array) -> Indices:
        scaled = (first - self._start) * self._scale
        return np.clip(scaled, 0, self._last).astype(np.intp)


def _dominated(bounds: Array, known: Array) -> npt.NDArray[np.bool_]:
    """[n] which bounds [n, k] some row of [m, k] is nowhere larger than, and somewhere less."""
    alive = np.arange(len(bounds))
    columns = np.ascontiguousarray(bounds.T)
    for start in range(0, len(known), TOGETHER):
        some = known[start : start + TOGETHER, :, None]
        below = np.ones((len(some), len(alive)), dtype=np.bool_)
        less = np.zeros_like(below)
        for place, column in enumerate(columns):
            below &= some[:, place] <= column
            less |= some[:, place] < column
        left = ~(below & less).any(axis=0)
        alive, columns = alive[left], columns[:, left]
    beaten = np.ones(len(bounds), dtype=np.bool_)
    beaten[alive] = False
    return beaten
