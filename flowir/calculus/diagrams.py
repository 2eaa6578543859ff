"""Quantities conditioned on shared events, over a batch of configurations.

A quantity is an algebraic decision diagram (Bahar et al., ICCAD 1993): a node asks how a shared
event turned out, a leaf is a plain number or a sheet of numbers. A value that nothing shares is a
single leaf, and arithmetic on it is ordinary array arithmetic.

A sheet has one row per *distinct* setting of the decisions it depends on, not one per row of the
batch: what a sub-workflow gives is worked out once for all rows that agree on its decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import prod

import numpy as np
import numpy.typing as npt

from flowir.calculus import rows
from flowir.calculus.rows import Array
from flowir.errors import CalculusError

Support = int
"""A set of decisions as a bit mask."""

NOTHING: Support = 0
EVERYTHING: Support = -1
"""Any decisions at all: one sheet row per row of the batch, in its order."""

MAX_LEAVES = 4096
"""The most joint outcomes of shared events that one operation is worked out for: 12 events."""

WORTHWHILE = 0.7
"""Share of the batch's rows above which telling distinct settings apart no longer pays."""

WIDE = 16
"""Scenarios from which on it pays to sort rows in order to tell distinct settings apart."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Axis:
    """A shared event that is conditioned on; `order` grows with every event opened."""

    order: int
    states: int
    name: str


@dataclass(frozen=True, eq=False)
class Sheet:
    """[U, S] values for the distinct settings of the decisions in `support`; U = 1 of nothing."""

    support: Support
    values: Array
    _lifted: dict[Support, Array] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Given:
    """One quantity per outcome of an event; the axes further down are of higher order."""

    axis: Axis
    outcomes: tuple[Diagram, ...]
    carries: frozenset[Axis]


Leaf = float | Sheet
Diagram = float | Sheet | Given


def axes_of(diagram: Diagram) -> frozenset[Axis]:
    """The events that a quantity is conditioned on."""
    return diagram.carries if isinstance(diagram, Given) else frozenset()


def given(axis: Axis, outcomes: tuple[Diagram, ...]) -> Diagram:
    """The quantity that is `outcomes[k]` where the event's outcome is k."""
    first = outcomes[0]
    if all(_same(first, other) for other in outcomes[1:]):
        return first
    return Given(axis, outcomes, frozenset((axis,)).union(*(axes_of(o) for o in outcomes)))


def outcome_of(axis: Axis) -> Diagram:
    """The number of the outcome itself: of a two-state event, its indicator."""
    return given(axis, tuple(float(k) for k in range(axis.states)))


def restrict(diagram: Diagram, axis: Axis, outcome: int) -> Diagram:
    """The quantity where the event had this outcome."""
    known: dict[int, Diagram] = {}

    def restricted(part: Diagram) -> Diagram:
        if not isinstance(part, Given) or axis not in part.carries:
            return part
        if part.axis is axis:
            return part.outcomes[outcome]
        if id(part) not in known:
            known[id(part)] = given(part.axis, tuple(map(restricted, part.outcomes)))
        return known[id(part)]

    return restricted(diagram)


def _same(left: Diagram, right: Diagram) -> bool:
    return left is right or (isinstance(left, float) and isinstance(right, float) and left == right)


Function = Callable[..., tuple[rows.Quantity, ...]]


class Batch:
    """Arithmetic on quantities over the rows of one batch of settings [B, D].

    `width` is the number of scenarios that are worked on at a time.
    """

    def __init__(self, settings: Indices, decisions: Sequence[int], width: int) -> None:
        self.settings = settings
        self.size = settings.shape[0]
        self._width = width
        self._positions: dict[Support, tuple[Indices, Indices]] = {}
        self._canonical: dict[Support, Support] = {NOTHING: NOTHING}
        self._lifts: dict[tuple[Support, Support], Indices] = {}
        self._radix = {d: int(settings[:, d].max()) + 1 if self.size else 1 for d in decisions}

    def support(self, *decisions: int) -> Support:
        """The support of what depends on these decisions."""
        return self._canonicalise(sum(1 << d for d in set(decisions)))

    def representatives(self, support: Support) -> Indices | slice:
        """[U] a row of the batch for each distinct setting of the support."""
        return slice(None) if support == EVERYTHING else self._positions[support][0]

    def write(self, diagram: Diagram, out: Array) -> None:
        """Fill `out` [B, S] with a leaf, one row per row of the batch."""
        assert not isinstance(diagram, Given), "an event is still open"
        if isinstance(diagram, float) or diagram.values.shape[0] == 1:
            out[...] = diagram if isinstance(diagram, float) else diagram.values
        elif diagram.support == EVERYTHING:
            out[...] = diagram.values
        elif diagram.values.dtype == out.dtype and out.flags.c_contiguous:
            index = self._lift_index(diagram.support, EVERYTHING)
            np.take(diagram.values, index, axis=0, out=out, mode="clip")
        else:
            out[...] = self._lift(diagram, EVERYTHING)

    def apply(self, function: Callable[..., rows.Quantity], *operands: Diagram) -> Diagram:
        """The function of leaves, for every joint outcome of the events its operands carry."""
        return self.apply_many(lambda *leaves: (function(*leaves),), *operands)[0]

    def apply_many(self, function: Function, *operands: Diagram) -> tuple[Diagram, ...]:
        """Like `apply`, for a function that gives several quantities.

        Raises:
            CalculusError: too many events are open at once.
        """
        if not any(isinstance(operand, Given) for operand in operands):
            return self._on_leaves(function, operands)  # type: ignore[arg-type]
        _require_narrow(operands)
        known: dict[_Key, tuple[Diagram, ...]] = {}

        def split(parts: tuple[Diagram, ...]) -> tuple[Diagram, ...]:
            key = _key(parts)
            if key not in known:
                axis = _first_axis(parts)
                if axis is None:
                    known[key] = self._on_leaves(function, parts)  # type: ignore[arg-type]
                else:
                    found = [split(_step(parts, axis, k)) for k in range(axis.states)]
                    known[key] = tuple(given(axis, o) for o in zip(*found, strict=True))
            return known[key]

        return split(operands)

    def nowhere(self, condition: Diagram) -> bool:
        """Whether a condition holds for no row and scenario, so that nothing under it is run."""
        if isinstance(condition, Sheet):
            return not condition.values.any()
        return condition == 0.0

    def fold(
        self,
        function: Callable[[rows.Quantity, rows.Quantity], rows.Quantity],
        operands: Sequence[Diagram],
        empty: float,
    ) -> Diagram:
        """An associative, commutative function over all operands, those of one support first."""
        by_support: dict[Support, Diagram] = {}
        conditioned: list[Diagram] = []
        for operand in operands:
            if isinstance(operand, Given):
                conditioned.append(operand)
                continue
            support = operand.support if isinstance(operand, Sheet) else NOTHING
            known = by_support.get(support)
            by_support[support] = operand if known is None else self.apply(function, known, operand)
        narrow_first = sorted(by_support, key=self._rows)
        ordered = [*(by_support[support] for support in narrow_first), *conditioned]
        if not ordered:
            return empty
        return reduce(lambda left, right: self.apply(function, left, right), ordered)

    def average(self, diagram: Diagram, axis: Axis, prior: Sequence[Diagram]) -> Diagram:
        """The expectation over an event: of two-state ones, `prior` is the chance of the second."""
        if axis not in axes_of(diagram):
            return diagram
        outcomes = [restrict(diagram, axis, k) for k in range(axis.states)]
        if axis.states == 2 and len(prior) == 1:
            return self.apply(rows.mix, prior[0], *outcomes)
        count = len(prior)
        return self.apply(
            lambda *leaves: rows.weighted_sum(leaves[:count], leaves[count:]), *prior, *outcomes
        )

    def _on_leaves(self, function: Function, leaves: tuple[Leaf, ...]) -> tuple[Diagram, ...]:
        union = NOTHING
        for leaf in leaves:
            if isinstance(leaf, Sheet):
                union |= leaf.support
        support = self._canonicalise(union)
        arguments = [
            leaf if isinstance(leaf, float) else self._lift(leaf, support) for leaf in leaves
        ]
        return tuple(
            self._wrap(value, support, leaves, arguments) for value in function(*arguments)
        )

    def _wrap(
        self,
        value: rows.Quantity,
        support: Support,
        leaves: tuple[Leaf, ...],
        arguments: Sequence[rows.Quantity],
    ) -> Leaf:
        if isinstance(value, float):
            return value
        for leaf, argument in zip(leaves, arguments, strict=True):
            if value is argument:
                return leaf
        return Sheet(NOTHING if value.shape[0] == 1 else support, value)

    def _lift(self, sheet: Sheet, target: Support) -> Array:
        """The sheet with one row per distinct setting of a wider support."""
        if sheet.support == target or sheet.values.shape[0] == 1:
            return sheet.values
        if target not in sheet._lifted:
            sheet._lifted[target] = sheet.values[self._lift_index(sheet.support, target)]
        return sheet._lifted[target]

    def _lift_index(self, source: Support, target: Support) -> Indices:
        if (source, target) not in self._lifts:
            inverse = self._positions[source][1]
            self._lifts[source, target] = inverse[self.representatives(target)]
        return self._lifts[source, target]

    def _rows(self, support: Support) -> int:
        if support == NOTHING:
            return 1
        return self.size if support == EVERYTHING else len(self._positions[support][0])

    def _canonicalise(self, support: Support) -> Support:
        """The support itself, or everything if telling its settings apart does not pay."""
        if support == EVERYTHING:
            return EVERYTHING
        if support not in self._canonical:
            found = self._distinct(support)
            if found is None or len(found[0]) > WORTHWHILE * self.size:
                self._canonical[support] = EVERYTHING
            else:
                self._canonical[support] = support
                self._positions[support] = found
        return self._canonical[support]

    def _distinct(self, support: Support) -> tuple[Indices, Indices] | None:
        """[U] first rows with each distinct setting, [B] which of them every row has.

        None where windows are so narrow that sorting would cost more than it saves.
        """
        key = np.zeros(self.size, dtype=np.int64)
        bound = 1
        for decision, radix in self._radix.items():
            if not support >> decision & 1:
                continue
            if bound > 2**62 // radix:
                key = np.unique(key, return_inverse=True)[1].reshape(-1).astype(np.int64)
                bound = self.size
            key = key * radix + self.settings[:, decision]
            bound *= radix
        if bound <= 2 * self.size:
            return _first_and_inverse(key, bound)
        if self._width < WIDE:
            return None
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        return first, inverse.reshape(-1)


def _first_and_inverse(key: npt.NDArray[np.int64], bound: int) -> tuple[Indices, Indices]:
    """As `np.unique` gives them, for keys below a small bound: no sorting."""
    first_of = np.full(bound, -1, dtype=np.intp)
    first_of[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    present = np.flatnonzero(first_of >= 0)
    rank = np.empty(bound, dtype=np.intp)
    rank[present] = np.arange(len(present))
    return first_of[present], rank[key]


def _require_narrow(operands: tuple[Diagram, ...]) -> None:
    """Raise if the operands ask for more joint outcomes than an operation is worked out for."""
    axes = sorted(frozenset().union(*map(axes_of, operands)), key=lambda a: a.order)
    if prod(axis.states for axis in axes) <= MAX_LEAVES:
        return
    pending, seen = [operands], {_key(operands)}
    while pending:
        parts = pending.pop()
        axis = _first_axis(parts)
        if axis is None:
            continue
        for k in range(axis.states):
            below = _step(parts, axis, k)
            if _key(below) not in seen:
                seen.add(_key(below))
                pending.append(below)
        # A tree of n leaves has about as many nodes above them.
        if len(seen) > 2 * MAX_LEAVES:
            names = ", ".join(axis.name for axis in axes)
            raise CalculusError(
                f"more than {MAX_LEAVES} joint outcomes of shared values must be told apart at "
                f"once; open are {names}; let fewer constructs read these values, or join them "
                "earlier"
            )


_Key = tuple[int | float, ...]


def _key(parts: tuple[Diagram, ...]) -> _Key:
    return tuple(part if isinstance(part, float) else id(part) for part in parts)


def _first_axis(parts: tuple[Diagram, ...]) -> Axis | None:
    axes = [part.axis for part in parts if isinstance(part, Given)]
    return min(axes, key=lambda a: a.order) if axes else None


def _step(parts: tuple[Diagram, ...], axis: Axis, outcome: int) -> tuple[Diagram, ...]:
    """The parts where the first event any of them asks for had this outcome."""
    return tuple(
        part.outcomes[outcome] if isinstance(part, Given) and part.axis is axis else part
        for part in parts
    )
