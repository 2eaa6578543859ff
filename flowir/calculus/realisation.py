"""Terms run once per scenario, one method per construct."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flowir.calculus import plans, rows, truths
from flowir.calculus.diagrams import NOTHING, Batch, Diagram, Sheet
from flowir.calculus.labels import LabelEvent
from flowir.calculus.noise import Noise, Path
from flowir.calculus.races import candidates_of, delay_of
from flowir.calculus.scopes import Analysis, Scope, Step, barriers
from flowir.calculus.sheets import CallSheets
from flowir.calculus.terms import (
    Branch,
    Call,
    Checker,
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
class Written:
    """A value: whether it is right, and where and in which repetition it was written."""

    right: Diagram
    name: str
    path: Path


@dataclass(frozen=True)
class Run:
    """What a term or scope did, as if it was executed everywhere; latency from its start.

    `result` is the value that a scope gives.
    """

    right: Diagram
    calls: Diagram = 0.0
    cost: Diagram = 0.0
    latency: Diagram = 0.0
    result: Written | None = None


Values = Mapping[Value, Written]


class Realising:
    """One run of a workflow in every scenario of a window, for one batch."""

    def __init__(
        self,
        analysis: Analysis,
        batch: Batch,
        sheets: CallSheets,
        noise: Noise,
        window: slice,
        execution: str,
    ) -> None:
        self._analysis = analysis
        self._batch = batch
        self._sheets = sheets
        self._noise = noise
        self._window = window
        self._sequential = execution == "sequential"
        self._stepwise = execution == "langgraph"

    def workflow(self) -> Run:
        """The whole workflow, whose arguments are right."""
        scope = self._analysis.scope
        return self._scope(scope, {}, [1.0] * len(scope.arguments), ())

    def _scope(self, scope: Scope, outer: Values, arguments: Iterable[Diagram], path: Path) -> Run:
        values = dict(outer)
        for argument, right in zip(scope.arguments, arguments, strict=False):
            values[argument.value] = Written(right, argument.name, path)
        runs: list[Run] = []
        finish: dict[Value, Diagram] = {}
        for step in scope.steps:
            run = self._term(scope, step, values, path)
            runs.append(run)
            values[step.defines.value] = Written(run.right, step.defines.name, path)
            if step.critical and not (self._sequential or self._stepwise):
                start = self._latest([finish[value] for value in step.waits_for])
                finish[step.defines.value] = self._sum([start, run.latency])
        taken = {s.defines.value: run.latency for s, run in zip(scope.steps, runs, strict=True)}
        latencies = [run.latency for run in runs]
        if self._stepwise:
            latencies = barriers(scope, taken, self._sum, self._latest)
        return Run(
            values[scope.result].right,
            self._sum([run.calls for run in runs]),
            self._sum([run.cost for run in runs]),
            self._sum(latencies)
            if self._sequential or self._stepwise
            else finish.get(scope.result, 0.0),
            values[scope.result],
        )

    def _term(self, scope: Scope, step: Step, values: Values, path: Path) -> Run:
        """One term, by concurrent code where it is fused with others."""
        stepwise = self._stepwise
        self._stepwise = stepwise and step.defines.value not in scope.fused
        run = TERMS[type(step.term)](self, step, step.term, values, path)
        self._stepwise = stepwise
        return run

    def _call(self, step: Step, term: Call, values: Values, path: Path) -> Run:
        right = self._answer(term.decision, term.site, term.inputs, term.fresh, values, path)
        cost = self._sheets.cost(term.decision)
        return Run(right, 1.0, cost, self._seconds(term.decision, term.site, path))

    def _tool(self, step: Step, term: ToolCall, values: Values, path: Path) -> Run:
        return Run(self._all(term.inputs, values), latency=float(term.latency_s))

    def _join(self, step: Step, term: Join, values: Values, path: Path) -> Run:
        if term.kind == "any":
            return Run(self._any(term.inputs, values))
        return Run(self._all(term.inputs, values))

    def _vote(self, step: Step, term: Vote, values: Values, path: Path) -> Run:
        candidates = tuple(dict.fromkeys(term.inputs))
        votes = tuple(term.inputs.count(value) for value in candidates)
        n = len(candidates)
        lanes = self._lanes(step, values, path)
        written = [lane.result for lane in lanes] or [values[value] for value in candidates]
        rights = [one.right for one in written if one is not None]
        agrees = [
            self._agrees(value, one)
            for value, one in zip(candidates, written, strict=True)
            if one is not None
        ]
        won = self._batch.apply(
            lambda *leaves: truths.plurality(leaves[:n], leaves[n:], votes), *rights, *agrees
        )
        if not lanes:
            return Run(won)
        decided = self._batch.apply(
            lambda *leaves: truths.quorum(leaves[:n], leaves[n : 2 * n], leaves[2 * n :], votes),
            *(lane.latency for lane in lanes),
            *rights,
            *agrees,
        )
        return Run(
            won,
            self._sum([lane.calls for lane in lanes]),
            self._sum([lane.cost for lane in lanes]),
            decided,
        )

    def _lanes(self, step: Step, values: Values, path: Path) -> list[Run]:
        """The lanes of a race, which know no supersteps: it is concurrent code inside one node."""
        stepwise, self._stepwise = self._stepwise, False
        lanes = [self._scope(scope, values, (), path) for scope in step.inner]
        self._stepwise = stepwise
        return lanes

    def _first(self, step: Step, term: First, values: Values, path: Path) -> Run:
        """Lanes and their judgements, each as if it ran to its end; then who was first."""
        candidates = candidates_of(term)
        lanes = self._lanes(step, values, path)
        verdicts = [
            Run(1.0)
            if term.checker is None
            else self._verdict(term.checker, lane.right, (*path, i))
            for i, lane in enumerate(lanes)
        ]
        if self._sequential:
            return self._first_in_turn(lanes, verdicts)
        n = len(lanes)
        delays = [delay_of(term, candidate) for candidate in candidates]
        there = [self._sum([d, lane.latency]) for d, lane in zip(delays, lanes, strict=True)]
        judged = [self._sum([t, v.latency]) for t, v in zip(there, verdicts, strict=True)]
        accepts = [verdict.right for verdict in verdicts]

        def decided(*leaves: Any) -> Any:
            return truths.decided(leaves[:n], leaves[n:])

        end = self._batch.apply(decided, *judged, *accepts)
        right: Diagram = self._batch.apply(
            lambda *leaves: truths.first(leaves[:n], leaves[n : 2 * n], leaves[2 * n :]),
            *judged,
            *accepts,
            *(lane.right for lane in lanes),
        )
        calls: list[Diagram] = []
        cost: list[Diagram] = []
        for i in range(n):
            begun = self._batch.apply(truths.before(delays[i] > 0.0), float(delays[i]), end)
            checked = self._batch.apply(truths.before(True), there[i], end)
            for condition, run in ((begun, lanes[i]), (checked, verdicts[i])):
                calls.append(self._batch.apply(truths.spent, condition, run.calls))
                cost.append(self._batch.apply(truths.spent, condition, run.cost))
        return Run(right, self._sum(calls), self._sum(cost), end)

    def _first_in_turn(self, lanes: Sequence[Run], verdicts: Sequence[Run]) -> Run:
        """One after another until one is accepted; every one of them is judged."""
        right: Diagram = 0.0
        running: Diagram = 1.0
        parts: list[tuple[Diagram, Run]] = []
        for lane, verdict in zip(lanes, verdicts, strict=True):
            right = self._batch.apply(truths.chosen, running, lane.right, right)
            parts += [(running, lane), (running, verdict)]
            running = self._unless(running, verdict.right)
        return self._spent(right, parts)

    def _agrees(self, value: Value, written: Written) -> Diagram:
        chance = self._sheets.agreement(self._analysis.writers.get(value))
        return self._happens(chance, "agrees", written.name, written.path)

    def _select(self, step: Step, term: Select, values: Values, path: Path) -> Run:
        picks = self._answer(term.decision, term.site, term.inputs, False, values, path)
        right = self._batch.apply(truths.both, self._any(term.candidates, values), picks)
        cost = self._sheets.selection_cost(term, self._analysis.writers)
        return Run(right, 1.0, cost, self._seconds(term.decision, term.site, path))

    def _branch(self, step: Step, term: Branch, values: Values, path: Path) -> Run:
        event = self._analysis.labels[term.label]
        case_of = np.array(event.cases(term))
        state = self._state(event, values[term.label])
        right: Diagram = 0.0
        parts: list[tuple[Diagram, Run]] = []
        for i, scope in enumerate(step.inner):
            goes = self._batch.apply(_equals(case_of, i), state)
            if self._batch.nowhere(goes):
                continue
            run = self._scope(scope, values, (), path)
            right = self._batch.apply(truths.chosen, goes, run.right, right)
            parts.append((goes, run))
        return self._spent(right, parts)

    def _state(self, event: LabelEvent, written: Written) -> Diagram:
        """The index of the state the label turned out to be."""
        *chances, _ = self._sheets.labels(event)
        if not chances:
            return 0.0
        return self._batch.apply(
            _interval, self._uniform("label", written.name, written.path), *chances
        )

    def _fallback(self, step: Step, term: Fallback, values: Values, path: Path) -> Run:
        right: Diagram = 0.0
        running: Diagram = 1.0
        parts: list[tuple[Diagram, Run]] = []
        for i, scope in enumerate(step.inner):
            run = self._scope(scope, values, (), (*path, i))
            right = self._batch.apply(truths.chosen, running, run.right, right)
            parts.append((running, run))
            if i == len(step.inner) - 1:
                break
            verdict = self._verdict(term.checker, right, (*path, i))
            parts.append((running, verdict))
            running = self._unless(running, verdict.right)
            if self._batch.nowhere(running):
                break
        return self._spent(right, parts)

    def _refine(self, step: Step, term: Refine, values: Values, path: Path) -> Run:
        (body,) = step.inner
        right = values[term.initial].right
        running: Diagram = 1.0
        parts: list[tuple[Diagram, Run]] = []
        for i in range(term.bound):
            verdict = self._verdict(term.checker, right, (*path, i))
            parts.append((running, verdict))
            running = self._unless(running, verdict.right)
            if self._batch.nowhere(running):
                break
            run = self._scope(body, values, (right, 1.0), (*path, i))
            right = self._batch.apply(truths.chosen, running, run.right, right)
            parts.append((running, run))
        return self._spent(right, parts)

    def _verdict(self, checker: Checker, right: Diagram, path: Path) -> Run:
        """One judgement; `right` says whether it accepts."""
        verdict = self._sheets.verdict(checker)
        accepts = self._batch.apply(
            truths.chosen,
            right,
            self._happens(verdict.accept_right, "verdict", checker.site, path),
            self._happens(verdict.accept_wrong, "verdict", checker.site, path),
        )
        seconds = (
            verdict.latency
            if checker.decision is None
            else self._seconds(checker.decision, checker.site, path)
        )
        return Run(accepts, verdict.calls, verdict.cost, seconds)

    def _map(self, step: Step, term: Map, values: Values, path: Path) -> Run:
        (body,) = step.inner
        source = values[term.source].right
        items = [self._scope(body, values, (source,), (*path, i)) for i in range(term.width)]
        rights = [item.right for item in items]
        if term.mean:
            right = self._batch.apply(_share, *rights)
        else:
            right = self._batch.fold(truths.both, rights, 1.0)
        together = self._sum if self._sequential else self._latest
        return Run(
            right,
            self._sum([item.calls for item in items]),
            self._sum([item.cost for item in items]),
            together([item.latency for item in items]),
        )

    def _plan(self, step: Step, term: Plan, values: Values, path: Path) -> Run:
        writing, joining = step.inner
        right: Diagram = 0.0
        running: Diagram = 1.0
        parts: list[tuple[Diagram, Run]] = []
        stepwise, self._stepwise = self._stepwise, False
        for i in range(term.plans):
            here = (*path, i)
            planner = self._scope(writing, values, (1.0, 1.0), here)
            seconds, tasks = self._planned(term, here)
            seen = self._batch.apply(truths.both, planner.right, tasks)
            joiner = self._scope(joining, values, (seen,), here)
            right = self._batch.apply(truths.chosen, running, joiner.right, right)
            taken = self._batch.apply(seconds, planner.latency)
            parts += [(running, replace(planner, latency=taken)), (running, joiner)]
            again = self._batch.apply(
                truths.chosen,
                seen,
                self._happens(term.shape.replan_right, "replan", term.site, here),
                self._happens(term.shape.replan_wrong, "replan", term.site, here),
            )
            running = self._batch.apply(truths.both, running, again)
            if self._batch.nowhere(running):
                break
        self._stepwise = stepwise
        return self._spent(right, parts)

    def _planned(self, term: Plan, path: Path) -> tuple[Callable[[Any], Any], Diagram]:
        """One plan drawn: how long it takes, by what its planner takes, and whether its tasks are
        right if it is."""
        shape, site = streamed(term), term.site
        width, depth = (
            plans.drawn_size(sizes)(self._uniform(what, site, path).values)
            for what, sizes in (("width", shape.width), ("depth", shape.depth))
        )
        seconds = np.array(shape.tools)
        tools = []
        for place in range(plans.written_tasks(shape)):
            drawn = self._uniform("tool", site, (*path, place)).values
            tools.append(seconds[(drawn * len(seconds)).astype(np.intp)])
        chance = Sheet(NOTHING, shape.right ** (width * depth))
        tasks = self._happens(1.0 if shape.right == 1.0 else chance, "tasks", site, path)
        return plans.realised_seconds(shape, self._sequential, width, depth, tools), tasks

    def _answer(
        self,
        decision: int,
        site: str,
        inputs: Iterable[Value],
        fresh: bool,
        values: Values,
        path: Path,
    ) -> Diagram:
        success, recovery = self._sheets.success(decision), self._sheets.recovery(decision, fresh)
        if recovery is success:
            return self._happens(success, "right", site, path)
        return self._batch.apply(
            truths.chosen,
            self._all(inputs, values),
            self._happens(success, "right", site, path),
            self._happens(recovery, "right", site, path),
        )

    def _happens(self, chance: Diagram, what: str, site: str, path: Path) -> Diagram:
        """Whether an event of this chance happens; for one configuration, per scenario."""
        if isinstance(chance, float) and chance in (0.0, 1.0):
            return chance
        return self._batch.apply(truths.drawn, self._uniform(what, site, path), chance)

    def _seconds(self, decision: int, site: str, path: Path) -> Diagram:
        """The latency of one call."""
        drawn = Sheet(NOTHING, self._noise.normal("latency", site, path)[None, self._window])
        location, scale = self._sheets.location(decision), self._sheets.scale(decision)
        return self._batch.apply(_log_normal, location, scale, drawn)

    def _uniform(self, what: str, site: str, path: Path) -> Sheet:
        return Sheet(NOTHING, self._noise.uniform(what, site, path)[None, self._window])

    def _unless(self, running: Diagram, accepted: Diagram) -> Diagram:
        return self._batch.apply(truths.both, running, self._batch.apply(truths.negation, accepted))

    def _all(self, inputs: Iterable[Value], values: Values) -> Diagram:
        right = [values[value].right for value in dict.fromkeys(inputs)]
        return self._batch.fold(truths.both, right, 1.0)

    def _any(self, inputs: Iterable[Value], values: Values) -> Diagram:
        right = [values[value].right for value in dict.fromkeys(inputs)]
        return self._batch.fold(truths.either, right, 0.0)

    def _sum(self, amounts: Sequence[Diagram]) -> Diagram:
        return self._batch.fold(rows.total, amounts, 0.0)

    def _latest(self, finishes: Sequence[Diagram]) -> Diagram:
        return self._batch.fold(rows.latest, finishes, 0.0)

    def _spent(self, right: Diagram, parts: Sequence[tuple[Diagram, Run]]) -> Run:
        """What parts took that ran one after another, each where its condition held."""

        def total(amounts: Iterable[Diagram]) -> Diagram:
            conditions = (condition for condition, _ in parts)
            return self._sum(
                [
                    self._batch.apply(truths.spent, condition, amount)
                    for condition, amount in zip(conditions, amounts, strict=True)
                ]
            )

        return Run(
            right,
            total(run.calls for _, run in parts),
            total(run.cost for _, run in parts),
            total(run.latency for _, run in parts),
        )


def _log_normal(location: Any, scale: Any, drawn: Any) -> Any:
    return np.exp(location + scale * drawn)


def _interval(uniform: Any, *chances: Any) -> Any:
    """How many of the cumulative chances a uniform number reaches."""
    below: Any = 0.0
    reached: Any = 0
    for chance in chances:
        below = below + chance
        reached = reached + (uniform >= below)
    return reached


def _equals(case_of: Any, case: int) -> Callable[[Any], Any]:
    """Whether a state takes this case."""

    def takes(state: Any) -> Any:
        if isinstance(state, float):
            return float(case_of[int(state)] == case)
        return case_of[state] == case

    return takes


def _share(*rights: Any) -> Any:
    return sum(right * 1.0 for right in rights) / len(rights)


TERMS: Mapping[type[Term], Callable[[Realising, Step, Any, Values, Path], Run]] = {
    Call: Realising._call,
    ToolCall: Realising._tool,
    Join: Realising._join,
    Vote: Realising._vote,
    First: Realising._first,
    Select: Realising._select,
    Branch: Realising._branch,
    Fallback: Realising._fallback,
    Refine: Realising._refine,
    Map: Realising._map,
    Plan: Realising._plan,
}
