"""How rightness is read from text: which marks decide whether a value of the workflow is right.

A simulated model sees nothing but its prompt. What a term makes of its operands says whose marks a
value carries: a call's output carries its own, a vote's one of its candidates', a list all of its
elements'. A reading keeps that for one value, or for all operands of a call together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Fallback,
    First,
    Join,
    Map,
    Plan,
    Refine,
    Select,
    Term,
    ToolCall,
    Value,
    Vote,
    blocks_of,
    walk,
)
from flowir.sim.marks import Mark


@dataclass(frozen=True)
class Reading:
    """Right iff every mark of `every` is right and every group of `some` has a right element.

    `every` holds sites, or topics once renamed. `needs` lists sets of them, of each of which at
    least one mark must be there: a value that passed through the code cannot have lost it.
    """

    every: frozenset[object] = frozenset()
    some: tuple[tuple[Reading, ...], ...] = ()
    needs: tuple[frozenset[object], ...] = ()

    @property
    def keys(self) -> frozenset[object]:
        """All sites or topics whose marks count."""
        return self.every.union(*(element.keys for group in self.some for element in group))

    def renamed(self, topics: Mapping[object, int]) -> Reading:
        """The same reading of topics, given the topic of every site."""
        return Reading(
            frozenset(topics[site] for site in self.every),
            tuple(tuple(element.renamed(topics) for element in group) for group in self.some),
            tuple(frozenset(topics[site] for site in need) for need in self.needs),
        )

    def right(self, marks: Sequence[Mark]) -> bool:
        """Whether a text with these marks is right; one without any is."""
        for mark in marks:
            if not mark.right and mark.topic in self.every:
                return False
        return all(_some(group, marks) for group in self.some)

    def missing(self, marks: Sequence[Mark]) -> frozenset[object] | None:
        """Topics of which a mark must be there and is not, None if all are."""
        for need in self.needs:
            if not any(mark.topic in need for mark in marks):
                return need
        return None


NOTHING = Reading()
"""Of values without marks, such as the workflow's arguments: always right."""


def _some(group: Sequence[Reading], marks: Sequence[Mark]) -> bool:
    """Whether some element that the text shows is right; elements without marks always are."""
    keys = [element.keys for element in group]
    if sum(map(len, keys)) > len(frozenset().union(*keys)):
        # Elements that answer the same question cannot be told apart, and need not be.
        shown = [mark.right for mark in marks if any(mark.topic in key for key in keys)]
    else:
        topics = {mark.topic for mark in marks}
        shown = [
            element.right(marks)
            for element, key in zip(group, keys, strict=True)
            if not key or not topics.isdisjoint(key)
        ]
    return any(shown) or not shown


def together(readings: Iterable[Reading]) -> Reading:
    """Of several values shown together: right iff all are."""
    parts = list(readings)
    return Reading(
        frozenset().union(*(part.every for part in parts)),
        tuple(chain.from_iterable(part.some for part in parts)),
        tuple(chain.from_iterable(part.needs for part in parts)),
    )


def one_of(readings: Iterable[Reading]) -> Reading:
    """Of one of several values, whichever it turned out to be."""
    parts = list(readings)
    both = together(parts)
    needs = (both.keys,) if parts and all(part.needs for part in parts) else ()
    return Reading(both.every, both.some, needs)


class Readings:
    """The readings of every value of a workflow, by site."""

    def __init__(self, body: Block, unmarked: Iterable[str] = ()) -> None:
        """`unmarked`: sites whose answers carry no mark, such as those of routers."""
        self._unmarked = frozenset(unmarked)
        self._producers: dict[Value, Term] = {}
        self._carried: dict[Value, tuple[Value, ...]] = {}
        for term in walk(body):
            self._producers[term.output] = term
            if isinstance(term, Refine):
                value, *_ = term.body.arguments
                self._carried[value] = (term.initial, term.body.result)
            elif isinstance(term, Map):
                self._carried[term.body.arguments[0]] = (term.source,)

    def of(self, *values: Value) -> Reading:
        """Of values shown together."""
        return together(self._read(value, frozenset()) for value in values)

    def sites(self, value: Value) -> frozenset[object]:
        """Sites whose answers a value may be, or contain."""
        return self.of(value).keys

    def _read(self, value: Value, open_: frozenset[Value]) -> Reading:
        """The reading of a value; `open_` are the loop-carried values being read already."""
        if value in self._carried and value not in open_:
            inside = open_ | {value}
            sources = [v for v in self._carried[value] if v not in inside]
            return one_of(self._read(source, inside) for source in sources)
        term = self._producers.get(value)
        if term is None:
            return NOTHING
        return _READ[type(term)](self, term, open_)

    def _together(self, values: Iterable[Value], open_: frozenset[Value]) -> Reading:
        return together(self._read(value, open_) for value in values if value not in open_)

    def _one_of(self, values: Iterable[Value], open_: frozenset[Value]) -> Reading:
        return one_of(self._read(value, open_) for value in values if value not in open_)

    def _call(self, term: Call, _: frozenset[Value]) -> Reading:
        if term.site in self._unmarked:
            return NOTHING
        site = frozenset[object]({term.site})
        return Reading(site, (), (site,))

    def _inputs(self, term: ToolCall, open_: frozenset[Value]) -> Reading:
        return self._together(term.inputs, open_)

    def _join(self, term: Join, open_: frozenset[Value]) -> Reading:
        shown = self._together(term.inputs, open_)
        if term.kind != "any":
            return shown
        elements = tuple(self._read(value, open_) for value in term.inputs if value not in open_)
        return Reading(frozenset(), (elements,), shown.needs)

    def _vote(self, term: Vote, open_: frozenset[Value]) -> Reading:
        return self._one_of(term.inputs, open_)

    def _first(self, term: First, open_: frozenset[Value]) -> Reading:
        return self._one_of(term.candidates, open_)

    def _select(self, term: Select, open_: frozenset[Value]) -> Reading:
        return self._one_of(term.candidates, open_)

    def _blocks(self, term: Branch | Fallback | Alternatives, open_: frozenset[Value]) -> Reading:
        return self._one_of((block.result for block in blocks_of(term)), open_)

    def _refine(self, term: Refine, open_: frozenset[Value]) -> Reading:
        return self._one_of((term.initial, term.body.result), open_)

    def _map(self, term: Map, open_: frozenset[Value]) -> Reading:
        item = self._read(term.body.result, open_)
        source = self._read(term.source, open_)
        # A list the caller gave may be empty; one that a model wrote is not.
        return item if source.needs else Reading(item.every, item.some)

    def _plan(self, term: Plan, open_: frozenset[Value]) -> Reading:
        return self._read(term.joiner.result, open_)


_READ: dict[type, Callable[..., Reading]] = {
    Call: Readings._call,
    ToolCall: Readings._inputs,
    Join: Readings._join,
    Vote: Readings._vote,
    First: Readings._first,
    Select: Readings._select,
    Branch: Readings._blocks,
    Fallback: Readings._blocks,
    Alternatives: Readings._blocks,
    Refine: Readings._refine,
    Map: Readings._map,
    Plan: Readings._plan,
}
