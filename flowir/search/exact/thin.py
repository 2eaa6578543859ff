"""Fewer options than there are: where fronts in three objectives would grow without bound.

Options that are alike to within a factor are put in one cell of a grid (ε-dominance; Laumanns,
Thiele, Deb and Zitzler 2002), and of each cell one is kept. What that loses in the end is not
guessed from the grid: composing once more with each cell replaced by the best of all its options
gives points that are at least as good as anything there is, and the distance to them is the ε.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt

import numpy as np

from flowir.search.exact.columns import Array, Indices
from flowir.search.exact.dominance import identities, losses, numbered
from flowir.search.exact.merge import pruned, selected
from flowir.search.exact.partial import PartialFront
from flowir.search.exact.sift import SIGNS, best

STEPS = 8
FINEST, COARSEST = -40 * STEPS, 4 * STEPS
"""Edges of the cells tried, as powers of 2 in eighths: differences of rightness, of logarithms of
amounts."""

NOTHING = -1e3
NEVER = -2e3
"""Where 0, and times before everything, stand among logarithms."""


@dataclass(frozen=True)
class Limits:
    """What composing may take.

    Attributes:
        width: most pairs of options × joint states of open events that one merge works out.
        most: options of a part beyond which they are thinned; None if never.
        outer: whether cells are replaced by the best of their options instead of one of them.
    """

    width: int
    most: int | None = None
    outer: bool = False


PAIRS = 128
"""Pairs per option kept that one merge works out where options are thinned."""


def factors(
    left: PartialFront, right: PartialFront, limits: Limits
) -> tuple[PartialFront, PartialFront]:
    """Two fronts, the larger one thinned until their product is not too large."""
    if limits.most is None or left.size * right.size <= PAIRS * limits.most:
        return left, right
    each = max(isqrt(PAIRS * limits.most), PAIRS * limits.most // min(left.size, right.size))
    fewer = replace(limits, most=each)
    return thinned(left, fewer), thinned(right, fewer)


def thinned(front: PartialFront, limits: Limits) -> PartialFront:
    """At most so many options, spread over the front; itself if it is small enough already."""
    if limits.most is None or front.size <= limits.most or front.sense not in SIGNS:
        return front
    values = losses(front.columns, front.size, SIGNS[front.sense])
    apart: list[Array | Indices] = [*front.keys.values()]
    apart += identities(front.columns, front.size, front.sense)
    cells = _cells(_scaled(values), apart, limits.most)
    order = np.argsort(cells, kind="stable")
    first = np.flatnonzero(np.diff(cells[order], prepend=-1))
    if not limits.outer:
        chosen = np.sort(order[first])
        return _taken(front, chosen)
    ordered = _taken(front, order)
    columns = best(ordered.columns, front.sense, first)
    keys = {key: values[first] for key, values in ordered.keys.items()}
    every = PartialFront(columns, len(first), keys, None, front.sense)
    return pruned(every, frozenset(keys))


def _scaled(values: Array) -> Array:
    """Logarithms of amounts; rightness, counted negative, as it is.

    Nothing at all is a long way from any amount, and from what never happens.
    """
    logarithms = np.log(np.where(values > 0.0, values, 1.0))
    below = np.where(values < 0.0, np.maximum(values, NEVER), NOTHING)
    return np.asarray(np.where(values > 0.0, logarithms, below))


def _taken(front: PartialFront, rows: Indices) -> PartialFront:
    return selected(front, rows, front.keys)


def _cells(values: Array, apart: list[Array | Indices], most: int) -> Indices:
    """[n] the cell of each row, with edges as short as leaves at most so many of them."""
    fine, coarse = FINEST, COARSEST
    found: Indices | None = None
    while fine < coarse or found is None:
        middle = (fine + coarse) // 2
        grid = np.floor(values / 2.0 ** (middle / STEPS)).astype(np.int64)
        grid -= grid.min(axis=0, initial=0)
        cells = numbered([*apart, *grid.T])
        if len(np.unique(cells)) <= most or middle == COARSEST:
            coarse, found = middle, cells
        else:
            fine = middle + 1
    return found
