"""What an assignment of labels makes of a workflow, without compiling it: the search asks often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Fallback,
    Workflow,
    blocks_of,
    decisions_of,
    walk,
)

UNREACHED = -1
"""Stands where a point does not reach a choice or decision."""


@dataclass(frozen=True, eq=False)
class _Fixed:
    """Terms that are there whatever is chosen: their outline, and the decisions they depend on."""

    outline: tuple[object, ...]
    decisions: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Open:
    """Alternatives, by the number of the choice: the parts of each label's block."""

    choice: int
    cases: tuple[tuple[_Part, ...], ...]


_Part = _Fixed | _Open


class Assignments:
    """What labels, one for every structural choice by number, choose of a workflow's terms."""

    def __init__(self, workflow: Workflow) -> None:
        self._labels = [range(len(choice.labels)) for choice in workflow.structures]
        number = {choice.name: i for i, choice in enumerate(workflow.structures)}
        self._parts = tuple(_parts(workflow.body, number))

    def reached(self, row: Sequence[int]) -> tuple[int, ...]:
        """The labels themselves, `UNREACHED` where one makes no difference."""
        places = {part.choice for part in self._chosen(row) if isinstance(part, _Open)}
        return tuple(label if i in places else UNREACHED for i, label in enumerate(row))

    def outline(self, row: Sequence[int]) -> tuple[object, ...]:
        """Equal for equal workflows, and quickly made: the terms in order, with what they decide.

        Every tier of a fallback counts, whether or not it is written like another.
        """
        chosen = (part.outline for part in self._chosen(row) if isinstance(part, _Fixed))
        return tuple(chain.from_iterable(chosen))

    def decisions(self, row: Sequence[int]) -> tuple[int, ...]:
        """Indices of the decisions that are reached, sorted."""
        chosen = (part.decisions for part in self._chosen(row) if isinstance(part, _Fixed))
        return tuple(sorted(set(chain.from_iterable(chosen))))

    def completed(self, row: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Labels for every choice reached, the rest as given, in lexicographic order."""
        places = (part.choice for part in self._chosen(row) if isinstance(part, _Open))
        place = next((place for place in places if row[place] == UNREACHED), None)
        if place is None:
            yield row
            return
        for label in self._labels[place]:
            yield from self.completed((*row[:place], label, *row[place + 1 :]))

    def _chosen(self, row: Sequence[int]) -> Iterator[_Part]:
        """What is fixed or open in the chosen blocks, in order."""
        pending = [*reversed(self._parts)]
        while pending:
            part = pending.pop()
            yield part
            if isinstance(part, _Open) and row[part.choice] != UNREACHED:
                pending.extend(reversed(part.cases[row[part.choice]]))


def _parts(block: Block, number: dict[str, int]) -> Iterator[_Part]:
    """The terms of a block and of the blocks inside, outer before inner, in order."""
    for term in block.terms:
        if isinstance(term, Alternatives):
            cases = tuple(tuple(_parts(case, number)) for _, case in term.cases)
            yield _Open(number[term.name], cases)
        else:
            yield _Fixed(((type(term), getattr(term, "decision", None)),), decisions_of((term,)))
            for inner in term.tiers if isinstance(term, Fallback) else blocks_of(term):
                yield from _parts(inner, number)


_VALUES = frozenset({"inputs", "output", "candidates", "initial", "source", "result", "arguments"})
"""Fields of terms that hold values."""


def form(workflow: Workflow) -> object:
    """What is left of a specialised workflow when the names of sites and values are forgotten."""
    made: set[int] = set()
    for term in walk(workflow.body):
        made.add(term.output)
        for block in blocks_of(term):
            made.update(block.arguments)
    names: dict[int, int] = {}

    def value(number: int) -> tuple[str, int]:
        if number not in made:
            return ("given", number)
        return ("made", names.setdefault(number, len(names)))

    def shown(item: object, is_value: bool = False) -> object:
        if is_value and isinstance(item, int):
            return value(item)
        if isinstance(item, tuple):
            return tuple(shown(part, is_value) for part in item)
        if is_dataclass(item) and not isinstance(item, type):
            kind = type(item).__name__
            return (
                kind,
                *(
                    shown(getattr(item, f.name), f.name in _VALUES or (kind, f.name) == _LABEL)
                    for f in fields(item)
                    if f.name != "site"
                ),
            )
        return item

    return shown(workflow.body)


_LABEL = ("Branch", "label")
