"""What a reader may need of a value besides how often it is right.

A vote needs the chance that two wrong answers agree, a selector how many tokens it is shown, a
branch which label it is. All three depend on who wrote the value, and how that was configured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from flowir.calculus.rows import Quantity
from flowir.calculus.terms import Value
from flowir.search.exact.columns import Array, Axis, Columns, Mark, constant, outcome_of
from flowir.search.exact.partial import UNREACHED, Key, PartialFront

if TYPE_CHECKING:
    from flowir.search.exact.composer import Composer, Scope
    from flowir.search.exact.facts import Keys

_ASPECTS = {"agrees": "agreement", "label": "label"}

LABEL = frozenset(("label",))


def needed(columns: Columns, value: Value) -> frozenset[str]:
    """What must be known of a value, besides how often it is right, to average over it."""
    read = {axis.aspect for axis in columns.axes if axis.value == value}
    marks = {_ASPECTS[aspect] for aspect in read if aspect in _ASPECTS}
    if ("tokens", value) in columns.amounts:
        marks.add("tokens")
    return frozenset(marks)


def marked(c: Composer, found: PartialFront, value: Value, marks: frozenset[str]) -> PartialFront:
    """The options of a value with marks added, kept apart by what these depend on.

    An option made without such a choice, as one of a structure that does not call the router, has
    yet to be given one.
    """
    for key in sorted(c.facts.behind(value, marks), key=str):
        assert isinstance(key, int)
        if key in found.keys and (found.keys[key] != UNREACHED).all():
            continue
        chosen = c.calls.options(key, 1.0, amounts=False, marks={})
        kept = frozenset((*found.keys, key))
        found = c.merge(found, chosen, lambda left, _: left, kept, found.sense)
    axes = found.columns.axes
    known: dict[Mark, Array] = dict(found.columns.marks)

    def by_setting(values: Quantity, key: Key | None) -> Array:
        if key is None or not isinstance(values, np.ndarray):
            return constant(values, axes)
        return values[found.keys[key]].reshape(-1, *[1] * len(axes))

    if "agreement" in marks and (agreement := c.facts.agreement(value)) is not None:
        known["agreement"] = by_setting(agreement, c.facts.writer(value))
    if "tokens" in marks and (tokens := c.facts.tokens(value)) is not None:
        known["tokens"] = by_setting(tokens, c.facts.writer(value))
    if "label" in marks:
        event = c.facts.labels[value]
        for state, weight in enumerate(c.calls.labels(event)):
            known["label", state] = by_setting(weight, event.router)
    return replace(found, columns=replace(found.columns, marks=known))


def label(c: Composer, scope: Scope, value: Value, outside: Keys) -> PartialFront:
    """A label, with the mark of how likely each of its states is, or conditioned on it."""
    if value in scope.graph.folded:
        return c.value(scope, value, outside, LABEL)
    if ("label", value) in scope.local and c.facts.given_label(value):
        return marked(c, c.read(scope, ()), value, LABEL)
    states = len(c.facts.labels[value].states)
    axis = Axis(value, "label", states)
    known: dict[Mark, Array] = {
        ("label", state): outcome_of(axis, (axis,), state) for state in range(states)
    }
    waits = c.waits(scope, (value,), (axis,))
    return PartialFront(Columns((axis,), constant(1.0, (axis,)), {}, waits, known), 1)
