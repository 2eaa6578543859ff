"""Alternatives: the options of every block that may be chosen, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from flowir.calculus.terms import Alternatives
from flowir.search.exact.columns import Array, Columns, union
from flowir.search.exact.entangled import EntangledError
from flowir.search.exact.graph import Node
from flowir.search.exact.merge import pruned, selected
from flowir.search.exact.partial import UNREACHED, Key, OneOf, PartialFront

if TYPE_CHECKING:
    from flowir.search.exact.composer import Composer, Scope
    from flowir.search.exact.facts import Keys

NEVER = -1e30
"""Seconds along a path that a block does not have: before everything else, and harmless in sums."""


def alternatives(
    c: Composer,
    scope: Scope,
    node: Node,
    term: Alternatives,
    outside: Keys,
    marks: frozenset[str],
) -> PartialFront:
    """The blocks are part of what they are written in; only one is, so they share no choices.

    Raises:
        EntangledError: the alternatives choose a label.
    """
    if "label" in marks:
        raise EntangledError
    tied = term.name in outside or any(term.name in block.uses for block in node.inner)
    kept = outside | {term.name} if tied else outside
    parts = [
        _chosen(c.inlined(scope, block, kept, marks), term.name, label, tied)
        for label, block in enumerate(node.inner)
    ]
    sizes = [part.size for part in parts]
    keys: dict[Key, np.ndarray[tuple[int], np.dtype[np.intp]]] = {
        key: np.concatenate([part.keys.get(key, np.full(part.size, UNREACHED)) for part in parts])
        for key in dict.fromkeys(key for part in parts for key in part.keys)
    }
    origin = OneOf(
        term.name,
        tuple(part.origin for part in parts),
        np.repeat(np.arange(len(parts)), sizes),
        np.concatenate([np.arange(size) for size in sizes]),
    )
    columns = stacked([part.columns for part in parts], sizes)
    front = PartialFront(columns, sum(sizes), keys, origin, c.facts.sense(term.output))
    return pruned(front, outside)


def _chosen(part: PartialFront, name: str, label: int, tied: bool) -> PartialFront:
    """The options of a block that agree with its being chosen."""
    if not tied:
        return part
    inner = part.keys.get(name, np.full(part.size, label))
    agree = np.flatnonzero((inner == label) | (inner == UNREACHED))
    keys = {**part.keys, name: np.full(part.size, label)}
    return selected(part, agree, keys)


def stacked(parts: Sequence[Columns], sizes: Sequence[int]) -> Columns:
    """Columns one below the other; what one of them lacks is nothing, or never."""
    axes = union(*(part.axes for part in parts))
    widened = [part.on(axes) for part in parts]

    def stack(arrays: Sequence[Array | None], missing: float) -> Array:
        blank = np.full((1,) * (1 + len(axes)), missing)
        known = [blank if array is None else array for array in arrays]
        shape = np.broadcast_shapes(*(array.shape[1:] for array in known))
        if len(known[0]) == 1 and all(array is known[0] for array in known):
            return known[0]
        return np.concatenate(
            [np.broadcast_to(a, (n, *shape)) for a, n in zip(known, sizes, strict=True)]
        )

    paths: dict[int | None, tuple[Array, ...]] = {}
    for source in dict.fromkeys(source for part in widened for source in part.paths):
        several = [part.paths.get(source, ()) for part in widened]
        paths[source] = tuple(
            stack([arrays[k] if k < len(arrays) else None for arrays in several], NEVER)
            for k in range(max(map(len, several)))
        )
    return Columns(
        axes,
        stack([part.right for part in widened], 0.0),
        {
            name: stack([part.amounts.get(name) for part in widened], 0.0)
            for name in dict.fromkeys(name for part in widened for name in part.amounts)
        },
        paths,
        {
            mark: stack([part.marks.get(mark) for part in widened], float(mark == "agreement"))
            for mark in dict.fromkeys(mark for part in widened for mark in part.marks)
        },
    )
