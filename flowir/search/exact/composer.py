"""The Pareto set of a workflow, composed from those of its parts.

Non-serial dynamic programming (Bertelè and Brioschi 1972) with sets of non-dominated vectors for
values. An option of a part is how often it is right, given each state of the events it is
conditioned on, and what it spends. Parts are merged pair by pair and dominated options dropped.
Choices that other parts depend on too are kept apart until the last of them is merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from flowir.calculus import rows
from flowir.calculus.terms import Alternatives, Block, Value, Workflow
from flowir.search.anytime import check
from flowir.search.exact.amounts import added
from flowir.search.exact.calls import Calls
from flowir.search.exact.columns import (
    Amount,
    Array,
    Axis,
    Columns,
    average,
    constant,
    outcome_of,
    without,
)
from flowir.search.exact.constructs import CONSTRUCTS
from flowir.search.exact.dominance import Sense
from flowir.search.exact.entangled import EntangledError
from flowir.search.exact.facts import NO_MARKS, Facts, Keys
from flowir.search.exact.graph import Graph, Node
from flowir.search.exact.marks import marked, needed
from flowir.search.exact.merge import merge, pruned
from flowir.search.exact.partial import PartialFront
from flowir.search.exact.refusal import refusal
from flowir.search.exact.sift import Combine, TooWideError
from flowir.search.exact.structure import alternatives
from flowir.search.exact.thin import Limits, factors, thinned
from flowir.search.exact.timing import Clock, Events, Paths

NONE: Keys = frozenset()
ASPECTS = ("right", "agrees", "label")
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
        calls: single calls; they say which of cost and latency are objectives.
        success: whether accuracy is.
        timed: whether latency is when the result is there, rather than what all calls take.

    Attributes:
        thinned: whether some options were left out that others do not dominate.

    Raises:
        EntangledError: its structures can only be composed one by one.
    """

    def __init__(
        self, workflow: Workflow, calls: Calls, limits: Limits, *, success: bool, timed: bool
    ) -> None:
        self.calls = calls
        self.timed = timed and "latency" in calls.spent
        self.facts = Facts(workflow, calls, success=success)
        self.clock = Clock(self.facts.conditioned)
        self.thinned = False
        self._limits = limits
        self._known: dict[object, PartialFront] = {}

    def workflow(self, apart: Keys = NONE) -> PartialFront:
        """The whole workflow; options that differ in the choices `apart` are not compared."""
        return self.scope(self.facts.root, apart, self.facts.arguments)

    # ── Blocks and values ───────────────────────────────────────────────────────────────────────

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
        behind = [self.facts.behind(v, frozenset(("agreement", "tokens", "label"))) for v in given]
        kept = outside.union(*behind)
        found = self.block(Scope(block, local), kept)
        for i, value in enumerate(given):
            found = self._settled(found, value, local, outside.union(*behind[i + 1 :]))
        if kept != outside:
            found = pruned(found, outside)
        if not self.timed:
            return found
        columns = found.columns
        arrays = tuple(array for arrays in columns.paths.values() for array in arrays)
        (finish,) = self.clock.settled(arrays, columns.axes, local)
        amounts = {**columns.amounts, "latency": finish}
        return replace(found, columns=replace(columns, amounts=amounts, paths={}))

    def block(self, scope: Scope, outside: Keys, marks: frozenset[str] = NO_MARKS) -> PartialFront:
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
        return self._averaged(scope, found, hanging, outside, own, self.facts.sense(result))

    def inlined(
        self, scope: Scope, block: Graph, outside: Keys, marks: frozenset[str]
    ) -> PartialFront:
        """A block that is part of the one it is written in."""
        return self.block(Scope(block, scope.local), outside, marks)

    def value(
        self, scope: Scope, value: Value, outside: Keys, marks: frozenset[str] = NO_MARKS
    ) -> PartialFront:
        """A value, with all that only it is made from.

        Args:
            outside: the choices that something else depends on too.
            marks: which of agreement, tokens and label a reader needs besides.
        """
        block, facts = scope.graph, self.facts
        effect = facts.effect(value)
        depends = outside & self.uses(block, (value,))
        read_as = facts.labels[value] if "label" in marks else None
        known = (facts.form(block, value), effect, marks, read_as, depends, scope.local)
        if known in self._known:
            return self._known[known]
        node = block.nodes[value]
        hanging = block.averaged.get(value, ())
        own = node.uses | self.uses(block, (v for v in node.direct if v in block.folded))
        kept = outside | facts.behind(value, marks)
        inner = kept | self.uses(block, hanging)
        try:
            if isinstance(node.term, Alternatives):
                found = alternatives(self, scope, node, node.term, inner, marks)
            else:
                found = CONSTRUCTS[type(node.term)](self, scope, node, node.term, inner)
            found = self._averaged(scope, found, hanging, kept, own, effect.sense)
            if marks and not isinstance(node.term, Alternatives):
                found = pruned(marked(self, found, value, marks), outside)
        except TooWideError as wide:
            raise refusal(facts.workflow, node.term, wide, self._limits.width) from None
        self._known[known] = found
        return found

    # ── What constructs are made of ─────────────────────────────────────────────────────────────

    def read(self, scope: Scope, values: Iterable[Value], some: bool = False) -> PartialFront:
        """Values that are conditioned on: right if all of them are, or if `some` is."""
        distinct = dict.fromkeys(values)
        events = [self.facts.right(value) for value in distinct]
        axes = tuple(sorted({event for event in events if event is not None}))
        right = [1.0 if event is None else outcome_of(event, axes, 1) for event in events]
        together = rows.any_of(*right) if some else rows.all_of(*right)
        paths = self.waits(scope, distinct, axes)
        return PartialFront(Columns(axes, constant(together, axes), {}, paths), 1)

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
        spent = "latency" in self.calls.spent
        return {"latency": constant(float(latency), axes)} if spent else {}

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

    def merge(
        self, left: PartialFront, right: PartialFront, combine: Combine, keep: Keys, sense: Sense
    ) -> PartialFront:
        """All pairs of options, dominated ones dropped."""
        check()
        pair = factors(left, right, self._limits)
        found = merge(*pair, combine, keep, sense, self._limits.width)
        fewer = thinned(found, self._limits)
        self.thinned |= pair != (left, right) or fewer is not found
        return fewer

    def once(self, known: object, make: Callable[[], PartialFront]) -> PartialFront:
        """What was made before under this name, or is now."""
        if known not in self._known:
            self._known[known] = make()
        return self._known[known]

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
            one = self.value(scope, value, kept, needed(found.columns, value))
            forget = partial(self._forget, value, ASPECTS, scope.local)
            left = outside | self.uses(block, hanging[i + 1 :])
            found = self.merge(found, one, forget, left, sense)
        return found

    def _settled(
        self, found: PartialFront, value: Value, local: Events, keep: Keys
    ) -> PartialFront:
        """What was found, averaged over what an argument is apart from right or wrong."""
        marks = needed(found.columns, value)
        if not marks:
            return found
        known = marked(self, PartialFront(Columns((), constant(1.0)), 1), value, marks)
        forget = partial(self._forget, value, ASPECTS[1:], local)
        return self.merge(found, known, forget, keep, found.sense)

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
            (i, _prior(axis, known))
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
        if shown is not None and "tokens" in known.marks:
            amounts = added(amounts, {"cost": shown * known.marks["tokens"]})
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


def _prior(axis: Axis, known: Columns) -> Sequence[Array]:
    """What is known of how an event turns out."""
    if axis.aspect == "right":
        return (known.right,)
    if axis.aspect == "agrees":
        return (known.marks["agreement"],)
    return tuple(known.marks["label", state] for state in range(axis.states))


def _inlined(block: Block) -> Iterable[Value]:
    """The values of one run of a block: alternatives are part of what they are written in."""
    for term in block.terms:
        yield term.output
        if isinstance(term, Alternatives):
            for _, case in term.cases:
                yield from _inlined(case)
