"""The Pareto set of a workflow, composed from those of its parts.

Non-serial dynamic programming (Bertelè and Brioschi 1972) with sets of non-dominated vectors for
values. An option of a part is how often it is right, given each state of the events it is
conditioned on, and what it spends. Parts are merged pair by pair and dominated options dropped.
Choices that other parts depend on too are kept apart until the last of them is merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from flowir.calculus import rows
from flowir.calculus.labels import LabelEvent, label_events
from flowir.calculus.terms import Alternatives, Block, Branch, Map, Refine, Term, Value, Workflow, walk
from flowir.calculus.writers import writers
from flowir.search.exact.amounts import Amounts, added
from flowir.search.exact.calls import Calls
from flowir.search.exact.columns import (
    Amount,
    Array,
    Axis,
    Columns,
    Mark,
    average,
    constant,
    outcome_of,
    without,
)
from flowir.search.exact.constructs import compose
from flowir.search.exact.dominance import Sense
from flowir.search.exact.effects import Effect, effects
from flowir.search.exact.entangled import EntangledError, labels_entangled, writer_open
from flowir.search.exact.graph import Graph, Node, form, graph
from flowir.search.exact.merge import merge, pruned
from flowir.search.exact.partial import Key, PartialFront
from flowir.search.exact.shared import fewest_reads
from flowir.search.exact.sift import Combine
from flowir.search.exact.structure import alternatives
from flowir.search.exact.timing import Clock, Events, Paths

Keys = frozenset[Key]
NONE: Keys = frozenset()
ASPECTS = ("right", "agrees", "label")

NO_MARKS: frozenset[str] = frozenset()
ALL_MARKS = frozenset(("agreement", "tokens", "label"))
ZERO = constant(0.0)


@dataclass(frozen=True, eq=False)
class Scope:
    """A block being composed.

    Attributes:
        graph: its values.
        local: the events that are averaged over before the block, or the one it is inlined into,
            ends.
    """

    graph: Graph
    local: Events


class Composer:
    """Composes one workflow in the mean-field model.

    Args:
        success: whether accuracy is an objective.
        spent: which of cost and latency are.
        timed: whether latency is when the result is there, rather than what all calls take.
        width: most pairs × joint states that one merge may work out.

    Raises:
        EntangledError: its structures can only be composed one by one.
    """

    def __init__(
        self,
        workflow: Workflow,
        calls: Calls,
        *,
        success: bool,
        spent: tuple[str, ...],
        timed: bool,
        width: int,
    ) -> None:
        self.calls = calls
        self.spent = spent
        self.timed = timed and "latency" in spent
        self.clock = Clock(self._conditioned)
        self.labels: Mapping[Value, LabelEvent] = label_events(workflow.body)
        self._body = workflow.body
        self._width = width
        self._effects = effects(workflow.body, calls, success)
        self._writers = writers(workflow.body)
        self._root = graph(workflow.body, partial(self.marking, marks=ALL_MARKS))
        self._terms = {term.output: term for term in walk(workflow.body)}
        self._certain: set[Value] = {*workflow.body.arguments, *self._root.free}
        self._refined: set[Value] = set()
        self._items: dict[Value, Value] = {}
        for term in self._terms.values():
            self._note_arguments(term)
        self._label_readers = Counter(
            term.label for term in self._terms.values() if isinstance(term, Branch)
        )
        self._open = bool(workflow.structures)
        self._known: dict[object, PartialFront] = {}
        self._forms: dict[object, int] = {}
        self._form_of: dict[tuple[Graph, Value], int] = {}
        if self._open and labels_entangled(workflow.body):
            raise EntangledError

    def workflow(self) -> PartialFront:
        """The whole workflow."""
        return self.scope(self._root, NONE, (*self._body.arguments, *self._root.free))

    # ── Blocks ──────────────────────────────────────────────────────────────────────────────────

    def scope(
        self, block: Graph, outside: Keys, arguments: Sequence[Value] | None = None
    ) -> PartialFront:
        """A block that runs as one: what it takes is an amount, and it waits for nothing.

        Args:
            outside: the choices that something else depends on too.
            arguments: those of the block.
        """
        given = block.block.arguments if arguments is None else arguments
        local = frozenset(
            {(aspect, value) for value in _inlined(block.block) for aspect in ASPECTS}
            | {(aspect, value) for value in given for aspect in ASPECTS[1:]}
        )
        writing = [self.marking(value, frozenset(("agreement", "label"))) for value in given]
        kept = outside.union(*writing)
        found = self.block(Scope(block, local), kept)
        for i, value in enumerate(given):
            found = self._settled(found, value, local, outside.union(*writing[i + 1 :]))
        if kept != outside:
            found = pruned(found, outside)
        if not self.timed:
            return found
        columns = found.columns
        arrays = tuple(array for arrays in columns.paths.values() for array in arrays)
        finish = self.clock.settled(arrays, columns.axes, local) or (constant(0.0, columns.axes),)
        amounts = {**columns.amounts, "latency": finish[0]}
        return replace(found, columns=replace(columns, amounts=amounts, paths={}))

    def block(
        self, scope: Scope, outside: Keys, marks: frozenset[str] = NO_MARKS
    ) -> PartialFront:
        """A block as part of what it is written in: it waits for the values it reads."""
        block, result = scope.graph, scope.graph.block.result
        hanging = block.averaged.get(None, ())
        own = NONE
        if result in hanging and not any(result in read for read in block.operands.values()):
            hanging = tuple(value for value in hanging if value != result)
            own = self.uses(block, (result,))
            found = self.value(scope, result, outside | self.uses(block, hanging), marks)
        elif marks:
            raise EntangledError
        else:
            found = self.read(scope, (result,))
            found = replace(found, columns=self.started(found.columns, found.columns))
        return self._averaged(scope, found, hanging, outside, own, self.sense(result))

    # ── Values ──────────────────────────────────────────────────────────────────────────────────

    def value(
        self, scope: Scope, value: Value, outside: Keys, marks: frozenset[str] = NO_MARKS
    ) -> PartialFront:
        """A value, with all that only it is made from.

        Args:
            outside: the choices that something else depends on too.
            marks: which of agreement, tokens and label a reader needs besides.
        """
        block = scope.graph
        effect = self._effects.get(value, Effect())
        depends = outside & self.uses(block, (value,))
        known = (self.form(block, value), effect, marks, depends, scope.local)
        if known in self._known:
            return self._known[known]
        node = block.nodes[value]
        hanging = block.averaged.get(value, ())
        own = node.uses | self.uses(block, (v for v in node.direct if v in block.folded))
        kept = outside | self.marking(value, marks)
        inner = kept | self.uses(block, hanging)
        if isinstance(node.term, Alternatives):
            if "label" in marks:
                raise EntangledError
            found = alternatives(self, scope, node, node.term, inner, marks)
        else:
            found = compose(self, scope, node, inner)
        found = self._averaged(scope, found, hanging, kept, own, effect.sense)
        if marks and not isinstance(node.term, Alternatives):
            found = self._marked(found, value, marks, outside)
        self._known[known] = found
        return found

    def sense(self, value: Value) -> Sense:
        """How options for a value compare by rightness."""
        return self._effects.get(value, Effect()).sense

    def read(self, scope: Scope, values: Iterable[Value], some: bool = False) -> PartialFront:
        """Values that are conditioned on: all of them right, or `some`."""
        distinct = dict.fromkeys(values)
        events = [self.right(value) for value in distinct]
        axes = tuple(sorted({event for event in events if event is not None}))
        right = [
            constant(1.0, axes) if event is None else outcome_of(event, axes, 1)
            for event in events
        ]
        together = constant(rows.any_of(*right) if some else rows.all_of(*right), axes)
        return PartialFront(Columns(axes, together, {}, self.waits(scope, distinct, axes)), 1)

    def right(self, value: Value) -> Axis | None:
        """The event that a value is right; None if it surely is."""
        while value in self._items:
            value = self._items[value]
        return None if value in self._certain else Axis(value, "right")

    @staticmethod
    def uses(block: Graph, values: Iterable[Value]) -> Keys:
        """The choices that values of a block depend on, with all that is merged into them."""
        return NONE.union(*(block.cone.get(value, NONE) for value in values))

    def waits(self, scope: Scope, values: Iterable[Value], axes: Sequence[Axis] = ()) -> Paths:
        """Paths from values of the same run."""
        if not self.timed:
            return {}
        return {v: (constant(0.0, axes),) for v in values if ("right", v) in scope.local}

    def seconds(self, latency: float, axes: Sequence[Axis] = ()) -> dict[Amount, Array]:
        """What code takes."""
        return {"latency": constant(float(latency), axes)} if "latency" in self.spent else {}

    def started(self, own: Columns, read: Columns) -> Columns:
        """What a construct gives that starts when all it reads is there."""
        amounts = dict(own.amounts)
        if not self.timed:
            return replace(own, amounts=added(amounts, read.amounts))
        taken = amounts.pop("latency", None)
        paths: Paths = read.paths or {None: (constant(0.0, own.axes),)}
        if taken is not None:
            paths = self.after(paths, taken)
        return replace(own, amounts=added(amounts, read.amounts), paths=paths)

    @staticmethod
    def after(paths: Paths, own: Array) -> Paths:
        """Paths that go on through something that takes its own time."""
        return {source: tuple(array + own for array in arrays) for source, arrays in paths.items()}

    def require_read(self, scope: Scope, node: Node) -> None:
        """Raises EntangledError where structure decides what a region waits for."""
        if self.timed and any(("right", value) in scope.local for value in node.sometimes):
            raise EntangledError

    def label(self, scope: Scope, value: Value, outside: Keys) -> PartialFront:
        """Where a label comes from, with the mark of how likely each of its states is."""
        marks = frozenset(("label",))
        if value in scope.graph.folded:
            return self.value(scope, value, outside, marks)
        alone = self._label_readers[value] == 1 and value not in self._terms
        if alone and ("label", value) in scope.local:
            return self._marked(self.read(scope, ()), value, marks, None)
        states = len(self.labels[value].states)
        axis = Axis(value, "label", states)
        columns = Columns((axis,), constant(1.0, (axis,)))
        known: dict[Mark, Array] = {
            ("label", state): outcome_of(axis, (axis,), state) for state in range(states)
        }
        waits = self.waits(scope, (value,), (axis,))
        return PartialFront(replace(columns, marks=known, paths=waits), 1)

    def inlined(
        self, scope: Scope, block: Graph, outside: Keys, marks: frozenset[str]
    ) -> PartialFront:
        """A block that is part of the one it is written in."""
        return self.block(Scope(block, scope.local), outside, marks)

    def merge(
        self, left: PartialFront, right: PartialFront, combine: Combine, keep: Keys, sense: Sense
    ) -> PartialFront:
        """All pairs of options, dominated ones dropped."""
        return merge(left, right, combine, keep, sense, self._width)

    # ── Forgetting ──────────────────────────────────────────────────────────────────────────────

    def _averaged(
        self,
        scope: Scope,
        found: PartialFront,
        hanging: Sequence[Value],
        outside: Keys,
        own: Keys,
        sense: Sense,
    ) -> PartialFront:
        """What was found, averaged over values that nothing else reads, last first."""
        block = scope.graph
        for i, value in enumerate(hanging):
            others = [other for other in hanging if other != value]
            kept = outside | own | self.uses(block, others)
            one = self.value(scope, value, kept, _needed(found.columns, value))
            found = self.merge(
                found,
                one,
                partial(self._forget, value, ASPECTS, scope.local),
                outside | self.uses(block, hanging[i + 1 :]),
                sense,
            )
        return found

    def _forget(
        self,
        value: Value,
        aspects: Sequence[str],
        local: Events,
        columns: Columns,
        known: Columns,
    ) -> Columns:
        """Columns conditioned on events of a value, averaged over what is known of it."""
        places = [
            (i, self._prior(axis, known))
            for i, axis in enumerate(columns.axes)
            if axis.value == value and axis.aspect in aspects
        ]

        def averaged(array: Array) -> Array:
            for place, prior in places:
                array = average(array, place, prior)
            return array

        amounts = {name: averaged(array) for name, array in columns.amounts.items()}
        shown = amounts.pop(("tokens", value), None)
        amounts = added(amounts, known.amounts)
        if shown is not None:
            amounts = added(amounts, {"cost": shown * known.marks.get("tokens", ZERO)})
        paths: Paths = {}
        for source, arrays in columns.paths.items():
            some: Paths = {source: tuple(map(averaged, arrays))}
            if source == value:
                some = {
                    before: tuple(array + own for array in earlier for own in some[source])
                    for before, earlier in known.paths.items()
                }
            paths = self.clock.latest(paths, some, columns.axes, local)
        marks = {name: averaged(array) for name, array in columns.marks.items()}
        kept = Columns(columns.axes, averaged(columns.right), amounts, paths, marks)
        return without(kept, [columns.axes[i] for i, _ in places])

    @staticmethod
    def _prior(axis: Axis, known: Columns) -> Sequence[Array]:
        if axis.aspect == "right":
            return (known.right,)
        if axis.aspect == "agrees":
            return (known.marks["agreement"],)
        return tuple(known.marks["label", state] for state in range(axis.states))

    def _settled(
        self, found: PartialFront, value: Value, local: Events, keep: Keys
    ) -> PartialFront:
        """What was found, averaged over what an argument is apart from right or wrong."""
        needed = _needed(found.columns, value)
        if not needed:
            return found
        known = self._marked(PartialFront(Columns((), constant(1.0)), 1), value, needed, None)
        forget = partial(self._forget, value, ASPECTS[1:], local)
        return self.merge(found, known, forget, keep, found.sense)

    def form(self, block: Graph, value: Value) -> int:
        """The number of all values of the same options."""
        if (block, value) not in self._form_of:
            found = form(block, value, lambda read: self.form(block, read))
            self._form_of[block, value] = self._forms.setdefault(found, len(self._forms))
        return self._form_of[block, value]

    # ── Marks ───────────────────────────────────────────────────────────────────────────────────

    def marking(self, value: Value, marks: frozenset[str]) -> Keys:
        """The choices that marks of a value depend on."""
        found: set[Key] = set()
        writer = self._writers.get(value)
        if marks & {"agreement", "tokens"} and writer is not None:
            found.add(writer)
        event = self.labels.get(value)
        if "label" in marks and event is not None and event.router is not None:
            found.add(event.router)
        return frozenset(found)

    def agreement(self, value: Value) -> Array | None:
        """[n] P(a wrong answer is the common one), for each setting of the value's writer."""
        return self.calls.agreement(self._writer(value))

    def tokens(self, value: Value) -> Array | None:
        """[n] expected tokens of a value, for each setting of its writer."""
        return self.calls.tokens(self._writer(value)) if "cost" in self.spent else None

    def has(self, mark: Callable[[Value], Array | None], value: Value) -> bool:
        """Whether a value has a mark, in some structure."""
        term = self._terms.get(value)
        if isinstance(term, Alternatives):
            return any(self.has(mark, case.result) for _, case in term.cases)
        return mark(value) is not None

    def _writer(self, value: Value) -> int | None:
        if self._open and writer_open(value, self._terms):
            raise EntangledError
        return self._writers.get(value)

    def _marked(
        self, found: PartialFront, value: Value, marks: frozenset[str], outside: Keys | None
    ) -> PartialFront:
        """Options of a value with what else its readers need of it; of anything, if `outside`."""
        for key in self.marking(value, marks) - found.keys.keys():
            assert isinstance(key, int)
            chosen = self.calls.options(key, 1.0, amounts=False, marks={})
            kept = frozenset((*found.keys, key))
            found = self.merge(found, chosen, lambda left, _: left, kept, found.sense)
        axes = found.columns.axes
        added: dict[Mark, Array] = dict(found.columns.marks)

        def by_setting(values: Array | float, key: Key | None) -> Array:
            if not isinstance(values, np.ndarray) or key is None:
                return constant(values, axes)
            return values[found.keys[key]].reshape(-1, *[1] * len(axes))

        writer = self._writers.get(value)
        if "agreement" in marks and (agreement := self.agreement(value)) is not None:
            added["agreement"] = by_setting(agreement, writer)
        if "tokens" in marks and (tokens := self.tokens(value)) is not None:
            added["tokens"] = by_setting(tokens, writer)
        if "label" in marks:
            event = self.labels[value]
            for state, weight in enumerate(self.calls.labels(event)):
                added["label", state] = by_setting(weight, event.router)
        marked = replace(found, columns=replace(found.columns, marks=added))
        return pruned(marked, frozenset(found.keys) if outside is None else outside)

    # ── Preparation ─────────────────────────────────────────────────────────────────────────────

    def _note_arguments(self, term: Term) -> None:
        """What the arguments of an inner block are right with."""
        if isinstance(term, Refine):
            self._refined.update(term.body.arguments[:1])
            self._certain.update(term.body.arguments[1:])
        if isinstance(term, Map):
            self._items.update(dict.fromkeys(term.body.arguments, term.source))

    @cached_property
    def _reads(self) -> Mapping[tuple[str, Value], int]:
        return fewest_reads(self._body)

    def _conditioned(self, axis: Axis) -> bool:
        """Whether the calculus conditions a region on an event from outside it."""
        if axis.aspect == "right" and axis.value in self._refined:
            return True
        return self._reads.get((axis.aspect, axis.value), 0) > 1


def _needed(columns: Columns, value: Value) -> frozenset[str]:
    """What must be known of a value, besides how often it is right, to average over it."""
    found = {axis.aspect for axis in columns.axes if axis.value == value}
    needed = {"agrees": "agreement", "label": "label"}
    marks = {needed[aspect] for aspect in found if aspect in needed}
    if ("tokens", value) in columns.amounts:
        marks.add("tokens")
    return frozenset(marks)


def _inlined(block: Block) -> Iterable[Value]:
    """The values of one run of a block: alternatives are part of what they are written in."""
    for term in block.terms:
        yield term.output
        if isinstance(term, Alternatives):
            for _, case in term.cases:
                yield from _inlined(case)
