"""Constructs that read values directly: calls, tools, joins, votes and selections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from flowir.calculus import rows
from flowir.calculus.rows import Quantity
from flowir.calculus.terms import Call, Join, Select, ToolCall, Value, Vote
from flowir.search.exact.amounts import added, scaled
from flowir.search.exact.columns import Array, Axis, Columns, Mark, constant, outcome_of, union
from flowir.search.exact.facts import NO_MARKS
from flowir.search.exact.graph import Node
from flowir.search.exact.merge import mapped, pruned
from flowir.search.exact.partial import PartialFront

if TYPE_CHECKING:
    from flowir.search.exact.composer import Composer, Scope
    from flowir.search.exact.facts import Keys

ZERO = constant(0.0)


class Prices(NamedTuple):
    """The lowest and the highest price of a token, in US dollars.

    What shows a value pays for its tokens at a price chosen later. Cost is linear in it: options
    that another one beats at both ends are beaten at every price between them.
    """

    low: float
    high: float

    def of(self, times: float) -> Prices:
        """Of several tokens."""
        return Prices(times * self.low, times * self.high)

    def share(self, price: Array) -> Array:
        """How far prices are from the lowest towards the highest."""
        if self.high == self.low:
            return np.zeros_like(price)
        return (price - self.low) / (self.high - self.low)


FREE = Prices(0.0, 0.0)


def call(c: Composer, scope: Scope, node: Node, term: Call, outside: Keys) -> PartialFront:
    inputs = folded(c, scope, term.inputs, outside | node.uses)
    agent = _agent(c, term.decision, term.fresh, outside | inputs.keys.keys(), term.output)

    def combine(call: Columns, read: Columns) -> Columns:
        return c.started(Columns(call.axes, _answer(call, read), call.amounts), read)

    return c.merge(agent, inputs, combine, outside, agent.sense)


def _agent(
    c: Composer,
    decision: int,
    fresh: bool,
    keep: Keys,
    output: Value,
    marks: Mapping[Mark, Quantity] | None = None,
) -> PartialFront:
    """One call of each configuration; without the mark `recovery`, inputs make no difference."""
    sense, known = c.facts.sense(output), dict(marks or {})

    def options() -> PartialFront:
        answer = c.calls.answer(decision, fresh)
        if answer.recovery is not answer.success:
            known["recovery"] = answer.recovery
        found = c.calls.options(decision, answer.success, amounts=True, marks=known)
        return pruned(replace(found, sense=sense), keep)

    return c.once(("agent", decision, fresh, decision in keep, sense, tuple(known)), options)


def _answer(call: Columns, read: Columns) -> Array:
    if "recovery" not in call.marks:
        return call.right
    return constant(rows.call(read.right, call.right, call.marks["recovery"]))


def tool(c: Composer, scope: Scope, node: Node, term: ToolCall, outside: Keys) -> PartialFront:
    read = folded(c, scope, term.inputs, outside)

    def combine(read: Columns) -> Columns:
        own = c.seconds(term.latency_s, read.axes)
        return c.started(Columns(read.axes, read.right, own), read)

    return mapped(read, combine, outside)


def join(c: Composer, scope: Scope, node: Node, term: Join, outside: Keys) -> PartialFront:
    read = folded(c, scope, term.inputs, outside, some=term.kind == "any")
    return mapped(read, lambda r: c.started(Columns(r.axes, r.right), r), outside)


def select(c: Composer, scope: Scope, node: Node, term: Select, outside: Keys) -> PartialFront:
    block = scope.graph
    candidates = tuple(dict.fromkeys(term.candidates))
    price = c.calls.price(term.decision)
    times = {
        value: float(term.candidates.count(value)) if price is not None else 0.0
        for value in candidates
    }
    prices = FREE if price is None else Prices(float(price.min()), float(price.max()))
    around = outside | node.uses
    inputs = folded(c, scope, term.inputs, around | c.uses(block, candidates))
    beside = around | c.uses(block, term.inputs)
    shown = folded(c, scope, candidates, beside, some=True, shown=times, prices=prices)
    marks: dict[Mark, Quantity] = {} if price is None else {"price": price}
    keep = outside | inputs.keys.keys() | shown.keys.keys()
    agent = _agent(c, term.decision, False, keep, term.output, marks)
    conditioned = [value for value in candidates if value not in block.folded]
    later = tuple(value for value in conditioned if c.facts.known("tokens", value))

    def ask(call: Columns, read: Columns) -> Columns:
        kept: dict[Mark, Array] = {"own": call.amounts["latency"]} if c.timed else {}
        if price is not None:
            kept["price"] = call.marks["price"]
        asked = c.started(Columns(call.axes, _answer(call, read), call.amounts), read)
        return replace(asked, marks=kept)

    def pick(asked: Columns, read: Columns) -> Columns:
        amounts = added(asked.amounts, read.amounts)
        if price is not None:
            rate = asked.marks["price"]
            if "dearest" in read.marks:
                dearer = read.marks["dearest"] - read.amounts["cost"]
                amounts = added(amounts, {"cost": prices.share(rate) * dearer})
            amounts = added(amounts, {("tokens", v): rate * times[v] for v in later})
        right = constant(rows.select(read.right, asked.right))
        waited = c.after(read.paths, asked.marks["own"]) if c.timed else {}
        paths = c.clock.latest(asked.paths, waited, asked.axes, scope.local)
        return Columns(asked.axes, right, amounts, paths)

    asked = c.merge(agent, inputs, ask, outside | shown.keys.keys(), agent.sense)
    return c.merge(asked, shown, pick, outside, agent.sense)


def vote(c: Composer, scope: Scope, node: Node, term: Vote, outside: Keys) -> PartialFront:
    block, sense = scope.graph, c.facts.sense(term.output)
    candidates = tuple(dict.fromkeys(term.inputs))
    votes = tuple(term.inputs.count(value) for value in candidates)
    groups = c.facts.alike(block, candidates)
    slot = {value: i for i, group in enumerate(groups) for value in group}
    found = c.read(scope, [value for value in candidates if value not in slot])

    def hand_in(i: int, copies: int, all_: Columns, one: Columns) -> Columns:
        marks = {**all_.marks, ("right", i): one.right}
        if "agreement" in one.marks:
            marks["agreement", i] = one.marks["agreement"]
        both = together(c, scope, False, copies, all_, one)
        return replace(both, right=constant(1.0, both.axes), marks=marks)

    for i, group in enumerate(groups):
        needed = c.facts.known("agreement", group[0])
        others = c.uses(block, [other[0] for other in groups if other is not group])
        one = c.value(scope, group[0], outside | others, needed)
        keep = outside | c.uses(block, [other[0] for other in groups[i + 1 :]])
        found = c.merge(found, one, partial(hand_in, i, len(group)), keep, sense)

    read = [value for value in candidates if value not in slot]
    rights = {v: axis for v in read if (axis := c.facts.right(v)) is not None}
    agrees = {v: Axis(v, "agrees") for v in rights if c.facts.known("agreement", v)}

    def count(columns: Columns) -> Columns:
        axes = union(columns.axes, tuple(agrees.values()))
        columns = columns.on(axes)

        def event(known: Mapping[Value, Axis], value: Value) -> Quantity:
            return outcome_of(known[value], axes, 1) if value in known else 1.0

        right = [
            columns.marks["right", slot[v]] if v in slot else event(rights, v) for v in candidates
        ]
        agreement = [
            columns.marks.get(("agreement", slot[v]), 1.0) if v in slot else event(agrees, v)
            for v in candidates
        ]
        plurality = constant(rows.vote(right, agreement, votes), axes)
        return c.started(Columns(axes, plurality), columns)

    return mapped(replace(found, sense=sense), count, outside)


def folded(
    c: Composer,
    scope: Scope,
    values: Sequence[Value],
    outside: Keys,
    *,
    some: bool = False,
    shown: Mapping[Value, float] | None = None,
    prices: Prices = FREE,
) -> PartialFront:
    """All of some values: right if all are, or if `some` is.

    Args:
        shown: how often the tokens of each are counted, for those whose tokens are asked for.
        prices: of a token of theirs.
    """
    block = scope.graph
    found = c.read(scope, [value for value in values if value not in block.folded], some)
    groups = c.facts.alike(block, values)
    fronts = []
    for group in groups:
        times = sum(shown[value] for value in group) if shown else 0.0
        needed = c.facts.known("tokens", group[0]) if times else NO_MARKS
        others = c.uses(block, [other[0] for other in groups if other is not group])
        one = c.value(scope, group[0], outside | others, needed)
        if "tokens" in one.columns.marks:
            each = prices.of(times / len(group))
            one = c.once(("priced", one, each), partial(priced, one, each))
        fronts.append((one, group))
    fronts.sort(key=lambda front: (front[0].size, c.facts.form(block, front[1][0])))
    given = found.columns
    known: tuple[object, ...] = ("fold", some, scope.local, given.axes, *given.paths)
    for i, (one, group) in enumerate(fronts):
        keep = outside | c.uses(block, [other[0] for _, other in fronts[i + 1 :]])
        combine = partial(together, c, scope, some, len(group))
        sense = c.facts.sense(group[0])
        kept = keep & (found.keys.keys() | one.keys.keys())
        known = (*known, one, len(group), sense, kept)
        merge = partial(c.merge, found, one, combine, keep, sense)
        found = c.once(known, merge)
    return found


def priced(front: PartialFront, prices: Prices) -> PartialFront:
    """Options whose tokens are paid for: the cost is at the lowest price of a token."""

    def pay(columns: Columns) -> Columns:
        marks = dict(columns.marks)
        tokens = marks.pop("tokens")
        cost = columns.amounts["cost"]
        marks["dearest"] = cost + prices.high * tokens
        amounts = {**columns.amounts, "cost": cost + prices.low * tokens}
        return replace(columns, amounts=amounts, marks=marks)

    return mapped(front, pay, frozenset(front.keys))


def together(
    c: Composer, scope: Scope, some: bool, copies: int, all_: Columns, one: Columns
) -> Columns:
    """What there is, and some draws of one more thing."""
    right = [all_.right, *[one.right] * copies]
    marks = dict(all_.marks)
    if "dearest" in marks or "dearest" in one.marks:
        marks["dearest"] = _dearest(all_) + float(copies) * _dearest(one)
    return Columns(
        all_.axes,
        constant(rows.any_of(*right) if some else rows.all_of(*right)),
        added(all_.amounts, scaled(float(copies), one.amounts)),
        c.clock.latest(all_.paths, one.paths, all_.axes, scope.local),
        marks,
    )


def _dearest(columns: Columns) -> Array:
    """What options cost at the highest price of a token."""
    return columns.marks.get("dearest", columns.amounts.get("cost", ZERO))
