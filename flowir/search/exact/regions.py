"""Constructs with blocks inside: branches, fallbacks, refinement and maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from flowir.calculus import rows
from flowir.calculus.plans import plan as plan_row
from flowir.calculus.plans import planned_seconds
from flowir.calculus.rows import Quantity
from flowir.calculus.terms import (
    Alternatives,
    Branch,
    Checker,
    Fallback,
    Map,
    Plan,
    Refine,
    streamed,
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
from flowir.search.exact.entangled import EntangledError
from flowir.search.exact.graph import Node
from flowir.search.exact.marks import label
from flowir.search.exact.merge import mapped
from flowir.search.exact.partial import PartialFront

if TYPE_CHECKING:
    from flowir.search.exact.composer import Composer, Scope
    from flowir.search.exact.facts import Keys


def branch(c: Composer, scope: Scope, node: Node, term: Branch, outside: Keys) -> PartialFront:
    event = c.facts.labels[term.label]
    taken = event.cases(term)
    uses = [case.uses for case in node.inner]
    c.require_read(scope, node)
    found = label(c, scope, term.label, outside.union(node.uses))
    waits = c.waits(scope, node.inside, found.columns.axes)
    columns = found.columns
    paths = c.clock.latest(columns.paths, waits, columns.axes, scope.local)
    if c.timed and not paths:
        paths = {None: (constant(0.0, columns.axes),)}
    none = constant(0.0, columns.axes)
    found = replace(
        found,
        columns=replace(columns, right=none, paths=paths),
        sense=c.facts.sense(term.output),
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
    return mapped(found, lambda columns: replace(columns, marks={}), outside)


def _router(term: Branch) -> Keys:
    return frozenset() if term.router is None else frozenset((term.router,))


def fallback(c: Composer, scope: Scope, node: Node, term: Fallback, outside: Keys) -> PartialFront:
    """From the last tier on: what follows a rejection is itself one tier of the calculus."""
    graphs = dict(zip(dict.fromkeys(term.tiers), node.inner, strict=True))
    tiers = [(graphs[tier], len(tuple(same))) for tier, same in groupby(term.tiers)]
    uses = [tier.uses for tier, _ in tiers]
    found = _verdict(c, term.checker, asked=len(term.tiers) > 1)
    sense = c.facts.sense(term.output)

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
    return mapped(found, lambda columns: _region(c, scope, node, columns), outside)


def refine(c: Composer, scope: Scope, node: Node, term: Refine, outside: Keys) -> PartialFront:
    """Conditioned on whether the initial value is right, and on whether what a body gets is."""
    (body,) = node.inner
    refined = [Axis(value, "right") for value in term.body.arguments[:1]]
    event = c.facts.right(term.initial)

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
    return c.merge(verdict, front, combine, outside, c.facts.sense(term.output))


def map(c: Composer, scope: Scope, node: Node, term: Map, outside: Keys) -> PartialFront:
    (body,) = node.inner

    def combine(item: Columns) -> Columns:
        amounts = scaled(float(term.width), item.amounts)
        if c.timed:
            amounts["latency"] = item.amounts["latency"]
        right = constant(rows.map(item.right, term.width, term.mean), item.axes)
        return _region(c, scope, node, Columns(item.axes, right, amounts))

    front = replace(c.scope(body, outside), sense=c.facts.sense(term.output))
    return mapped(front, combine, outside)


def plan(c: Composer, scope: Scope, node: Node, term: Plan, outside: Keys) -> PartialFront:
    """Conditioned on whether what the joiner sees is right.

    Raises:
        EntangledError: whether plans are read while they are written depends on a label.
    """
    if any(isinstance(part, Alternatives) for part in term.planner.terms):
        raise EntangledError
    writing, joining = node.inner
    seen = [Axis(value, "right") for value in term.joiner.arguments]
    shape = streamed(term)
    seconds = planned_seconds(shape, sequential=not c.timed)

    def combine(planner: Columns, joiner: Columns) -> Columns:
        axes = union(planner.axes, [axis for axis in joiner.axes if axis not in seen])
        planner = restricted(planner, seen, 1).on(axes)
        on_right, on_wrong = (restricted(joiner, seen, state).on(axes) for state in (1, 0))
        row = plan_row(
            rows.product(shape.tasks_right, planner.right),
            on_right.right,
            on_wrong.right,
            shape.replan_right,
            shape.replan_wrong,
            term.plans,
        )
        written = dict(planner.amounts)
        if "latency" in c.calls.spent:
            written["latency"] = seconds(written.get("latency", constant(0.0, axes)))
        parts = [
            (row.plans, written),
            (row.seen_right, on_right.amounts),
            (row.seen_wrong, on_wrong.amounts),
        ]
        columns = Columns(axes, constant(row.success, axes), weighted(parts, axes))
        return _region(c, scope, node, columns)

    found = c.scope(writing, outside | joining.uses)
    front = c.scope(joining, outside | writing.uses)
    return c.merge(found, front, combine, outside, c.facts.sense(term.output))


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
        if "latency" in c.calls.spent:
            marks["check", "latency"] = float(checker.latency_s)
        known = {mark: constant(rate) for mark, rate in marks.items()}
        return PartialFront(Columns((), constant(1.0), marks=known), 1)
    for name, array in c.calls.amounts(checker.decision).items():
        marks["check", str(name)] = array
    return c.calls.options(checker.decision, 1.0, amounts=False, marks=marks)


def _checks(verdict: Columns) -> dict[Amount, Array]:
    """What one judgement spends."""
    return {
        str(mark[1]): array
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
