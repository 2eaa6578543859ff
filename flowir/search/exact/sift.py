"""The front of a large product of two fronts, without working the product out.

Two fronts of m and n options have m·n pairs, most of them far from the front of the pairs. Blocks
of neighbouring options are merged as if each had the best of all its members; a pair of blocks that
even then does not reach the front found so far is dropped whole, and what is left is split, down
to single pairs. What that takes grows with the front that comes out, not with the product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flowir.search.anytime import check
from flowir.search.exact.columns import Array, Axis, Columns, Indices
from flowir.search.exact.dominance import SENSES, Sense, losses
from flowir.search.exact.incumbents import Incumbents
from flowir.search.exact.partial import Key

Combine = Callable[[Columns, Columns], Columns]

CHUNK = 1 << 16
"""Pairs × states worked out at once."""

SPLIT = 2
"""Into how many a block is split."""

FEW = 128
"""Blocks of the coarsest level."""

SIGNS: Mapping[Sense, float] = {"more": -1.0, "less": 1.0, "ignored": 0.0}
"""How rightness counts as a loss, where options are better one way only."""


class TooWideError(Exception):
    """More pairs than allowed have to be told apart."""

    def __init__(self, keys: tuple[Key, ...], axes: tuple[Axis, ...]) -> None:
        super().__init__()
        self.keys = keys
        self.axes = axes


@dataclass(eq=False)
class Budget:
    """How many more pairs one merge may work out, and what it keeps apart."""

    left: int
    keys: tuple[Key, ...]
    axes: tuple[Axis, ...]

    def spend(self, pairs: int) -> None:
        """Raises TooWideError where there is no more, StoppedError where the search must end."""
        check()
        self.left -= pairs
        if self.left < 0:
            raise TooWideError(self.keys, self.axes)


@dataclass(frozen=True, eq=False)
class Level:
    """Blocks of neighbouring options.

    Attributes:
        starts: [b + 1] first row of each block, and the end of the last.
        children: [b + 1] first block of the next finer level inside each block.
        best: one option per block, with the best of all its members.
    """

    starts: Indices
    children: Indices
    best: Columns


def blocks(columns: Columns, size: int, sense: Sense, runs: Indices) -> list[Level]:
    """Blocks of 1, 2, 4 … options, from the finest on, none across the end of a run."""
    edges = [0, *np.unique(runs).tolist(), size]
    spans = [(start, stop) for start, stop in pairwise(edges) if start < stop]
    longest = max(stop - start for start, stop in spans)
    levels = [Level(np.arange(size + 1), np.arange(size + 1), columns)]
    length = 1
    while length < longest and len(levels[-1].starts) > FEW:
        length *= SPLIT
        parts = [np.arange(start, stop, length) for start, stop in spans]
        starts = np.concatenate([*parts, [size]]).astype(np.intp)
        finer = levels[-1]
        children = np.searchsorted(finer.starts, starts)
        levels.append(Level(starts, children, best(finer.best, sense, children[:-1])))
    return levels


def sift(
    left: list[Level],
    right: list[Level],
    runs: Indices,
    combine: Combine,
    sign: float,
    budget: Budget,
) -> tuple[Indices, Indices]:
    """Pairs of rows, among them all that are on the front of the pairs of these runs.

    Args:
        runs: [r, 4] first row and end on the left, on the right; all are compared with all.
        sign: how rightness counts as a loss.

    Raises:
        TooWideError: the budget is spent.
    """
    spans = [
        np.searchsorted(levels[-1].starts, runs[:, side : side + 2])
        for levels, side in ((left, 0), (right, 2))
    ]
    best = Incumbents(len(left[0].starts) + len(right[0].starts))
    pending: list[tuple[Indices, Indices, int, int]] = []
    pending.append((*expand(*spans[0].T, *spans[1].T), len(left) - 1, len(right) - 1))
    found: list[tuple[Indices, Indices, Array]] = []
    while pending:
        i, j, up, down = pending.pop()
        if len(i) > CHUNK:
            parts = [slice(k, k + CHUNK) for k in range(0, len(i), CHUNK)]
            pending.extend((i[part], j[part], up, down) for part in reversed(parts))
            continue
        budget.spend(len(i))
        above, below = left[up], right[down]
        bound = _losses(combine, above.best, below.best, i, j, sign)
        if up == down == 0:
            best.add(bound)
        else:
            rows = above.starts[i], below.starts[j]
            best.add(_losses(combine, left[0].best, right[0].best, *rows, sign))
        alive = ~best.beat(bound)
        i, j = i[alive], j[alive]
        if up == down == 0:
            found.append((i, j, bound[alive]))
        elif len(i):
            inside = (*_children(above, i, up), *_children(below, j, down))
            pending.append((*expand(*inside), max(up - 1, 0), max(down - 1, 0)))
    alive_at_last = [~best.beat(bound) for _, _, bound in found]
    return (
        np.concatenate([i[alive] for (i, _, _), alive in zip(found, alive_at_last, strict=True)]),
        np.concatenate([j[alive] for (_, j, _), alive in zip(found, alive_at_last, strict=True)]),
    )


def _losses(
    combine: Combine, left: Columns, right: Columns, i: Indices, j: Indices, sign: float
) -> Array:
    """[n, k] losses of pairs; always of the same k."""
    single = len(i) == 1
    if single:
        i, j = np.repeat(i, 2), np.repeat(j, 2)
    found = losses(combine(left.take(i), right.take(j)), len(i), sign)
    return found[:1] if single else found


def best(columns: Columns, sense: Sense, starts: Indices) -> Columns:
    """For each run of rows, the best of every array."""

    def least(array: Array) -> Array:
        return array if len(array) == 1 else np.minimum.reduceat(array, starts)

    def most(array: Array) -> Array:
        return array if len(array) == 1 else np.maximum.reduceat(array, starts)

    better, worse = (least, most) if sense == "less" else (most, least)
    kinds = {"with": better, "against": worse, "less": least, "exact": least}

    def best_mark(name: object, array: Array) -> Array:
        return kinds[SENSES[str(name[0] if isinstance(name, tuple) else name)]](array)

    return Columns(
        columns.axes,
        better(columns.right),
        {name: least(array) for name, array in columns.amounts.items()},
        {source: tuple(map(least, arrays)) for source, arrays in columns.paths.items()},
        {name: best_mark(name, array) for name, array in columns.marks.items()},
    )


def _children(level: Level, block: Indices, number: int) -> tuple[Indices, Indices]:
    """First and end of what blocks of a level are split into; of the finest level, themselves."""
    if not number:
        return block, block + 1
    return level.children[block], level.children[block + 1]


def expand(start: Indices, stop: Indices, first: Indices, last: Indices) -> tuple[Indices, Indices]:
    """Every pair of every run: i from start to stop with j from first to last."""
    if len(start) == 1:
        i, j = np.arange(start[0], stop[0]), np.arange(first[0], last[0])
        return np.repeat(i, len(j)), np.tile(j, len(i))
    run, i = _spread(start, stop - start)
    row, j = _spread(first[run], (last - first)[run])
    return i[row], j


def _spread(start: Indices, count: Indices) -> tuple[Indices, Indices]:
    """For each range of whole numbers, its own number and what is in it, one after another."""
    ends = np.cumsum(count)
    number = np.repeat(np.arange(len(count)), count)
    return number, np.arange(len(number)) + (start - ends + count)[number]
