"""How each construct is composed: the rows of the calculus over options instead of settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from flowir.calculus import rows
from flowir.calculus.rows import Quantity
from flowir.calculus.terms import (
    Branch,
    Call,
    Checker,
    Fallback,
    Join,
    Map,
    Refine,
    Select,
    Term,
    ToolCall,
    Value,
    Vote,
)
from flowir.search.exact.amounts import added, scaled, weighted
from flowir.search.exact.columns import (
    Amount,
    Array,
    Axis,
    Columns,
    Mark,
    constant,
    outcome_of,
    restricted,
    union,
)
from flowir.search.exact.dominance import Sense
from flowir.search.exact.graph import Graph, Node
from flowir.search.exact.merge import pruned
from flowir.search.exact.partial import PartialFront

if TYPE_CHECKING:
    from flowir.search.exact.composer import Composer, Keys, Scope


def compose(c: Composer, scope: Scope, node: Node, outside: Keys) -> PartialFront:
    """A term with the values merged into it, conditioned on the others it reads."""
    return CONSTRUCTS[type(node.term)](c, scope, node, node.term, outside)


# ── What reads values directly ──────────────────────────────────────────────────────────────────


def _call(c: Composer, scope: Scope, node: Node, term: Call, outside: Keys) -> PartialFront:
    inputs = _folded(c, scope, term.inputs, outside | node.uses)
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
    answer = c.calls.answer(decision, fresh)
    known: dict[Mark, Quantity] = dict(marks or {})
    if answer.recovery is not answer.success:
        known["recovery"] = answer.recovery
    options = c.calls.options(decision, answer.success, amounts=True, marks=known)
    return pruned(replace(options, sense=c.sense(output)), keep)


def _answer(call: Columns, read: Columns) -> Array:
    if "recovery" not in call.marks:
        return call.right
    return constant(rows.call(read.right, call.right, call.marks["recovery"]))


def _tool(c: Composer, scope: Scope, node: Node, term: ToolCall, outside: Keys) -> PartialFront:
    read = _folded(c, scope, term.inputs, outside)

    def combine(read: Columns) -> Columns:
        own = c.seconds(term.latency_s, read.axes)
        return c.started(Columns(read.axes, read.right, own), read)

    return _mapped(read, combine, outside)


def _join(c: Composer, scope: Scope, node: Node, term: Join, outside: Keys) -> PartialFront:
    read = _folded(c, scope, term.inputs, outside, some=term.kind == "any")
    return _mapped(read, lambda r: c.started(Columns(r.axes, r.right), r), outside)


def _select(c: Composer, scope: Scope, node: Node, term: Select, outside: Keys) -> PartialFront:
    block = scope.graph
    candidates = tuple(dict.fromkeys(term.candidates))
    price = c.calls.price(term.decision)
    times = {
        value: float(term.candidates.count(value)) if price is not None else 0.0
        for value in candidates
    }
    own_uses = frozenset((term.decision,))
    inputs = _folded(c, scope, term.inputs, outside | own_uses | c.uses(block, candidates))
    shown = _folded(
        c, scope, candidates, outside | own_uses | c.uses(block, term.inputs), some=True, shown=times
    )
    marks: dict[Mark, Quantity] = {} if price is None else {"price": price}
    keep = outside | inputs.keys.keys() | shown.keys.keys()
    agent = _agent(c, term.decision, False, keep, term.output, marks)
    later = tuple(
        value for value in candidates if value not in block.folded and c.has(c.tokens, value)
    )

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
            if "tokens" in read.marks:
                amounts = added(amounts, {"cost": rate * read.marks["tokens"]})
            amounts |= {("tokens", value): rate * times[value] for value in later}
        right = constant(rows.select(read.right, asked.right))
        waited = c.after(read.paths, asked.marks["own"]) if c.timed else {}
        paths = c.clock.latest(asked.paths, waited, asked.axes, scope.local)
        return Columns(asked.axes, right, amounts, paths)

    asked = c.merge(agent, inputs, ask, outside | shown.keys.keys(), agent.sense)
    return c.merge(asked, shown, pick, outside, agent.sense)


def _vote(c: Composer, scope: Scope, node: Node, term: Vote, outside: Keys) -> PartialFront:
    block, sense = scope.graph, c.sense(term.output)
    candidates = tuple(dict.fromkeys(term.inputs))
    votes = tuple(term.inputs.count(value) for value in candidates)
    groups = _alike(c, block, candidates)
    slot = {value: i for i, group in enumerate(groups) for value in group}
    found = c.read(scope, [value for value in candidates if value not in slot])

    def hand_in(i: int, copies: int, all_: Columns, one: Columns) -> Columns:
        marks = {**all_.marks, ("right", i): one.right}
        if "agreement" in one.marks:
            marks["agreement", i] = one.marks["agreement"]
        both = _together(c, scope, False, copies, 0.0, all_, one)
        return replace(both, right=constant(1.0, both.axes), marks=marks)

    for i, group in enumerate(groups):
        needed = frozenset(("agreement",)) if c.has(c.agreement, group[0]) else frozenset()
        others = c.uses(block, [other[0] for other in groups if other is not group])
        one = c.value(scope, group[0], outside | others, needed)
        keep = outside | c.uses(block, [other[0] for other in groups[i + 1 :]])
        found = c.merge(found, one, partial(hand_in, i, len(group)), keep, sense)

    read = [value for value in candidates if value not in slot]
    agrees = {v: Axis(v, "agrees") for v in read if c.right(v) and c.has(c.agreement, v)}
    rights = {v: axis for v in read if (axis := c.right(v)) is not None}

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

    return _mapped(replace(found, sense=sense), count, outside)


def _alike(c: Composer, block: Graph, values: Sequence[Value]) -> list[list[Value]]:
    """The values that are merged into their reader, those with the same options together."""
    groups: dict[int, list[Value]] = {}
    for value in dict.fromkeys(values):
        if value in block.folded:
            groups.setdefault(c.form(block, value), []).append(value)
    return list(groups.values())


def _folded(
    c: Composer,
    scope: Scope,
    values: Sequence[Value],
    outside: Keys,
    *,
    some: bool = False,
    shown: Mapping[Value, float] | None = None,
) -> PartialFront:
    """All of some values: right if all are, or if `some` is.

    Args:
        shown: how often the tokens of each are counted, for those whose tokens are asked for.
    """
    block = scope.graph
    found = c.read(scope, [value for value in values if value not in block.folded], some)
    groups = _alike(c, block, values)
    fronts = []
    for group in groups:
        times = sum(shown[value] for value in group) if shown else 0.0
        needed = frozenset(("tokens",)) if times and c.has(c.tokens, group[0]) else frozenset()
        others = c.uses(block, [other[0] for other in groups if other is not group])
        fronts.append((c.value(scope, group[0], outside | others, needed), group, times))
    fronts.sort(key=lambda front: front[0].size)
    for i, (one, group, times) in enumerate(fronts):
        keep = outside | c.uses(block, [other[0] for _, other, _ in fronts[i + 1 :]])
        combine = partial(_together, c, scope, some, len(group), times)
        found = c.merge(found, one, combine, keep, c.sense(group[0]))
    return found


def _together(
    c: Composer,
    scope: Scope,
    some: bool,
    copies: int,
    shown: float,
    all_: Columns,
    one: Columns,
) -> Columns:
    """What there is, and some draws of one more thing."""
    right = [all_.right, *[one.right] * copies]
    marks = dict(all_.marks)
    if "tokens" in one.marks:
        tokens = shown * one.marks["tokens"]
        marks["tokens"] = marks["tokens"] + tokens if "tokens" in marks else tokens
    return Columns(
        all_.axes,
        constant(rows.any_of(*right) if some else rows.all_of(*right)),
        added(all_.amounts, scaled(float(copies), one.amounts)),
        c.clock.latest(all_.paths, one.paths, all_.axes, scope.local),
        marks,
    )


def _mapped(
    front: PartialFront, change: Callable[[Columns], Columns], keep: Keys
) -> PartialFront:
    return pruned(replace(front, columns=change(front.columns)), keep)


# ── What has blocks inside ──────────────────────────────────────────────────────────────────────


def _branch(c: Composer, scope: Scope, node: Node, term: Branch, outside: Keys) -> PartialFront:
    event = c.labels[term.label]
    taken = event.cases(term)
    uses = [case.uses for case in node.inner]
    c.require_read(scope, node)
    found = c.label(scope, term.label, outside.union(node.uses))
    waits = c.waits(scope, node.inside, found.columns.axes)
    columns = found.columns
    paths = c.clock.latest(columns.paths, waits, columns.axes, scope.local)
    if c.timed and not paths:
        paths = {None: (constant(0.0, columns.axes),)}
    none = constant(0.0, columns.axes)
    found = replace(
        found,
        columns=replace(columns, right=none, paths=paths),
        sense=c.sense(term.output),
    )

    def combine(case: int, before: Columns, one: Columns) -> Columns:
        states = [before.marks["label", k] for k, i in enumerate(taken) if i == case]
        weight: Array | float = sum(states[1:], states[0]) if states else 0.0
        more = {name: constant(weight * array) for name, array in one.amounts.items()}
        own = more.pop("latency") if c.timed else None
        return Columns(
            before.axes,
            before.right + weight * one.right,
            added(before.amounts, more),
            before.paths if own is None else c.after(before.paths, own),
            before.marks,
        )

    written = c.uses(scope.graph, node.direct) | _router(term)
    for i, case in enumerate(node.inner):
        front = c.scope(case, outside.union(written, *uses[:i], *uses[i + 1 :]))
        keep = outside.union(*uses[i + 1 :])
        found = c.merge(found, front, partial(combine, i), keep, found.sense)
    if term.router is not None and term.router != event.router:
        idle = c.calls.options(term.router, 1.0, amounts=False, marks={})
        found = c.merge(found, idle, lambda before, _: before, outside, found.sense)
    return _mapped(found, lambda columns: replace(columns, marks={}), outside)


def _router(term: Branch) -> Keys:
    return frozenset() if term.router is None else frozenset((term.router,))


def _fallback(
    c: Composer, scope: Scope, node: Node, term: Fallback, outside: Keys
) -> PartialFront:
    """From the last tier on: what follows a rejection is itself one tier of the calculus."""
    graphs = dict(zip(dict.fromkeys(term.tiers), node.inner, strict=True))
    tiers = [(graphs[tier], len(tuple(same))) for tier, same in groupby(term.tiers)]
    uses = [tier.uses for tier, _ in tiers]
    found = _verdict(c, term.checker, asked=len(term.tiers) > 1)
    sense = c.sense(term.output)

    def combine(repeats: int, last: bool, after: Columns, tier: Columns) -> Columns:
        right = [tier.right] * repeats
        row = rows.fallback(
            right if last else [*right, after.right],
            after.marks["accepts", 0],
            after.marks["accepts", 1],
        )
        tried, checked = _sum(row.runs[:repeats]), _sum(row.runs[:-1])
        parts = [(tried, tier.amounts), (checked, _checks(after))]
        if not last:
            parts.append((row.runs[-1], after.amounts))
        axes = after.axes
        return Columns(axes, constant(row.success, axes), weighted(parts, axes), {}, after.marks)

    for k, (tier, repeats) in reversed(tuple(enumerate(tiers))):
        others = outside.union(_judge(term.checker), *uses[:k], *uses[k + 1 :])
        front = c.scope(tier, others)
        last = k == len(tiers) - 1
        found = c.merge(
            found, front, partial(combine, repeats, last), outside.union(*uses[:k]), sense
        )
    return _mapped(found, lambda columns: _region(c, scope, node, columns), outside)


def _refine(c: Composer, scope: Scope, node: Node, term: Refine, outside: Keys) -> PartialFront:
    """Conditioned on whether the initial value is right, and on whether what a body gets is."""
    (body,) = node.inner
    refined = [Axis(value, "right") for value in term.body.arguments[:1]]
    event = c.right(term.initial)

    def combine(verdict: Columns, each: Columns) -> Columns:
        axes = union(
            [axis for axis in each.axes if axis not in refined], [] if event is None else [event]
        )
        on_right = restricted(each, refined, 1).on(axes)
        on_wrong = restricted(each, refined, 0).on(axes)
        verdict = restricted(verdict, refined, 0).on(axes)
        row = rows.refine(
            constant(1.0, axes) if event is None else outcome_of(event, axes, 1),
            on_right.right,
            on_wrong.right,
            verdict.marks["accepts", 0],
            verdict.marks["accepts", 1],
            term.bound,
        )
        parts = [
            (row.checks, _checks(verdict)),
            (row.runs_on_right, on_right.amounts),
            (row.runs_on_wrong, on_wrong.amounts),
        ]
        columns = Columns(axes, constant(row.success, axes), weighted(parts, axes))
        return _region(c, scope, node, columns)

    verdict = _verdict(c, term.checker, asked=True)
    front = c.scope(body, outside | _judge(term.checker))
    return c.merge(verdict, front, combine, outside, c.sense(term.output))


def _map(c: Composer, scope: Scope, node: Node, term: Map, outside: Keys) -> PartialFront:
    (body,) = node.inner

    def combine(item: Columns) -> Columns:
        amounts = scaled(float(term.width), item.amounts)
        if c.timed:
            amounts["latency"] = item.amounts["latency"]
        right = constant(rows.map(item.right, term.width, term.mean), item.axes)
        return _region(c, scope, node, Columns(item.axes, right, amounts))

    front = replace(c.scope(body, outside), sense=c.sense(term.output))
    return _mapped(front, combine, outside)


def _region(c: Composer, scope: Scope, node: Node, columns: Columns) -> Columns:
    """A construct that starts when everything read in it is there."""
    c.require_read(scope, node)
    waits = Columns(columns.axes, columns.right, {}, c.waits(scope, node.inside, columns.axes))
    return c.started(replace(columns, marks={}), waits)


def _verdict(c: Composer, checker: Checker, *, asked: bool) -> PartialFront:
    """One judgement of each configuration of a checker, or of a tool."""
    accepts = c.calls.acceptance(checker) if asked else (constant(1.0), constant(1.0))
    marks: dict[Mark, Quantity] = {("accepts", i): rate for i, rate in enumerate(accepts)}
    if checker.decision is None:
        own = c.seconds(checker.latency_s)
        known = {**marks, **{("check", name): array for name, array in own.items()}}
        columns = Columns((), constant(1.0), marks={k: constant(v) for k, v in known.items()})
        return PartialFront(columns, 1)
    for name, array in c.calls.amounts(checker.decision).items():
        marks["check", name] = array
    return c.calls.options(checker.decision, 1.0, amounts=False, marks=marks)


def _checks(verdict: Columns) -> dict[Amount, Array]:
    """What one judgement spends."""
    return {
        mark[1]: array
        for mark, array in verdict.marks.items()
        if isinstance(mark, tuple) and mark[0] == "check"
    }


def _judge(checker: Checker) -> Keys:
    return frozenset() if checker.decision is None else frozenset((checker.decision,))


def _sum(quantities: Sequence[Quantity]) -> Quantity:
    result: Quantity = 0.0
    for quantity in quantities:
        result = rows.total(result, quantity)
    return result


CONSTRUCTS: Mapping[type[Term], Callable[[Composer, Scope, Node, Any, Keys], PartialFront]] = {
    Call: _call,
    ToolCall: _tool,
    Join: _join,
    Vote: _vote,
    Select: _select,
    Branch: _branch,
    Fallback: _fallback,
    Refine: _refine,
    Map: _map,
}
