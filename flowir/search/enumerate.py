"""The whole space, point by point: the exact front of any model, where the space is small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flowir.search.pareto import layers
from flowir.search.problem import Array, Problem
from flowir.search.space import Points

BATCH = 1 << 15
"""Points evaluated at a time."""


def enumerate_space(problem: Problem, at_least: int = 1) -> Points:
    """The Pareto front over every point of the space, and of the rest the best.

    Whole Pareto layers are added until there are `at_least` points; equal points are in one layer.
    The result is in canonical order. What is kept of a point until the end is its K losses.
    """
    kept = np.sort(layers(every_loss(problem), at_least))
    return _numbered(problem, kept).ordered()


def every_loss(problem: Problem) -> Array:
    """[N, K] losses of every legal point, in the order of its structures and settings."""
    found = [problem.losses(batch) for batch in _batches(problem)]
    return np.concatenate(found) if found else np.empty((0, len(problem.objectives)))


def _batches(problem: Problem) -> Iterator[Points]:
    space = problem.space
    for structure in space.structures():
        count = space.settings_of(structure)
        for start in range(0, count, BATCH):
            points = space.points(structure, start, min(start + BATCH, count))
            yield points[space.legal(points)] if space.forbidden else points


def _numbered(problem: Problem, numbers: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Points:
    """The points of those numbers, in the order in which `_batches` gives them."""
    found: list[Points] = []
    first = 0
    for batch in _batches(problem):
        start, stop = np.searchsorted(numbers, [first, first + len(batch)])
        found.append(batch[numbers[start:stop] - first])
        first += len(batch)
    return Points.join(found)
