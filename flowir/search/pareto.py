"""Pareto dominance: which points no other point beats, how much a front covers, which to show.

Everything here minimises: what is better larger is given negated. Rows of a [N, K] array are
points, columns objectives. A row dominates another if it is nowhere larger and somewhere smaller;
equal rows do not dominate each other. Three or more objectives are left to moocore, which
divides and conquers in O(N log^(K−2) N) (Kung, Luccio and Preparata, J. ACM 22, 1975).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Losses = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

COMPARED = 1 << 16
"""Pairs of rows that are compared at once."""

CHUNK = 2048
"""Rows whose gains in hypervolume are computed at once."""


def non_dominated(losses: Losses, *, duplicates: bool = False) -> Mask:
    """[N] which rows of `losses` [N, K] no other row dominates.

    Of equal rows the first is kept, or with `duplicates` all of them.

    Raises:
        ValueError: a value is NaN, so that nothing can be said.
    """
    rows, columns = losses.shape
    if np.isnan(losses).any():
        raise ValueError("a loss is NaN; leave out what is not known before comparing")
    if columns > 2 and rows:
        # Slow to import, and not needed for one or two objectives.
        from moocore import is_nondominated

        return np.asarray(is_nondominated(losses, keep_weakly=duplicates), dtype=np.bool_)
    mask = np.zeros(rows, dtype=np.bool_)
    if rows == 0:
        return mask
    if columns == 0:
        mask[: rows if duplicates else 1] = True
        return mask
    order = np.lexsort(losses.T[::-1])
    ordered = losses[order]
    fresh = np.ones(rows, dtype=np.bool_)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    kept = _filters[columns](ordered[fresh])
    if duplicates:
        mask[order] = kept[np.cumsum(fresh) - 1]
    else:
        mask[order[fresh]] = kept
    return mask


def layers(losses: Losses, at_least: int) -> Indices:
    """Indices of whole Pareto layers, peeled one after another until there are `at_least` rows.

    Equal rows are in one layer. Within a layer the order of the rows is kept.
    """
    left = np.arange(len(losses))
    found: list[Indices] = []
    count = 0
    while len(left) and count < at_least:
        front = non_dominated(losses[left], duplicates=True)
        found.append(left[front])
        count += len(found[-1])
        left = left[~front]
    return np.concatenate(found) if found else left[:0]


def beaten(losses: Losses, front: Losses) -> Mask:
    """[N] which rows of `losses` [N, K] some row of `front` [M, K] is nowhere larger than."""
    if losses.shape[1] == 2 and len(front):
        steps = front[np.lexsort(front.T[::-1])]
        place = np.searchsorted(steps[:, 0], losses[:, 0], side="right") - 1
        lowest = np.minimum.accumulate(steps[:, 1])
        return np.asarray((place >= 0) & (lowest[place] <= losses[:, 1]))
    alive = np.arange(len(losses))
    columns = range(losses.shape[1])
    start = 0
    while start < len(front) and len(alive):
        some = front[start : start + max(1, COMPARED // len(alive))]
        start += len(some)
        left = losses[alive]
        worse = [some[:, k] <= left[:, k, None] for k in columns]
        alive = alive[~np.logical_and.reduce(worse).any(axis=1)]
    mask = np.ones(len(losses), dtype=np.bool_)
    mask[alive] = False
    return mask


def _minimum(ordered: Losses) -> Mask:
    """One objective: distinct rows in ascending order, so the first."""
    kept = np.zeros(len(ordered), dtype=np.bool_)
    kept[0] = True
    return kept


def _sort_scan(ordered: Losses) -> Mask:
    """Two objectives, distinct rows in lexicographic order: the second must reach a new minimum."""
    second = ordered[:, 1]
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
    kept = second < best_before
    kept[0] = True
    return kept


def _insert_step(second: list[float], third: list[float], y: float, z: float) -> None:
    """Put (y, z) on a staircase with `second` ascending and `third` descending."""
    start = bisect_left(second, y)
    stop = start
    while stop < len(third) and third[stop] >= z:
        stop += 1
    second[start:stop] = [y]
    third[start:stop] = [z]


_filters = {1: _minimum, 2: _sort_scan}


def hypervolume(losses: Losses, reference: Sequence[float]) -> float:
    """Volume that the rows dominate, below `reference`, exactly, for one to three objectives.

    Raises:
        ValueError: more than three objectives, or a reference of another length.
    """
    corner = np.asarray(reference, dtype=np.float64)
    if losses.shape[1:] != corner.shape or not 1 <= len(corner) <= 3:
        raise ValueError(
            f"hypervolume of {losses.shape[1]} objectives below a reference of {len(corner)}; "
            "give one to three objectives and as many numbers"
        )
    inside = losses[(losses < corner).all(axis=1)]
    front = inside[non_dominated(inside)]
    if not len(front):
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - front[0, 0])
    if len(corner) == 2:
        return _area(front, corner)
    return _volume(front, corner)


def _area(front: Losses, corner: Losses) -> float:
    """Σ (r_x − x_i)(y_{i−1} − y_i) over a two-dimensional front in ascending x, with y_0 = r_y."""
    steps = front[np.argsort(front[:, 0], kind="stable")]
    above = np.concatenate([[corner[1]], steps[:-1, 1]])
    return float(((corner[0] - steps[:, 0]) * (above - steps[:, 1])).sum())


def _volume(front: Losses, corner: Losses) -> float:
    """Slices along the third objective, each the area of the staircase of all rows below it."""
    ordered = front[np.argsort(front[:, 2], kind="stable")]
    ends = np.concatenate([ordered[1:, 2], [corner[2]]])
    xs: list[float] = []
    ys: list[float] = []
    total = 0.0
    for (x, y, z), end in zip(ordered.tolist(), ends.tolist(), strict=True):
        place = bisect_right(xs, x)
        if not (place and ys[place - 1] <= y):
            _insert_step(xs, ys, x, y)
        if end > z:
            area = _area(np.column_stack([xs, ys]), corner[:2])
            total += area * (end - z)
    return total


def thin(losses: Losses, at_most: int, always: Sequence[int] = ()) -> Indices:
    """Indices, ascending, of at most `at_most` rows that say most about a front.

    Kept are, in this order while there is room: the rows of `always`, the best row of every
    objective, then one after another the row that adds most hypervolume to those kept (objectives
    scaled to [0, 1] over the front, reference 1.1 in each). Knees are where much volume is added.
    Ties go to the first row. The greedy choice is within 1 − 1/e of the best such set (Nemhauser,
    Wolsey and Fisher 1978, hypervolume being submodular).
    """
    count, objectives = losses.shape
    if count <= at_most:
        return np.arange(count)
    low, high = losses.min(axis=0), losses.max(axis=0)
    varying = np.flatnonzero(high > low)
    scaled = (losses[:, varying] - low[varying]) / (high - low)[varying]
    best = [_best_row(losses, objective) for objective in range(objectives)]
    chosen = list(dict.fromkeys([*always, *best]))[:at_most]
    while len(chosen) < at_most:
        gains = np.round(_gains(scaled, scaled[chosen]), 12)
        gains[chosen] = -1.0
        chosen.append(int(np.argmax(gains)))
    return np.sort(np.array(chosen, dtype=np.intp))


def _best_row(losses: Losses, objective: int) -> int:
    """The row best in one objective, then in the others in order, then the first."""
    keys = [losses[:, objective], *losses.T]
    return int(np.lexsort(keys[::-1])[0])


def _gains(rows: Losses, kept: Losses) -> Losses:
    """[N] hypervolume that each row of [N, K] in [0, 1] would add to `kept`, below 1.1.

    The coordinates of `kept` cut the space into cells. A row adds its part of the cells that are
    not covered: a sum over cells of products of one length per objective.
    """
    edges = [np.unique([0.0, *column, 1.1]) for column in kept.T]
    shape = tuple(len(cuts) - 1 for cuts in edges)
    open_cells = np.ones(shape)
    for corner in kept:
        starts = tuple(int(np.searchsorted(cuts, x)) for cuts, x in zip(edges, corner, strict=True))
        open_cells[tuple(slice(start, None) for start in starts)] = 0.0
    gains = [
        _open_volume(rows[start : start + CHUNK], edges, open_cells)
        for start in range(0, len(rows), CHUNK)
    ]
    return np.concatenate(gains)


def _open_volume(rows: Losses, edges: Sequence[Losses], open_cells: Losses) -> Losses:
    """[N] volume of the cells of `open_cells` that lie above each row."""
    if not edges:
        return np.zeros(len(rows))
    first, *others = [
        np.maximum(cuts[1:] - np.maximum(cuts[:-1], column[:, None]), 0.0)
        for column, cuts in zip(rows.T, edges, strict=True)
    ]
    volume = first @ open_cells.reshape(first.shape[1], -1)
    for lengths in others:
        volume = volume.reshape(len(rows), lengths.shape[1], -1)
        volume = np.einsum("rc,rcm->rm", lengths, volume)
    return np.asarray(volume[:, 0])
