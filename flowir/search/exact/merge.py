"""The options of two sub-workflows merged into those of one, dominated ones dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from flowir.search.exact.columns import Array, Columns, Indices, aligned
from flowir.search.exact.dominance import Sense, front, identities, numbered
from flowir.search.exact.partial import UNREACHED, Both, Key, PartialFront
from flowir.search.exact.sift import CHUNK, SIGNS, Budget, Combine, blocks, expand, sift

SMALL = CHUNK // 8
"""Pairs × states of one result that are worked out with others rather than sifted."""


def merge(
    left: PartialFront,
    right: PartialFront,
    combine: Combine,
    keep: frozenset[Key],
    sense: Sense,
    width: int,
) -> PartialFront:
    """Every option of the left with every one of the right that makes the same choices.

    Args:
        combine: what a pair is like; in options paired row by row, monotone in both.
        keep: choices that something outside depends on.
        sense: how rightness of the result is compared.

    Raises:
        TooWideError: more pairs × joint states of open events than `width` have to be worked out.
    """
    columns = aligned(left.columns, right.columns)
    for one, other in ((left, right), (right, left)):
        if one.size == 1 and one.origin is None and not one.keys:
            found = PartialFront(combine(*columns), other.size, other.keys, other.origin, sense)
            # What is added to every option alike changes nothing about which are dominated.
            alike = other.sense == sense and keep.issuperset(other.keys)
            return found if alike else pruned(found, keep)
    states = columns[0].states
    runs = _runs(left, right)
    if _pairs(runs).sum() * states <= CHUNK:
        rows = expand(*runs.T)
    else:
        rows = _reduced(left, right, columns, combine, keep, sense, width // states)
    return paired(left, right, columns, rows, combine, keep, sense)


def paired(
    left: PartialFront,
    right: PartialFront,
    columns: tuple[Columns, Columns],
    rows: tuple[Indices, Indices],
    combine: Combine,
    keep: frozenset[Key],
    sense: Sense,
) -> PartialFront:
    """The front of some pairs."""
    taken = [each.take(some) for each, some in zip(columns, rows, strict=True)]
    keys = _joined(left.keys, right.keys, *rows)
    origin = Both(left.origin, rows[0], right.origin, rows[1])
    return pruned(PartialFront(combine(*taken), len(rows[0]), keys, origin, sense), keep)


def pruned(options: PartialFront, keep: frozenset[Key]) -> PartialFront:
    """The front of options, with only those choices kept apart that something else depends on."""
    keys = {key: values for key, values in options.keys.items() if key in keep}
    if options.size == 1:
        return PartialFront(options.columns, 1, keys, options.origin, options.sense)
    groups = numbered(list(keys.values())) if keys else None
    chosen = front(options.columns, options.size, groups, options.sense)
    return selected(options, chosen, keys)


def mapped(
    front: PartialFront, change: Callable[[Columns], Columns], keep: frozenset[Key]
) -> PartialFront:
    """Options changed one by one."""
    changed = PartialFront(change(front.columns), front.size, front.keys, front.origin, front.sense)
    return pruned(changed, keep)


def selected(options: PartialFront, chosen: Indices, keys: Mapping[Key, Indices]) -> PartialFront:
    """Some of the options."""
    origin = options.origin
    if isinstance(origin, Both):
        origin = Both(
            origin.left, origin.left_rows[chosen], origin.right, origin.right_rows[chosen]
        )
    elif origin is not None:
        origin = Both(origin, chosen, None, chosen)
    return PartialFront(
        options.columns.take(chosen),
        len(chosen),
        {key: values[chosen] for key, values in keys.items()},
        origin,
        options.sense,
    )


def _reduced(
    left: PartialFront,
    right: PartialFront,
    columns: tuple[Columns, Columns],
    combine: Combine,
    keep: frozenset[Key],
    sense: Sense,
    width: int,
) -> tuple[Indices, Indices]:
    """The pairs of a large product that may be on its front."""
    if {sense, left.sense, right.sense} - set(SIGNS) - ({"exact"} - {sense}):
        budget = Budget(width, (*left.keys, *right.keys), columns[0].axes)
        whole = _runs(left, right)
        return _in_chunks(left, right, columns, whole, combine, keep, sense, budget)
    runs = _runs(left, right, apart=True)
    above, below = (
        blocks(each, options.size, options.sense, runs[:, side : side + 2])
        for each, options, side in ((columns[0], left, 0), (columns[1], right, 2))
    )
    budget = Budget(width, (*left.keys, *right.keys), columns[0].axes)
    large, small = _by_result(left, right, runs, keep, SMALL // columns[0].states)
    found = [sift(above, below, some, combine, SIGNS[sense], budget) for some in large]
    if len(small):
        found.append(_in_chunks(left, right, columns, small, combine, keep, sense, budget))
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def _pairs(runs: Indices) -> Indices:
    """[r] how many each run has."""
    return (runs[:, 1] - runs[:, 0]) * (runs[:, 3] - runs[:, 2])


def _by_result(
    left: PartialFront, right: PartialFront, runs: Indices, keep: frozenset[Key], few: int
) -> tuple[list[Indices], Indices]:
    """Runs whose results are compared with one another, each of more than `few` pairs; the rest."""
    i, j = runs[:, 0], runs[:, 2]
    joined = _joined(left.keys, right.keys, i, j)
    apart = [values for key, values in joined.items() if key in keep]
    for options, first in ((left, i), (right, j)):
        if identities(options.columns, options.size, options.sense):
            apart.append(first)
    if not apart:
        return ([runs], runs[:0]) if _pairs(runs).sum() > few else ([], runs)
    group = numbered(apart)
    order = np.argsort(group, kind="stable")
    runs, group = runs[order], group[order]
    starts = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
    sizes = np.diff(starts, append=len(runs))
    large = np.add.reduceat(_pairs(runs), starts) > few
    parts = [runs[k : k + n] for k, n in zip(starts[large], sizes[large], strict=True)]
    return parts, runs[~np.repeat(large, sizes)]


def _in_chunks(
    left: PartialFront,
    right: PartialFront,
    columns: tuple[Columns, Columns],
    runs: Indices,
    combine: Combine,
    keep: frozenset[Key],
    sense: Sense,
    budget: Budget,
) -> tuple[Indices, Indices]:
    """Every pair worked out: for results that are not better one way only, and for small runs."""
    found: list[tuple[Indices, Indices]] = []
    size = max(CHUNK // columns[0].states, 1)
    for rows in _pieces(runs, size):
        budget.spend(len(rows[0]))
        some = paired(left, right, columns, rows, combine, keep, sense)
        assert isinstance(some.origin, Both)
        found.append((some.origin.left_rows, some.origin.right_rows))
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def _pieces(runs: Indices, size: int) -> Iterable[tuple[Indices, Indices]]:
    """Every pair of every run, some `size` pairs at a time."""
    waiting: list[list[int]] = []
    pairs = 0
    for start, stop, first, last in runs.tolist():
        step = max(size // (last - first), 1)
        for row in range(start, stop, step):
            end = min(row + step, stop)
            if waiting and pairs + (end - row) * (last - first) > size:
                yield expand(*np.array(waiting).T)
                waiting, pairs = [], 0
            waiting.append([row, end, first, last])
            pairs += (end - row) * (last - first)
    if waiting:
        yield expand(*np.array(waiting).T)


def _joined(
    left: Mapping[Key, Indices], right: Mapping[Key, Indices], i: Indices, j: Indices
) -> dict[Key, Indices]:
    joined = {key: values[i] for key, values in left.items()}
    for key, values in right.items():
        own = values[j]
        joined[key] = np.maximum(joined[key], own) if key in joined else own
    return joined


def _edges(options: PartialFront, keys: Iterable[Key], exact: bool) -> Indices:
    """Where the rows, which are ordered by their keys, begin to have other ones; and their end."""
    columns: list[Array | Indices] = [options.keys[key] for key in keys]
    if exact:
        columns += identities(options.columns, options.size, options.sense)
    starts = np.zeros(options.size + 1, dtype=np.bool_)
    starts[[0, -1]] = True
    for column in columns:
        starts[1:-1] |= column[1:] != column[:-1]
    return np.flatnonzero(starts)


def _runs(left: PartialFront, right: PartialFront, apart: bool = False) -> Indices:
    """[r, 4] start and stop of rows of the left, of the right, that go together.

    With `apart`, rows of a run are equal in whatever only equal options are compared by.
    """
    shared = [key for key in left.keys if key in right.keys]
    if not shared and not apart:
        return np.array([[0, left.size, 0, right.size]], dtype=np.intp)
    mine = _edges(left, left.keys, apart)
    other = _edges(right, right.keys, apart)
    fits = np.ones((len(mine) - 1, len(other) - 1), dtype=np.bool_)
    for key in shared:
        of_left = left.keys[key][mine[:-1], None]
        of_right = right.keys[key][other[:-1]]
        fits &= (of_left == of_right) | (of_left == UNREACHED) | (of_right == UNREACHED)
    i, j = np.nonzero(fits)
    return np.column_stack([mine[i], mine[i + 1], other[j], other[j + 1]])
