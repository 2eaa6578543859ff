"""The values of one run of a scope, and the shared events that are open in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowir.calculus.diagrams import Axis, Batch, Diagram, axes_of, outcome_of
from flowir.calculus.scopes import Aspect, Definition
from flowir.calculus.terms import Value

Environment = Mapping[tuple[Aspect, Value], Diagram]


@dataclass
class _Open:
    """A shared event: conditioned on until its last reader is done, then averaged away."""

    axis: Axis
    value: Value
    prior: tuple[Diagram, ...]

    @property
    def carries(self) -> frozenset[Axis]:
        return frozenset().union(*map(axes_of, self.prior))


class Frame:
    """Cutset conditioning inside one run of a scope.

    A shared event becomes an axis whose prior may depend on older axes. Once nobody will read the
    event any more and only one thing (a value not read yet, or another axis's prior) still carries
    its axis, the expectation is taken there. Values outside are independent given the open axes,
    so nothing is lost.
    """

    def __init__(self, batch: Batch, outer: Environment, orders: Iterator[int]) -> None:
        self.values: dict[tuple[Aspect, Value], Diagram] = dict(outer)
        self._batch = batch
        self._orders = orders
        self._open: list[_Open] = []
        self._pending: dict[tuple[Aspect, Value], int] = {}
        self._last_read: dict[Value, int] = {}

    def define(self, defined: Definition, right: Diagram) -> None:
        """Let a value be read; its rightness becomes an axis if several things read it."""
        self._last_read[defined.value] = defined.last_read
        if not defined.needed:
            return
        key: tuple[Aspect, Value] = ("right", defined.value)
        if "right" in defined.shared and not isinstance(right, float):
            self._share(key, defined.name, (right,), 2)
        else:
            self.values[key] = right
            self._pending[key] = defined.last_read

    def alias(self, value: Value, right: Diagram) -> None:
        """Let an argument stand for a value from outside, which is shared there if need be."""
        self.values["right", value] = right

    def share(
        self, aspect: Aspect, defined: Definition, name: str, prior: Sequence[Diagram]
    ) -> None:
        """Open an event other than rightness; `prior` as in `Batch.average`."""
        self._last_read[defined.value] = defined.last_read
        states = 2 if len(prior) == 1 else len(prior)
        self._share((aspect, defined.value), name, tuple(prior), states)

    def close(self, step: int) -> None:
        """Average away the events that no later step can tell apart, newest first."""
        if not self._open:
            return
        self._pending = {key: last for key, last in self._pending.items() if last > step}
        for event in reversed(tuple(self._open)):
            if self._last_read[event.value] <= step:
                self._close(event)

    def expectation(self, diagram: Diagram) -> Diagram:
        """The average over every event open in this frame, given the outer ones."""
        for event in reversed(self._open):
            diagram = self._batch.average(diagram, event.axis, event.prior)
        return diagram

    def _share(
        self, key: tuple[Aspect, Value], name: str, prior: tuple[Diagram, ...], states: int
    ) -> None:
        axis = Axis(next(self._orders), states, name)
        self._open.append(_Open(axis, key[1], prior))
        self.values[key] = outcome_of(axis)

    def _close(self, event: _Open) -> None:
        axis = event.axis
        readers = [key for key in self._pending if axis in axes_of(self.values[key])]
        priors = [other for other in self._open if axis in other.carries]
        if len(readers) + len(priors) > 1:
            return
        for key in readers:
            self.values[key] = self._batch.average(self.values[key], axis, event.prior)
        for other in priors:
            other.prior = tuple(
                self._batch.average(part, axis, event.prior) for part in other.prior
            )
        self._open.remove(event)
