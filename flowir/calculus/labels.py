"""Which way branches go: the distribution of the label that a value is.

A label that several branches read is written once, so one draw decides all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowir.calculus.rows import Array, Quantity
from flowir.calculus.terms import Block, Branch, Value, walk


@dataclass(frozen=True)
class LabelEvent:
    """What a label may turn out to be.

    Attributes:
        states: every label that some branch on the value names, in order of appearance; then None
            for any other, if every one of these branches has an `else` case.
        weights: the given probability of each state, None where none was given.
        router: the decision that writes the label.
    """

    states: tuple[str | None, ...]
    weights: tuple[float | None, ...]
    router: int | None

    def cases(self, branch: Branch) -> tuple[int, ...]:
        """For each state, the index of the case it takes; a label not named takes the last."""
        index = {case.label: i for i, case in enumerate(branch.cases)}
        other = index.get(None, len(branch.cases) - 1)
        return tuple(index.get(state, other) for state in self.states)

    def probabilities(self, written: Mapping[str, Array]) -> tuple[Quantity, ...]:
        """P(state) for each state, from P(the router writes a label) of the labels it knows.

        The router serves if it knows every named label: any other label takes the remainder, or
        there is none and the named ones are scaled to 1. Otherwise the given weights serve, and
        states without one share evenly what they leave.
        """
        named = [state for state in self.states if state is not None]
        if named and all(label in written for label in named):
            known = [written[label] for label in named]
            return _completed(known, len(named) < len(self.states))
        return _shared_out(self.weights)


def label_events(body: Block) -> Mapping[Value, LabelEvent]:
    """The label event of every value that a branch inside `body` reads."""
    readers: dict[Value, list[Branch]] = {}
    for term in walk(body):
        if isinstance(term, Branch):
            readers.setdefault(term.label, []).append(term)
    return {value: _event(branches) for value, branches in readers.items()}


def _event(branches: Sequence[Branch]) -> LabelEvent:
    weights: dict[str | None, float | None] = {}
    for branch in branches:
        for case in branch.cases:
            if case.label is not None and weights.get(case.label) is None:
                weights[case.label] = case.weight
    if all(any(case.label is None for case in branch.cases) for branch in branches):
        # What is left over for `else` is known only where a branch names every other label.
        weights[None] = next(
            (
                case.weight
                for branch in branches
                if len(branch.cases) == len(weights) + 1
                for case in branch.cases
                if case.label is None
            ),
            None,
        )
    router = next((branch.router for branch in branches if branch.router is not None), None)
    return LabelEvent(tuple(weights), tuple(weights.values()), router)


def _completed(written: Sequence[Array], with_other: bool) -> tuple[Quantity, ...]:
    named = np.add.reduce(written)
    if with_other:
        other = np.maximum(1.0 - named, 0.0)
        scale = named + other
        return (*(p / scale for p in written), other / scale)
    nothing = named <= 0.0
    scale = np.where(nothing, 1.0, named)
    return tuple(np.where(nothing, 1.0 / len(written), p / scale) for p in written)


def _shared_out(weights: Sequence[float | None]) -> tuple[Quantity, ...]:
    given = sum(weight for weight in weights if weight is not None)
    missing = sum(weight is None for weight in weights)
    share = max(0.0, 1.0 - given) / missing if missing else 0.0
    full = [share if weight is None else weight for weight in weights]
    scale = sum(full)
    return tuple(weight / scale if scale > 0 else 1.0 / len(full) for weight in full)
