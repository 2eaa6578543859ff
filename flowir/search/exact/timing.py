"""When values are there: the compositional latency of concurrent execution.

A construct starts when the latest value that it reads is there, and takes its expected time. A path
is what lies between a source and a value. What it takes may depend on events still open; these are
averaged path by path, and only then is the latest of the paths taken, as `expect` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from flowir.calculus.terms import Value
from flowir.search.exact.columns import Array, Axis, Source, varies

Events = frozenset[tuple[str, Value]]
"""Events of values, by aspect."""

Paths = Mapping[Source, tuple[Array, ...]]

MANY = 16
"""Paths from one source that may wait for one average."""


class UncomposableError(Exception):
    """What is concurrent in a region depends on an event that is not conditioned on throughout."""


class Clock:
    """Latest of paths, where what they take may depend on open events.

    Args:
        conditioned: whether an event from outside a region is conditioned on all through it.
    """

    def __init__(self, conditioned: Callable[[Axis], bool]) -> None:
        self._conditioned = conditioned

    def latest(
        self, some: Paths, others: Paths, axes: Sequence[Axis], local: Events
    ) -> dict[Source, tuple[Array, ...]]:
        """When both of two things are there."""
        found = dict(some)
        for source, arrays in others.items():
            found[source] = self.settled((*found.get(source, ()), *arrays), axes, local)
        return found

    def settled(
        self, arrays: tuple[Array, ...], axes: Sequence[Axis], local: Events
    ) -> tuple[Array, ...]:
        """The latest of paths, apart from those that depend on an event of the block itself.

        Raises:
            UncomposableError: a maximum would have to be taken given an event that may have been
                averaged by then.
        """
        arrays = tuple({id(array): array for array in arrays}.values())
        if len(arrays) < 2:
            return arrays
        pending = [i for i, axis in enumerate(axes) if (axis.aspect, axis.value) in local]
        unsure = [
            i
            for i, axis in enumerate(axes)
            if (axis.aspect, axis.value) not in local and not self._conditioned(axis)
        ]
        waiting = [array for array in arrays if any(varies(array, i) for i in pending)]
        ready = [array for array in arrays if not any(varies(array, i) for i in pending)]
        if len(waiting) > MANY:
            raise UncomposableError
        if len(ready) < 2:
            return (*ready, *waiting)
        if any(varies(array, i) for array in ready for i in unsure):
            for array in ready:
                if all((other <= array).all() for other in ready):
                    return (array, *waiting)
            raise UncomposableError
        latest = ready[0]
        for array in ready[1:]:
            latest = np.maximum(latest, array)
        return (latest, *waiting)
