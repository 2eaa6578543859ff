"""Terms evaluated to expectations, one method per construct.

What is taken to be so, here and in `realisation`:

- Given a scenario, calls and verdicts are independent draws; each tier, body and item draws anew.
- A value has one rightness, one label, and one answer to whether it is the query's common wrong
  answer, whoever reads them and however often. What a construct gives is a value of its own.
- Items are right iff their list is; feedback is information, and right.
- A label decides which case runs; whether it is the right label shows in the cases' own rates.
- Wrong inputs leave a selector its recovery, as they do a call.
- A construct with regions starts when everything that any of them reads is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from flowir.calculus import plans, rows
from flowir.calculus.diagrams import Batch, Diagram
from flowir.calculus.finishing import Times, finish, matched
from flowir.calculus.frames import Environment, Frame
from flowir.calculus.races import candidates_of, delay_of
from flowir.calculus.scopes import Analysis, Definition, Scope, Step, barriers
from flowir.calculus.sheets import CallSheets, Verdict
from flowir.calculus.terms import (
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
    streamed,
)


@dataclass(frozen=True)
class Outcome:
    """What a term or scope gives, conditioned on the events open around it."""

    right: Diagram
    calls: Diagram = 0.0
    cost: Diagram = 0.0
    latency: Diagram = 0.0


class Evaluation:
    """One evaluation of a workflow, for one batch in one window of scenarios."""

    def __init__(
        self, analysis: Analysis, batch: Batch, sheets: CallSheets, execution: str
    ) -> None:
        self._analysis = analysis
        self._batch = batch
        self._sheets = sheets
        self._sequential = execution == "sequential"
        self._stepwise = execution == "langgraph"
        self._orders = count()
        self._arithmetic = rows.Arithmetic(
            partial(batch.apply, rows.mix),
            partial(batch.apply, rows.product),
            partial(batch.apply, rows.total),
            partial(batch.apply, rows.complement),
        )

    def workflow(self) -> Outcome:
        """The whole workflow, whose arguments are right."""
        scope = self._analysis.scope
        return self._scope(scope, {}, [1.0] * len(scope.arguments))

    def _scope(self, scope: Scope, outer: Environment, arguments: Iterable[Diagram]) -> Outcome:
        """One run of a scope."""
        frame = Frame(self._batch, outer, self._orders)
        for argument, right in zip(scope.arguments, arguments, strict=False):
            frame.alias(argument.value, right)
            self._open_events(frame, argument, right)
        calls: list[Diagram] = []
        cost: list[Diagram] = []
        latency: list[Diagram] = []
        finish: dict[Value, Diagram] = {}
        taken: dict[Value, Diagram] = {}
        for i, step in enumerate(scope.steps):
            outcome = self._term(scope, step, frame.values)
            calls.append(frame.expectation(outcome.calls))
            cost.append(frame.expectation(outcome.cost))
            if self._sequential:
                latency.append(frame.expectation(outcome.latency))
            elif self._stepwise:
                taken[step.defines.value] = frame.expectation(outcome.latency)
            elif step.critical:
                start = self._latest(finish[value] for value in step.waits_for)
                own = frame.expectation(outcome.latency)
                finish[step.defines.value] = self._sum([start, own])
            frame.define(step.defines, outcome.right)
            self._open_events(frame, step.defines, outcome.right)
            frame.close(i)
        if self._stepwise:
            latency = barriers(scope, taken, self._sum, self._latest)
        return Outcome(
            frame.expectation(frame.values["right", scope.result]),
            self._sum(calls),
            self._sum(cost),
            self._sum(latency)
            if self._sequential or self._stepwise
            else finish.get(scope.result, 0.0),
        )

    def _term(self, scope: Scope, step: Step, values: Environment) -> Outcome:
        """One term, by concurrent code where it is fused with others."""
        stepwise = self._stepwise
        self._stepwise = stepwise and step.defines.value not in scope.fused
        outcome = TERMS[type(step.term)](self, step, step.term, values)
        self._stepwise = stepwise
        return outcome

    def _open_events(self, frame: Frame, defined: Definition, right: Diagram) -> None:
        """Share what several votes or branches read of a value besides its rightness."""
        if "agrees" in defined.shared and right != 1.0:
            agreement = self._agreement(defined.value)
            if not isinstance(agreement, float):
                name = f"the wrong answer of {defined.name}"
                frame.share("agrees", defined, name, (agreement,))
        if "label" in defined.shared:
            states = self._sheets.labels(self._analysis.labels[defined.value])
            if len(states) > 1:
                frame.share("label", defined, f"the label of {defined.name}", states)

    def _call(self, step: Step, term: Call, values: Environment) -> Outcome:
        right: Diagram = 0.0
        if step.defines.needed:
            right = self._answer(term.decision, term.inputs, term.fresh, values)
        sheets = self._sheets
        return Outcome(right, 1.0, sheets.cost(term.decision), sheets.latency(term.decision))

    def _tool(self, step: Step, term: ToolCall, values: Environment) -> Outcome:
        return Outcome(self._all(term.inputs, values), latency=float(term.latency_s))

    def _join(self, step: Step, term: Join, values: Environment) -> Outcome:
        if term.kind == "any":
            return Outcome(self._any(term.inputs, values))
        return Outcome(self._all(term.inputs, values))

    def _vote(self, step: Step, term: Vote, values: Environment) -> Outcome:
        candidates = tuple(dict.fromkeys(term.inputs))
        votes = tuple(term.inputs.count(value) for value in candidates)
        right: list[Any] = [values["right", value] for value in candidates]
        agreement: list[Any] = [
            values.get(("agrees", value), self._agreement(value)) for value in candidates
        ]
        won: Any = rows.vote(right, agreement, votes, self._arithmetic)
        return Outcome(won)

    def _first(self, step: Step, term: First, values: Environment) -> Outcome:
        """By who finishes first; see `finishing`. In sequence, by the order of the operands."""
        # Lanes know no supersteps: a race is concurrent code inside one node.
        stepwise, self._stepwise = self._stepwise, False
        lanes = [self._scope(scope, values, ()) for scope in step.inner]
        self._stepwise = stepwise
        accept_right: Diagram = 1.0
        accept_wrong: Diagram = 1.0
        judging = Outcome(0.0)
        if term.checker is not None:
            verdict = self._sheets.verdict(term.checker)
            accept_right, accept_wrong = verdict.accept_right, verdict.accept_wrong
            judging = _judged(verdict)
        if self._sequential:
            return self._first_in_turn(lanes, accept_right, accept_wrong, judging)
        delays = [delay_of(term, value) for value in candidates_of(term)]
        spread = 0.0 if term.checker is None else self._variance(term.checker.decision)
        n = len(lanes)

        def raced(*leaves: Any) -> tuple[Any, ...]:
            right, seconds, variances = leaves[:n], leaves[n : 2 * n], leaves[2 * n : 3 * n]
            if_right, if_wrong, check, wobble = leaves[3 * n :]
            chances = [p * if_right + (1.0 - p) * if_wrong for p in right]
            there, judged = [], []
            for delay, mean, variance in zip(delays, seconds, variances, strict=True):
                there.append(Times(delay, *matched(mean, variance)))
                # What takes the same time for everyone only shifts the distribution.
                sure = check if isinstance(wobble, float) and wobble == 0.0 else 0.0
                moved = matched(mean + check - sure, variance + wobble)
                judged.append(Times(delay + sure, *moved))
            found = finish(there, judged, delays, chances)
            success: Any = 0.0
            for p, chance, wins, last in zip(
                right, chances, found.accepted, found.last, strict=True
            ):
                share = np.divide(
                    p * if_right, chance, out=np.zeros(np.shape(chance * wins)), where=chance > 0
                )
                success = success + wins * share + last * p * (1.0 - if_right)
            results = (success, *found.started, *found.made, found.seconds)
            return tuple(np.atleast_2d(result) for result in results)

        success, *rest = self._batch.apply_many(
            raced,
            *(lane.right for lane in lanes),
            *(lane.latency for lane in lanes),
            *(self._lane_variance(scope) for scope in step.inner),
            accept_right,
            accept_wrong,
            judging.latency,
            spread,
        )
        started, made, seconds = rest[:n], rest[n : 2 * n], rest[2 * n]
        times = [*started, *([] if term.checker is None else made)]
        parts = [*lanes, *([] if term.checker is None else [judging] * n)]
        return Outcome(
            success,
            self._weighted(times, [part.calls for part in parts]),
            self._weighted(times, [part.cost for part in parts]),
            seconds,
        )

    def _first_in_turn(
        self,
        lanes: Sequence[Outcome],
        accept_right: Diagram,
        accept_wrong: Diagram,
        judging: Outcome,
    ) -> Outcome:
        """One after another until one is accepted; every one of them is judged."""
        rights: list[Any] = [lane.right for lane in lanes]
        rates: tuple[Any, Any] = (accept_right, accept_wrong)
        row: Any = rows.fallback(rights, *rates, on=self._arithmetic)
        times = [*zip(lanes, row.runs, strict=True), (judging, self._sum(row.runs))]
        return self._repeated(row.success, times)

    def _lane_variance(self, scope: Scope) -> Diagram:
        """Variance of the latency of a lane: of its calls, each of which runs once, in a chain.

        What has regions counts as taking its expected time.
        """
        own = [step.term.decision for step in scope.steps if isinstance(step.term, Call | Select)]
        return self._sum([self._variance(decision) for decision in own])

    def _variance(self, decision: int | None) -> Diagram:
        """Variance of the latency of one call."""
        if decision is None:
            return 0.0
        return self._batch.apply(
            lambda mean, scale: np.square(mean) * np.expm1(np.square(scale)),
            self._sheets.latency(decision),
            self._sheets.scale(decision),
        )

    def _select(self, step: Step, term: Select, values: Environment) -> Outcome:
        sheets = self._sheets
        picks = self._answer(term.decision, term.inputs, False, values)
        right = self._batch.apply(rows.select, self._any(term.candidates, values), picks)
        cost = sheets.selection_cost(term, self._analysis.writers)
        return Outcome(right, 1.0, cost, sheets.latency(term.decision))

    def _branch(self, step: Step, term: Branch, values: Environment) -> Outcome:
        cases = [self._scope(scope, values, ()) for scope in step.inner]
        event = self._analysis.labels[term.label]
        taken = event.cases(term)
        drawn = values.get(("label", term.label))
        if drawn is not None:
            return self._combine(
                cases,
                lambda parts: self._batch.apply(
                    lambda state, *leaves: leaves[taken[int(state)]], drawn, *parts
                ),
            )
        states = self._sheets.labels(event)
        weights = [
            self._sum([p for p, case in zip(states, taken, strict=True) if case == i])
            for i in range(len(cases))
        ]
        return self._combine(cases, lambda parts: self._weighted(weights, parts))

    def _fallback(self, step: Step, term: Fallback, values: Environment) -> Outcome:
        known: dict[int, Outcome] = {}
        for scope in step.inner:
            if id(scope) not in known:
                known[id(scope)] = self._scope(scope, values, ())
        tiers = [known[id(scope)] for scope in step.inner]
        if len(tiers) == 1:
            return tiers[0]
        verdict = self._sheets.verdict(term.checker)
        rights: list[Any] = [tier.right for tier in tiers]
        rates: tuple[Any, Any] = (verdict.accept_right, verdict.accept_wrong)
        row: Any = rows.fallback(rights, *rates, on=self._arithmetic)
        checks = self._sum(row.runs[:-1])
        times: Any = rows.grouped(tiers, row.runs, self._arithmetic)
        return self._repeated(row.success, [*times, (_judged(verdict), checks)])

    def _refine(self, step: Step, term: Refine, values: Environment) -> Outcome:
        initial: Any = values["right", term.initial]
        if term.bound == 0:
            return Outcome(initial)
        (body,) = step.inner
        on_right = self._scope(body, values, (1.0, 1.0))
        on_wrong = self._scope(body, values, (0.0, 1.0))
        verdict = self._sheets.verdict(term.checker)
        bodies: tuple[Any, Any] = (on_right.right, on_wrong.right)
        rates: tuple[Any, Any] = (verdict.accept_right, verdict.accept_wrong)
        row: Any = rows.refine(initial, *bodies, *rates, bound=term.bound, on=self._arithmetic)
        return self._repeated(
            row.success,
            [
                (_judged(verdict), row.checks),
                (on_right, row.runs_on_right),
                (on_wrong, row.runs_on_wrong),
            ],
        )

    def _map(self, step: Step, term: Map, values: Environment) -> Outcome:
        (body,) = step.inner
        item = self._scope(body, values, (values.get(("right", term.source), 1.0),))
        width = float(term.width)
        return Outcome(
            self._batch.apply(lambda p: rows.map(p, term.width, term.mean), item.right),
            self._product(width, item.calls),
            self._product(width, item.cost),
            self._product(width, item.latency) if self._sequential else item.latency,
        )

    def _plan(self, step: Step, term: Plan, values: Environment) -> Outcome:
        # It runs as concurrent code inside one node.
        stepwise, self._stepwise = self._stepwise, False
        writing, joining = step.inner
        planner = self._scope(writing, values, (1.0, 1.0))
        on_right = self._scope(joining, values, (1.0,))
        on_wrong = self._scope(joining, values, (0.0,))
        self._stepwise = stepwise
        shape = term.shape
        rates = (shape.replan_right, shape.replan_wrong)
        joined: tuple[Any, Any] = (on_right.right, on_wrong.right)
        seen: Any = self._product(shape.tasks_right, planner.right)
        row: Any = plans.plan(seen, *joined, *rates, term.plans, self._arithmetic)
        seconds = plans.planned_seconds(streamed(term), self._sequential)
        planned = replace(planner, latency=self._batch.apply(seconds, planner.latency))
        return self._repeated(
            row.success,
            [(planned, row.plans), (on_right, row.seen_right), (on_wrong, row.seen_wrong)],
        )

    def _answer(
        self, decision: int, inputs: Iterable[Value], fresh: bool, values: Environment
    ) -> Diagram:
        success = self._sheets.success(decision)
        recovery = self._sheets.recovery(decision, fresh)
        if recovery is success:
            return success
        return self._batch.apply(rows.call, self._all(inputs, values), success, recovery)

    def _agreement(self, value: Value) -> Diagram:
        return self._sheets.agreement(self._analysis.writers.get(value))

    def _all(self, inputs: Iterable[Value], values: Environment) -> Diagram:
        right = [values["right", value] for value in dict.fromkeys(inputs)]
        return self._batch.fold(rows.product, right, 1.0)

    def _any(self, inputs: Iterable[Value], values: Environment) -> Diagram:
        wrong = [
            self._batch.apply(rows.complement, values["right", value])
            for value in dict.fromkeys(inputs)
        ]
        return self._batch.apply(rows.complement, self._batch.fold(rows.product, wrong, 1.0))

    def _sum(self, parts: Sequence[Diagram]) -> Diagram:
        return self._batch.fold(rows.total, parts, 0.0)

    def _latest(self, finishes: Iterable[Diagram]) -> Diagram:
        return self._batch.fold(rows.latest, list(finishes), 0.0)

    def _product(self, left: Diagram, right: Diagram) -> Diagram:
        return self._batch.apply(rows.product, left, right)

    def _weighted(self, weights: Sequence[Diagram], parts: Sequence[Diagram]) -> Diagram:
        """Σ w_i·x_i."""
        return self._sum([self._product(w, x) for w, x in zip(weights, parts, strict=True)])

    def _repeated(self, success: Diagram, parts: Sequence[tuple[Outcome, Diagram]]) -> Outcome:
        """What parts take that run one after another, each an expected number of times."""
        times = [time for _, time in parts]
        return Outcome(
            success,
            self._weighted(times, [part.calls for part, _ in parts]),
            self._weighted(times, [part.cost for part, _ in parts]),
            self._weighted(times, [part.latency for part, _ in parts]),
        )

    @staticmethod
    def _combine(parts: Sequence[Outcome], combine: Callable[[list[Diagram]], Diagram]) -> Outcome:
        return Outcome(
            combine([part.right for part in parts]),
            combine([part.calls for part in parts]),
            combine([part.cost for part in parts]),
            combine([part.latency for part in parts]),
        )


def _judged(verdict: Verdict) -> Outcome:
    return Outcome(0.0, verdict.calls, verdict.cost, verdict.latency)


TERMS: Mapping[type[Term], Callable[[Evaluation, Step, Any, Environment], Outcome]] = {
    Call: Evaluation._call,
    ToolCall: Evaluation._tool,
    Join: Evaluation._join,
    Vote: Evaluation._vote,
    First: Evaluation._first,
    Select: Evaluation._select,
    Branch: Evaluation._branch,
    Fallback: Evaluation._fallback,
    Refine: Evaluation._refine,
    Map: Evaluation._map,
    Plan: Evaluation._plan,
}
