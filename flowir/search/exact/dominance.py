"""Which options of a sub-workflow may be dropped: those another one beats whatever comes after.

An option is better if it is right more often in every state of the open events, and costs and
takes no more in any. Whether more right is better at all, `effects` says of every value.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from flowir.search.exact.columns import Array, Columns, Indices, Mark
from flowir.search.pareto import non_dominated

Sense = Literal["more", "less", "either", "exact", "ignored"]
"""What is better of rightness: more, less, or either, depending on what is chosen downstream; or
`exact`, if two options can be compared only where they are equally right; or nobody asks."""

SENSES: dict[str, Literal["with", "against", "less", "exact"]] = {
    "right": "with",
    "recovery": "with",
    "agreement": "against",
    "tokens": "less",
    "dearest": "less",
    "price": "less",
    "own": "less",
    "label": "exact",
    "accepts": "exact",
    "check": "exact",
}
"""What is better of a mark: more where more rightness is, less where it is, less, or nothing."""

LARGE = 2**31
"""Numbers of groups beyond this are made dense, so that their multiples fit 63 bits."""

TOGETHER = 4096
"""Options up to which those of all groups are compared at once."""

DIGITS = np.int64(-256)
"""Losses are compared to 44 binary digits, so that rounding does not multiply equal options."""


def front(columns: Columns, size: int, groups: Indices | None, sense: Sense) -> Indices:
    """Numbers of the options that no other one of its group beats, one of several equal ones.

    They are ordered by group, then by losses. With sense `either` an option stays if it is not
    beaten in one of the two senses: downstream is monotone one way or the other.
    """
    if size == 1:
        return np.zeros(1, dtype=np.intp)
    equal = identities(columns, size, sense)
    if equal:
        groups = numbered([*([] if groups is None else [groups]), *equal])
    if groups is not None and len(np.unique(groups)) == size:
        return np.argsort(groups)
    signs = {"more": (-1.0,), "less": (1.0,), "either": (-1.0, 1.0)}.get(sense, (0.0,))
    found = [undominated(losses(columns, size, sign), groups) for sign in signs]
    if len(found) == 1:
        return found[0]
    kept = np.unique(np.concatenate(found))
    return kept if groups is None else kept[np.argsort(groups[kept], kind="stable")]


def losses(columns: Columns, size: int, sign: float) -> Array:
    """[n, k] what is compared, smaller being better; rightness counts `sign` times.

    What is the same for all options is left out.
    """
    parts: list[Array] = []

    def add(array: Array, factor: float) -> None:
        if len(array) > 1 and factor:
            flat = array.reshape(size, -1)
            parts.append(flat if factor == 1.0 else -flat)

    add(columns.right, sign)
    for array in columns.amounts.values():
        add(array, 1.0)
    for arrays in columns.paths.values():
        for array in arrays:
            add(array, 1.0)
    for mark, array in columns.marks.items():
        add(array, {"with": sign, "against": -sign, "less": 1.0, "exact": 0.0}[_sense(mark)])
    if not parts:
        return np.zeros((size, 0))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def identities(columns: Columns, size: int, sense: Sense) -> list[Array]:
    """[n] columns in which options must be equal to be compared."""
    exact = [columns.right] if sense == "exact" else []
    for mark, array in columns.marks.items():
        kind = _sense(mark)
        if kind == "exact" or (sense == "exact" and kind in ("with", "against")):
            exact.append(array)
    return [
        column
        for array in exact
        if len(array) > 1
        for column in _rounded(array.reshape(size, -1)).T
        if (column != column[0]).any()
    ]


def numbered(columns: Sequence[Array | Indices]) -> Indices:
    """A number for each row, the same for equal rows; it grows with the columns in order.

    Whole numbers are at least −1.
    """
    number: Indices = np.zeros(len(columns[0]), dtype=np.intp)
    bound = 1
    for column in columns:
        own = (column + 1).astype(np.intp) if column.dtype.kind == "i" else _dense(column)
        if int(own.max(initial=0)) >= LARGE:
            own = _dense(own)
        states = int(own.max(initial=0)) + 1
        if bound * states > LARGE:
            number = _dense(number)
            bound = len(number)
        number = number * states + own
        bound *= states
    return number


def _dense(column: Array | Indices) -> Indices:
    return np.unique(column, return_inverse=True)[1].reshape(-1)


def undominated(losses: Array, groups: Indices | None) -> Indices:
    """Rows that no other row of their group dominates, ordered by group, then by losses."""
    rounded = _distinct_columns(_rounded(losses))
    if rounded.shape[1] <= 2:
        return _scan(rounded, groups)
    order = np.lexsort(rounded.T[::-1])
    if groups is None:
        return order[non_dominated(rounded[order])]
    order = order[np.argsort(groups[order], kind="stable")]
    if len(order) <= TOGETHER:
        # Rows of two groups are each better in one of these columns.
        apart = np.column_stack([rounded, groups, -groups])
        return order[non_dominated(apart[order])]
    edges = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1))
    return np.concatenate(
        [
            order[start:stop][non_dominated(rounded[order[start:stop]])]
            for start, stop in pairwise(edges.tolist())
        ]
    )


def _scan(losses: Array, groups: Indices | None) -> Indices:
    """At most two losses: sorted by the first, the second must reach a new minimum."""
    size = len(losses)
    first = losses[:, 0] if losses.shape[1] else np.zeros(size)
    last = losses[:, 1] if losses.shape[1] == 2 else first
    # The fast sort leaves equal rows in no certain order, so it only finds candidates.
    order = np.argsort(first)
    if groups is not None:
        order = order[np.argsort(groups[order], kind="stable")]
    lowest = _lowest_so_far(last[order], None if groups is None else groups[order])
    order = order[last[order] <= lowest]
    order = order[
        _lexicographic(first[order], last[order], None if groups is None else groups[order])
    ]
    before = _lowest_so_far(last[order], None if groups is None else groups[order])[:-1]
    kept = np.ones(len(order), dtype=np.bool_)
    kept[1:] = last[order[1:]] < before
    if groups is not None:
        kept[1:] |= groups[order[1:]] != groups[order[:-1]]
    return order[kept]


def _lexicographic(first: Array, last: Array, groups: Indices | None) -> Indices:
    return np.lexsort((last, first) if groups is None else (last, first, groups))


def _lowest_so_far(values: Array, groups: Indices | None) -> Array:
    """The running minimum, from the start of each row's group."""
    if groups is None:
        return np.minimum.accumulate(values)
    edges = np.flatnonzero(np.diff(groups, prepend=-1, append=-1))
    lowest = np.empty_like(values)
    for start, stop in pairwise(edges.tolist()):
        np.minimum.accumulate(values[start:stop], out=lowest[start:stop])
    return lowest


def _distinct_columns(losses: Array) -> Array:
    """Columns that differ between rows, each once."""
    if losses.shape[1] <= 2:
        return losses
    varying = np.ascontiguousarray(losses.T[(losses != losses[:1]).any(axis=0)])
    if len(varying) < 2:
        return varying.T
    columns = {column.tobytes(): place for place, column in enumerate(varying)}
    return np.ascontiguousarray(varying[[*columns.values()]].T)


def _rounded(values: Array) -> Array:
    return (np.ascontiguousarray(values).view(np.int64) & DIGITS).view(np.float64)


def _sense(mark: Mark) -> Literal["with", "against", "less", "exact"]:
    return SENSES[mark if isinstance(mark, str) else mark[0]]
