"""What options of a sub-workflow are like: arrays over options and over the states of open events.

An event that a sub-workflow reads but does not contain (is this value right, is its wrong answer
the common one, which label is it) is *open*: an axis of every array that depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from flowir.calculus import rows
from flowir.calculus.rows import Quantity
from flowir.calculus.terms import Value

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

Amount = str | tuple[str, Value]
"""`"cost"`, `"latency"`, or `("tokens", v)`: US dollars per token that value v will have."""

Source = Value | None
"""Where a path starts: when an open value is there, or (None) when the block starts."""

Mark = str | tuple[str, int | str]
"""`"agreement"`, `("label", state)` and the like."""


class Axis(NamedTuple):
    """An open event: `aspect` is `right`, `agrees` or `label`."""

    value: Value
    aspect: str
    states: int = 2


@dataclass(frozen=True, eq=False)
class Columns:
    """Arrays [n or 1, states or 1 of every axis]; 1 where nothing varies.

    Attributes:
        axes: the open events, sorted.
        right: P(the value is right).
        amounts: expected US dollars, and seconds where they add up.
        paths: seconds from each source to when the value is there; it is there at the latest of
            them. Several paths from one source are kept apart while what they take still depends
            on an event that is to be averaged first. Empty where latency is not asked for or adds.
        marks: what else a reader needs of the value, by name; see `dominance.SENSES`.
    """

    axes: tuple[Axis, ...]
    right: Array
    amounts: Mapping[Amount, Array] = field(default_factory=dict)
    paths: Mapping[Source, tuple[Array, ...]] = field(default_factory=dict)
    marks: Mapping[Mark, Array] = field(default_factory=dict)

    @cached_property
    def states(self) -> int:
        """How many joint states the open events have."""
        return int(np.prod([axis.states for axis in self.axes], dtype=np.int64))

    def each(
        self, change: Callable[[Array], Array], axes: tuple[Axis, ...] | None = None
    ) -> Columns:
        """Every array changed the same way, to be over these axes."""
        return Columns(
            self.axes if axes is None else axes,
            change(self.right),
            {name: change(array) for name, array in self.amounts.items()},
            {source: tuple(map(change, arrays)) for source, arrays in self.paths.items()},
            {name: change(array) for name, array in self.marks.items()},
        )

    def take(self, chosen: Indices) -> Columns:
        """The options of those numbers."""
        return self.each(lambda array: array if len(array) == 1 else array[chosen])

    def on(self, axes: tuple[Axis, ...]) -> Columns:
        """The same seen over more axes."""
        if axes == self.axes:
            return self
        own = {axis: place for place, axis in enumerate(self.axes, 1)}
        places = [own.get(axis) for axis in axes]

        def widen(array: Array) -> Array:
            states = [1 if place is None else array.shape[place] for place in places]
            return array.reshape(len(array), *states)

        return self.each(widen, axes)

    def arrays(self) -> list[Array]:
        """Every array, in a fixed order."""
        return [
            self.right,
            *self.amounts.values(),
            *(array for arrays in self.paths.values() for array in arrays),
            *self.marks.values(),
        ]


def union(*axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """All of these axes, sorted."""
    return tuple(sorted({axis for some in axes for axis in some}))


def aligned(left: Columns, right: Columns) -> tuple[Columns, Columns]:
    """Both over the axes of either."""
    axes = union(left.axes, right.axes)
    return left.on(axes), right.on(axes)


def constant(quantity: Quantity, axes: Sequence[Axis] = ()) -> Array:
    """A quantity as an array over axes: plain numbers have one option and no states."""
    if isinstance(quantity, np.ndarray):
        return quantity
    return np.full((1,) * (1 + len(axes)), float(quantity))


def outcome_of(axis: Axis, axes: Sequence[Axis], state: int) -> Array:
    """1 where the event has this outcome, else 0."""
    shape = [1] * (1 + len(axes))
    shape[1 + axes.index(axis)] = axis.states
    array = np.zeros(axis.states)
    array[state] = 1.0
    return array.reshape(shape)


def restrict(array: Array, place: int, state: int) -> Array:
    """The array where the event of axis number `place` has this outcome."""
    if array.shape[1 + place] == 1:
        return array
    index: list[slice] = [slice(None)] * array.ndim
    index[1 + place] = slice(state, state + 1)
    return array[tuple(index)]


def average(array: Array, place: int, prior: Sequence[Array]) -> Array:
    """The expectation over an event: `prior` is P(second outcome) of two, else P of each."""
    states = array.shape[1 + place]
    if states == 1:
        return array
    outcomes = [restrict(array, place, state) for state in range(states)]
    if len(prior) == 1:
        return constant(rows.mix(prior[0], *outcomes))
    return constant(rows.weighted_sum(prior, outcomes))


def varies(array: Array, place: int) -> bool:
    """Whether the array depends on the event of axis number `place`."""
    return bool(array.shape[1 + place] > 1)


def without(columns: Columns, dropped: Sequence[Axis]) -> Columns:
    """The columns with axes dropped on which nothing depends any more."""
    kept = [i for i, axis in enumerate(columns.axes) if axis not in dropped]
    axes = tuple(columns.axes[i] for i in kept)

    def narrow(array: Array) -> Array:
        return array.reshape(len(array), *(array.shape[1 + i] for i in kept))

    return columns.each(narrow, axes)


def restricted(columns: Columns, events: Sequence[Axis], state: int) -> Columns:
    """The columns where these events have this outcome, and no axes of theirs."""
    places = [i for i, axis in enumerate(columns.axes) if axis in events]

    def narrow(array: Array) -> Array:
        for place in places:
            array = restrict(array, place, state)
        return array

    return without(columns.each(narrow), events)
