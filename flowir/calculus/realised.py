"""The realised track: one run of a workflow per scenario, with everything drawn.

Latency under a maximum, and any quantile, needs latencies of runs rather than expectations. Each
call instance draws its outcome and its latency by common random numbers, keyed by (seed, site,
repetition): every setting of a batch, and every other batch, is compared under the same noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import Execution
from flowir.calculus.labels import LabelEvent
from flowir.calculus.lookup import acceptance, checked_settings
from flowir.calculus.noise import Integers, Noise, Path
from flowir.calculus.rows import Array
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.scopes import Analysis, Scope, Step, analyse
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
    Workflow,
)

Truths = npt.NDArray[np.bool_]
Rightness = npt.NDArray[Any]
"""Booleans, or the shares of right items that a `mean` map gives."""
WINDOW_CELLS = 131_072
"""Rows × scenarios worked on at a time: what caches hold."""


@dataclass(frozen=True)
class Realisation:
    """One run of a workflow per scenario, for B settings in S scenarios.

    Attributes:
        right: [B, S] 1 where the result is right, else 0; the share of right items of a `mean` map.
        calls: [B, S] calls of agents that were made, those that select and judge included.
        cost: [B, S] US dollars those calls are expected to cost; NaN where a price is unknown.
        latency: [B, S] seconds from start to result.
    """

    right: Array
    calls: Array
    cost: Array
    latency: Array


def realise(
    workflow: Workflow,
    settings: npt.ArrayLike,
    scenarios: Scenarios,
    execution: Execution = "asyncio",
    seed: int = 0,
) -> Realisation:
    """Run a workflow once in every scenario, for every setting.

    Args:
        workflow: specialised, so without alternatives.
        settings: [B, D] index of the configuration chosen for each decision; the columns of
            decisions that the workflow does not depend on are ignored.
        scenarios: single calls, in S scenarios.
        execution: how independent calls run.
        seed: of the draws; the same seed gives the same draws at the same site.

    Raises:
        CalculusError: alternatives are left, or a checker's rates are unknown.
        ValueError: settings that do not fit the decisions.
    """
    if execution not in get_args(Execution):
        raise ValueError(f"execution {execution!r}: one of {get_args(Execution)} is meant")
    analysis = analyse(workflow)
    chosen = checked_settings(workflow, analysis.decisions, settings, scenarios)
    noise = Noise(seed, scenarios.size)
    result = Realisation(*(np.empty((len(chosen), scenarios.size)) for _ in range(4)))
    step = max(1, WINDOW_CELLS // scenarios.size)
    for first in range(0, len(chosen), step):
        some = slice(first, first + step)
        run = _Run(workflow, analysis, chosen[some], scenarios, noise, execution == "sequential")
        right, latency = run.workflow()
        result.right[some] = right
        result.calls[some] = run.calls
        result.cost[some] = run.cost
        result.latency[some] = latency
    return result


@dataclass(frozen=True)
class _Realised:
    """A value: whether it is right, and where and in which repetition it was written."""

    right: Rightness
    name: str
    path: Path


Values = Mapping[Value, _Realised]
Ran = tuple[Rightness, Array]
"""[B, S] rightness and seconds of a term or scope; meaningless where it was not executed."""


class _Run:
    """One run in every scenario, for the settings of one batch."""

    def __init__(
        self,
        workflow: Workflow,
        analysis: Analysis,
        settings: Integers,
        scenarios: Scenarios,
        noise: Noise,
        sequential: bool,
    ) -> None:
        self._workflow = workflow
        self._analysis = analysis
        self._settings = settings
        self._scenarios = scenarios
        self._noise = noise
        self._sequential = sequential
        self._shape = (len(settings), scenarios.size)
        self.calls = np.zeros(self._shape)
        self.cost = np.zeros(self._shape)

    def workflow(self) -> Ran:
        """The whole workflow, whose arguments are right."""
        scope = self._analysis.scope
        right = np.ones(self._shape, dtype=bool)
        return self._scope(scope, {}, [right] * len(scope.arguments), right, ())

    def _scope(
        self,
        scope: Scope,
        outer: Values,
        arguments: Iterable[Rightness],
        active: Truths,
        path: Path,
    ) -> Ran:
        """One run of a scope where `active`; seconds count from its start."""
        values = dict(outer)
        for argument, right in zip(scope.arguments, arguments, strict=False):
            values[argument.value] = _Realised(right, argument.name, path)
        finish: dict[Value, Array] = {}
        total = np.zeros(self._shape)
        for step in scope.steps:
            right, latency = TERMS[type(step.term)](self, step, step.term, values, active, path)
            values[step.defines.value] = _Realised(right, step.defines.name, path)
            if self._sequential:
                total += latency
            elif step.critical:
                finish[step.defines.value] = _latest(finish[v] for v in step.waits_for) + latency
        if not self._sequential:
            total = finish.get(scope.result, total)
        return values[scope.result].right, total

    def _pick(self, decision: int, table: Array) -> Array:
        """[B, S] rows of a [C, S] table."""
        return table[self._settings[:, decision]]

    def _called(self, decision: int, site: str, active: Truths, path: Path) -> Array:
        """Count and bill a call where `active`; its seconds."""
        call = self._scenarios.calls[decision]
        self.calls += active
        self._bill(self._pick(decision, call.cost), active)
        seconds = self._noise.latency(decision, site, path, call, self._settings[:, decision])
        return self._pick(decision, seconds)

    def _bill(self, dollars: Array, active: Truths) -> None:
        self.cost += np.where(active, dollars, 0.0)

    def _answer(self, decision: int, inputs: Sequence[Value], fresh: bool, values: Values) -> Array:
        """[B, S] P(right) given what the inputs turned out to be."""
        call = self._scenarios.calls[decision]
        success = self._pick(decision, call.success)
        if call.recovery is None:
            return success if fresh else np.where(self._all(inputs, values), success, 0.0)
        return np.where(self._all(inputs, values), success, self._pick(decision, call.recovery))

    def _all(self, inputs: Iterable[Value], values: Values) -> Truths:
        return reduce(np.logical_and, (_event(values[v]) for v in inputs), np.array(True))

    def _any(self, inputs: Iterable[Value], values: Values) -> Truths:
        return reduce(np.logical_or, (_event(values[v]) for v in inputs), np.array(False))

    def _call(self, step: Step, term: Call, values: Values, active: Truths, path: Path) -> Ran:
        latency = self._called(term.decision, term.site, active, path)
        chance = self._answer(term.decision, term.inputs, term.fresh, values)
        return self._noise.uniform("right", term.site, path) < chance, latency

    def _tool(self, step: Step, term: ToolCall, values: Values, active: Truths, path: Path) -> Ran:
        return self._all(term.inputs, values), np.full(self._shape, term.latency_s)

    def _join(self, step: Step, term: Join, values: Values, active: Truths, path: Path) -> Ran:
        combine = self._any if term.kind == "any" else self._all
        return combine(term.inputs, values), np.zeros(self._shape)

    def _vote(self, step: Step, term: Vote, values: Values, active: Truths, path: Path) -> Ran:
        """Labels: 0 the right answer, 1 the common wrong one, 2 + v what only value v says."""
        labels = np.stack(
            [
                np.where(_event(values[v]), 0, np.where(self._agrees(v, values), 1, 2 + v))
                for v in term.inputs
            ]
        )
        votes = (labels[:, None] == labels[None]).sum(axis=1)
        winner = votes.argmax(axis=0)[None]
        return np.take_along_axis(labels, winner, axis=0)[0] == 0, np.zeros(self._shape)

    def _agrees(self, value: Value, values: Values) -> Truths | bool:
        writer = self._analysis.writers.get(value)
        if writer is None or (table := self._scenarios.calls[writer].wrong_agreement) is None:
            return np.ones(self._shape, dtype=bool)
        written = values[value]
        return self._noise.uniform("agrees", written.name, written.path) < self._pick(writer, table)

    def _select(self, step: Step, term: Select, values: Values, active: Truths, path: Path) -> Ran:
        latency = self._called(term.decision, term.site, active, path)
        self._bill(self._shown(term), active)
        chance = self._answer(term.decision, term.inputs, False, values)
        picks = self._noise.uniform("right", term.site, path) < chance
        return picks & self._any(term.candidates, values), latency

    def _shown(self, term: Select) -> Array:
        """[B, S] or scalar dollars for reading what the candidates wrote, where that is known."""
        price = self._scenarios.calls[term.decision].input_price
        dollars = np.zeros(self._shape)
        if price is None:
            return dollars
        per_token = np.nan_to_num(price, nan=0.0)[self._settings[:, term.decision]][:, None]
        for value in term.candidates:
            writer = self._analysis.writers.get(value)
            if writer is None or (table := self._scenarios.calls[writer].output_tokens) is None:
                continue
            dollars += per_token * np.nan_to_num(self._pick(writer, table), nan=0.0)
        return dollars

    def _branch(self, step: Step, term: Branch, values: Values, active: Truths, path: Path) -> Ran:
        event = self._analysis.labels[term.label]
        taken = np.array(event.cases(term))[self._label(event, values[term.label])]
        right: Rightness = np.zeros(self._shape, dtype=bool)
        latency = np.zeros(self._shape)
        for i, scope in enumerate(step.inner):
            goes = active & (taken == i)
            if not goes.any():
                continue
            of_case, seconds = self._scope(scope, values, (), goes, path)
            right = np.where(goes, of_case, right)
            latency = np.where(goes, seconds, latency)
        return right, latency

    def _label(self, event: LabelEvent, written: _Realised) -> Integers:
        """[B, S] index of the state the label turned out to be."""
        tables: dict[str, Array] = {}
        if event.router is not None:
            known = self._scenarios.calls[event.router].labels
            tables = {
                label: self._pick(event.router, known[label])
                for label in event.states
                if label is not None and label in known
            }
        drawn = self._noise.uniform("label", written.name, written.path)
        state = np.zeros(self._shape, dtype=np.intp)
        below = np.zeros(self._shape)
        for chance in event.probabilities(tables)[:-1]:
            below = below + chance
            state += drawn >= below
        return state

    def _fallback(
        self, step: Step, term: Fallback, values: Values, active: Truths, path: Path
    ) -> Ran:
        right: Rightness = np.zeros(self._shape, dtype=bool)
        latency = np.zeros(self._shape)
        running = active
        for i, scope in enumerate(step.inner):
            of_tier, seconds = self._scope(scope, values, (), running, (*path, i))
            right = np.where(running, of_tier, right)
            latency += np.where(running, seconds, 0.0)
            if i == len(step.inner) - 1:
                break
            accepted, seconds = self._verdict(term.checker, right, running, (*path, i))
            latency += np.where(running, seconds, 0.0)
            running = running & ~accepted
            if not running.any():
                break
        return right, latency

    def _refine(self, step: Step, term: Refine, values: Values, active: Truths, path: Path) -> Ran:
        right: Rightness = np.broadcast_to(values[term.initial].right, self._shape)
        latency = np.zeros(self._shape)
        running = active
        for i in range(term.bound):
            accepted, seconds = self._verdict(term.checker, right, running, (*path, i))
            latency += np.where(running, seconds, 0.0)
            running = running & ~accepted
            if not running.any():
                break
            (body,) = step.inner
            feedback = np.ones(self._shape, dtype=bool)
            of_body, seconds = self._scope(body, values, (right, feedback), running, (*path, i))
            right = np.where(running, of_body, right)
            latency += np.where(running, seconds, 0.0)
        return right, latency

    def _verdict(
        self, checker: Checker, right: Rightness, active: Truths, path: Path
    ) -> tuple[Truths, Array]:
        """Whether the checker accepts, and the seconds it takes."""
        on_right, on_wrong = acceptance(self._workflow, self._scenarios, checker)
        seconds: Array = np.asarray(checker.latency_s)
        if checker.decision is not None:
            on_right = self._pick(checker.decision, on_right)
            on_wrong = self._pick(checker.decision, on_wrong)
            seconds = self._called(checker.decision, checker.site, active, path)
        drawn = self._noise.uniform("verdict", checker.site, path)
        return drawn < np.where(right, on_right, on_wrong), seconds

    def _map(self, step: Step, term: Map, values: Values, active: Truths, path: Path) -> Ran:
        (body,) = step.inner
        source = values[term.source].right
        items = [
            self._scope(body, values, (source,), active, (*path, i)) for i in range(term.width)
        ]
        rights = [np.broadcast_to(right, self._shape) for right, _ in items]
        seconds = [latency for _, latency in items]
        together = sum(seconds, np.zeros(self._shape)) if self._sequential else _latest(seconds)
        if term.mean:
            return np.mean(rights, axis=0), together
        return np.logical_and.reduce(rights), together


def _event(value: _Realised) -> Truths:
    return np.asarray(value.right, dtype=bool)


def _latest(finishes: Iterable[Array]) -> Array:
    return reduce(np.maximum, finishes, np.zeros(()))


Runner = Callable[[_Run, Step, Any, Values, Truths, Path], Ran]

TERMS: Mapping[type[Term], Runner] = {
    Call: _Run._call,
    ToolCall: _Run._tool,
    Join: _Run._join,
    Vote: _Run._vote,
    Select: _Run._select,
    Branch: _Run._branch,
    Fallback: _Run._fallback,
    Refine: _Run._refine,
    Map: _Run._map,
}
