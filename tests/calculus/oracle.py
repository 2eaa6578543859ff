"""A brute-force interpreter of workflows: every outcome of every event, one run at a time.

It shares no code with the calculus. A run asks `pick` whenever something is random; `runs` replays
the program for every sequence of answers. Values are objects made while running, so a value used
twice is one object, whose common wrong answer or label is drawn when first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Block,
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
    Workflow,
    blocks_of,
    walk,
)
from tests.calculus.lanes import arranged, mentioned, mentioned_by

Pick = Callable[[list[float]], int]


class TooManyRuns(Exception):
    """The workflow has more outcome patterns than were allowed."""


class Tied(Exception):
    """A candidate is there in the instant of a decision: whether it is still judged is open."""


@dataclass(frozen=True)
class Totals:
    """Of one run, or on average over all of them."""

    success: float
    calls: float
    cost: float
    sequential: float
    asyncio: float

    def array(self) -> np.ndarray:
        return np.array(
            [self.success, self.calls, self.cost, self.sequential, self.asyncio], dtype=float
        )


def runs(program: Callable[[Pick], Totals], limit: int) -> Iterator[tuple[float, Totals]]:
    """Every run of a program with its probability."""
    pending: list[list[int]] = [[]]
    count = 0
    while pending:
        script = pending.pop()
        taken: list[int] = []
        chance = 1.0

        def pick(weights: list[float], script: list[int] = script, taken: list[int] = taken) -> int:
            nonlocal chance
            possible = [i for i, weight in enumerate(weights) if weight > 0]
            if len(taken) < len(script):
                answer = script[len(taken)]
            else:
                answer = possible[0]
                pending.extend([*taken, other] for other in possible[1:])
            taken.append(answer)
            chance *= weights[answer]
            return answer

        result = program(pick)
        count += 1
        if count > limit:
            raise TooManyRuns
        yield chance, result


def enumerate_workflow(
    workflow: Workflow,
    setting: np.ndarray,
    scenarios: Scenarios,
    s: int,
    limit: int = 20_000,
    in_turn: bool = False,
) -> Totals:
    """The exact averages over all runs of one setting in scenario s, latency at its mean.

    What races gives something else where its candidates are tried `in_turn`.
    """
    interpreter = Interpreter(workflow, setting, scenarios, s, in_turn)
    total = np.zeros(5)
    mass = 0.0
    for chance, result in runs(interpreter.run, limit):
        total += chance * result.array()
        mass += chance
    assert abs(mass - 1.0) < 1e-9
    return Totals(*total)


class Instance:
    """A value that exists in one run."""

    def __init__(self, number: Value, right: float) -> None:
        self.number = number
        self.right = right
        self.common: bool | None = None
        self.label: str | None = None
        self.labelled = False


@dataclass
class Run:
    """One run of a block: its result and what it took."""

    result: Instance
    calls: int = 0
    cost: float = 0.0
    work: float = 0.0
    finish: float = 0.0


class Interpreter:
    """Runs a workflow with concrete outcomes."""

    def __init__(
        self,
        workflow: Workflow,
        setting: np.ndarray,
        scenarios: Scenarios,
        s: int,
        in_turn: bool = False,
    ) -> None:
        self.workflow = workflow
        self.setting = setting
        self.scenarios = scenarios
        self.s = s
        self.in_turn = in_turn

    def run(self, pick: Pick) -> Totals:
        self.pick = pick
        inputs = mentioned(self.workflow.body) | set(self.workflow.body.arguments)
        written = {term.output for term in walk(self.workflow.body)} | {
            argument
            for term in walk(self.workflow.body)
            for block in blocks_of(term)
            for argument in block.arguments
        }
        known = {value: Instance(value, 1.0) for value in inputs - written}
        found = self.block(self.workflow.body, known)
        return Totals(float(found.result.right), found.calls, found.cost, found.work, found.finish)

    # -- single calls -------------------------------------------------------------------------

    def number(self, decision: int, table: np.ndarray) -> float:
        return float(table[self.setting[decision], self.s])

    def flip(self, probability: float) -> bool:
        return self.pick([1.0 - probability, probability]) == 1

    def expense(self, decision: int) -> tuple[int, float, float]:
        model = self.scenarios.calls[decision]
        mean, spread = (self.number(decision, t) for t in (model.log_latency, model.latency_scale))
        return 1, self.number(decision, model.cost), float(np.exp(mean + spread**2 / 2))

    def answer(self, decision: int, inputs_right: bool, fresh: bool) -> bool:
        model = self.scenarios.calls[decision]
        p = self.number(decision, model.success)
        if not inputs_right:
            if model.recovery is not None:
                p = self.number(decision, model.recovery)
            elif not fresh:
                p = 0.0
        return self.flip(p)

    def verdict(self, checker: Checker, right: float) -> tuple[bool, int, float, float]:
        if checker.decision is None:
            rates = self.scenarios.checkers[checker.name]
            rate = rates.accept_right[self.s] if right else rates.accept_wrong[self.s]
            return self.flip(float(rate)), 0, 0.0, checker.latency_s
        model = self.scenarios.calls[checker.decision]
        table = model.accept_right if right else model.accept_wrong
        return self.flip(self.number(checker.decision, table)), *self.expense(checker.decision)

    # -- votes and labels ---------------------------------------------------------------------

    @cached_property
    def definitions(self) -> dict[Value, Term]:
        return {term.output: term for term in walk(self.workflow.body)}

    @cached_property
    def refined(self) -> dict[Value, Refine]:
        return {
            term.body.arguments[0]: term
            for term in walk(self.workflow.body)
            if isinstance(term, Refine)
        }

    def writer(self, value: Value, pretend: Mapping[Value, int | None] | None = None) -> int | None:
        pretend = pretend or {}
        if value in pretend:
            return pretend[value]
        if value in self.refined:
            term = self.refined[value]
            first = self.writer(term.initial, pretend)
            again = self.writer(term.body.result, {**pretend, value: first})
            return first if first == again else None
        term = self.definitions.get(value)
        match term:
            case Call():
                return term.decision
            case ToolCall() if len(term.inputs) == 1:
                return self.writer(term.inputs[0], pretend)
            case Refine():
                first = self.writer(term.initial, pretend)
                again = self.writer(term.body.result, {**pretend, term.body.arguments[0]: first})
                return first if first == again else None
            case Plan():
                return self.writer(term.joiner.result, pretend)
            case Fallback() | Branch():
                found = {self.writer(block.result, pretend) for block in blocks_of(term)}
                return found.pop() if len(found) == 1 else None
            case First():
                found = {self.writer(value, pretend) for value in term.candidates}
                return found.pop() if len(found) == 1 else None
            case _:
                return None

    def text(self, instance: Instance) -> object:
        """What a vote counts: equal for equal answers."""
        if instance.right:
            return "right"
        if instance.common is None:
            writer = self.writer(instance.number)
            table = None if writer is None else self.scenarios.calls[writer].wrong_agreement
            instance.common = self.flip(1.0 if table is None else self.number(writer, table))
        return "common" if instance.common else instance

    def label(self, instance: Instance) -> str | None:
        """The label that a value is; None is any label that no branch names."""
        if not instance.labelled:
            readers = [
                term
                for term in walk(self.workflow.body)
                if isinstance(term, Branch) and term.label == instance.number
            ]
            labels, weights = self.label_weights(readers)
            instance.label = labels[self.pick(weights)]
            instance.labelled = True
        return instance.label

    def label_weights(self, readers: list[Branch]) -> tuple[list[str | None], list[float]]:
        named = list(
            dict.fromkeys(c.label for r in readers for c in r.cases if c.label is not None)
        )
        other = all(None in [c.label for c in r.cases] for r in readers)
        routers = [r.router for r in readers if r.router is not None]
        labels: list[str | None] = [*named, None] if other else [*named]
        if routers and named:
            tables = self.scenarios.calls[routers[0]].labels
            if set(named) <= set(tables):
                p = [self.number(routers[0], tables[label]) for label in named]
                p += [max(0.0, 1.0 - sum(p))] if other else []
                return labels, [x / sum(p) for x in p]
        weights: list[float | None] = []
        for label in labels:
            able = [r for r in readers if label is not None or len(r.cases) == len(named) + 1]
            known = [
                c.weight for r in able for c in r.cases if c.label == label and c.weight is not None
            ]
            weights.append(known[0] if known else None)
        left = max(0.0, 1.0 - sum(w for w in weights if w is not None))
        full = [left / weights.count(None) if w is None else w for w in weights]
        return labels, [w / sum(full) for w in full]

    # -- terms --------------------------------------------------------------------------------

    def block(self, block: Block, outer: Mapping[Value, Instance]) -> Run:
        known = dict(outer)
        finish: dict[Value, float] = {}
        total = Run(Instance(-1, 0.0))
        for term, lanes in arranged(block):
            run = self.first(term, lanes, known) if lanes else self.term(term, known)
            run.result.number = term.output
            known[term.output] = run.result
            waits = mentioned_by(term).union(*map(mentioned, lanes))
            start = max((finish.get(value, 0.0) for value in waits), default=0.0)
            finish[term.output] = start + run.finish
            total.calls += run.calls
            total.cost += run.cost
            total.work += run.work
        total.result = known[block.result]
        total.finish = finish.get(block.result, 0.0)
        return total

    def term(self, term: Term, known: Mapping[Value, Instance]) -> Run:
        def right(value: Value) -> float:
            return known[value].right

        def done(is_right: float, calls: int, cost: float, seconds: float) -> Run:
            return Run(Instance(-1, is_right), calls, cost, seconds, seconds)

        match term:
            case Call():
                answer = self.answer(term.decision, all(map(right, term.inputs)), term.fresh)
                return done(answer, *self.expense(term.decision))
            case ToolCall():
                return done(all(map(right, term.inputs)), 0, 0.0, term.latency_s)
            case Join(kind="any"):
                return done(any(map(right, term.inputs)), 0, 0.0, 0.0)
            case Join():
                return done(all(map(right, term.inputs)), 0, 0.0, 0.0)
            case Vote():
                return done(self.plurality([known[value] for value in term.inputs]), 0, 0.0, 0.0)
            case Select():
                picked = self.answer(term.decision, all(map(right, term.inputs)), False)
                calls, cost, seconds = self.expense(term.decision)
                cost += self.shown(term)
                return done(picked and any(map(right, term.candidates)), calls, cost, seconds)
            case Branch():
                label = self.label(known[term.label])
                cases = {case.label: case.block for case in term.cases}
                chosen = cases.get(label, cases.get(None, term.cases[-1].block))
                run = self.block(chosen, known)
                return Run(
                    Instance(-1, run.result.right), run.calls, run.cost, run.work, run.finish
                )
            case Fallback():
                return self.fallback(term, known)
            case Refine():
                return self.refine(term, known)
            case Map():
                return self.map(term, known)
            case Plan():
                return self.plan(term, known)
            case _:
                raise NotImplementedError(term)

    def plurality(self, candidates: list[Instance]) -> bool:
        texts = [self.text(candidate) for candidate in candidates]
        winner = max(texts, key=lambda text: (texts.count(text), -texts.index(text)))
        return winner == "right"

    def first(self, race: First, lanes: list[Block], known: Mapping[Value, Instance]) -> Run:
        if self.in_turn:
            return self.first_in_turn(race, lanes, known)
        total = Run(Instance(-1, 0.0))
        verdicts = []
        begun = []
        for i, lane in enumerate(lanes):
            run = self.block(lane, known)
            accepted, calls, cost, seconds = self.opinion(race, run.result.right)
            delay = race.after[race.candidates.index(lane.result)] if race.after else 0.0
            there = delay + run.finish
            verdicts.append((round(there + seconds, 9), i, accepted, run.result.right))
            begun.append((delay, run.calls, run.cost))
            begun.append((there, calls, cost))
        verdicts.sort()
        end, _, _, right = next((v for v in verdicts if v[2]), verdicts[-1])
        for moment, calls, cost in begun:
            if moment > 0.0 and calls and abs(moment - end) < 1e-9:
                raise Tied
            if moment == 0.0 or moment < end:
                add(total, calls, cost, 0.0, 0.0)
        total.result = Instance(-1, right)
        total.finish = end
        return total

    def first_in_turn(
        self, race: First, lanes: list[Block], known: Mapping[Value, Instance]
    ) -> Run:
        total = Run(Instance(-1, 0.0))
        for lane in lanes:
            run = self.block(lane, known)
            accepted, calls, cost, seconds = self.opinion(race, run.result.right)
            add(total, run.calls + calls, run.cost + cost, run.work + seconds, 0.0)
            total.result = Instance(-1, run.result.right)
            if accepted:
                break
        return total

    def opinion(self, race: First, right: float) -> tuple[bool, int, float, float]:
        return (True, 0, 0.0, 0.0) if race.checker is None else self.verdict(race.checker, right)

    def shown(self, term: Select) -> float:
        price = self.scenarios.calls[term.decision].input_price
        if price is None or np.isnan(price[self.setting[term.decision]]):
            return 0.0
        tokens = 0.0
        for candidate in term.candidates:
            writer = self.writer(candidate)
            table = None if writer is None else self.scenarios.calls[writer].output_tokens
            if table is not None and not np.isnan(self.number(writer, table)):
                tokens += self.number(writer, table)
        return float(price[self.setting[term.decision]]) * tokens

    def fallback(self, term: Fallback, known: Mapping[Value, Instance]) -> Run:
        total = Run(Instance(-1, 0.0))
        for k, tier in enumerate(term.tiers):
            run = self.block(tier, known)
            add(total, run.calls, run.cost, run.work, run.finish)
            total.result = Instance(-1, run.result.right)
            if k == len(term.tiers) - 1:
                break
            accepted, calls, cost, seconds = self.verdict(term.checker, run.result.right)
            add(total, calls, cost, seconds, seconds)
            if accepted:
                break
        return total

    def refine(self, term: Refine, known: Mapping[Value, Instance]) -> Run:
        value, feedback = term.body.arguments
        total = Run(Instance(-1, known[term.initial].right))
        for _ in range(term.bound):
            accepted, calls, cost, seconds = self.verdict(term.checker, total.result.right)
            add(total, calls, cost, seconds, seconds)
            if accepted:
                break
            arguments = {
                value: Instance(value, total.result.right),
                feedback: Instance(feedback, 1.0),
            }
            run = self.block(term.body, {**known, **arguments})
            add(total, run.calls, run.cost, run.work, run.finish)
            total.result = Instance(-1, run.result.right)
        return total

    def map(self, term: Map, known: Mapping[Value, Instance]) -> Run:
        (item,) = term.body.arguments
        runs = [
            self.block(term.body, {**known, item: Instance(item, known[term.source].right)})
            for _ in range(term.width)
        ]
        rights = [float(run.result.right) for run in runs]
        total = Run(Instance(-1, sum(rights) / len(rights) if term.mean else float(all(rights))))
        for run in runs:
            add(total, run.calls, run.cost, run.work, 0.0)
        total.finish = max(run.finish for run in runs)
        return total

    def plan(self, term: Plan, known: Mapping[Value, Instance]) -> Run:
        """Plan after plan; the tasks of each are dispatched one by one."""
        shape = term.shape
        sizes = [(w, d, p * q) for w, p in shape.width for d, q in shape.depth]
        total = Run(Instance(-1, 0.0))
        for k in range(term.plans):
            given = {value: Instance(value, 1.0) for value in term.planner.arguments}
            planner = self.block(term.planner, {**known, **given})
            width, depth, _ = sizes[self.pick([chance for _, _, chance in sizes])]
            right = bool(planner.result.right)
            for _ in range(width * depth if shape.right < 1.0 else 0):
                right = self.flip(shape.right) and right
                if not right:
                    break
            task = sum(shape.tools) / len(shape.tools)
            alone = list(walk(term.planner))
            streams = len(alone) == 1 and isinstance(alone[0], Call)
            streams = streams and alone[0].output == term.planner.result
            finish = dispatched(planner.finish, width, depth, task, streams)
            add(
                total,
                planner.calls,
                planner.cost,
                planner.work + width * depth * task,
                finish,
            )
            (history,) = term.joiner.arguments
            joiner = self.block(term.joiner, {**known, history: Instance(history, float(right))})
            add(total, joiner.calls, joiner.cost, joiner.work, joiner.finish)
            total.result = Instance(-1, joiner.result.right)
            again = shape.replan_right if right else shape.replan_wrong
            if k == term.plans - 1 or not self.flip(again):
                break
        return total


def dispatched(planner: float, width: int, depth: int, task: float, streams: bool) -> float:
    """When the last of w·d tasks ends: each starts when its line and the level before are there."""
    lines = width * depth + 1
    before = 0.0
    now = 0.0
    for level in range(depth):
        ends = []
        for place in range(width):
            written = planner * (level * width + place + 1) / lines if streams else planner
            ends.append(max(written, before) + task)
        before = max(ends)
        now = before
    return max(now, planner)


def add(total: Run, calls: int, cost: float, work: float, finish: float) -> None:
    total.calls += calls
    total.cost += cost
    total.work += work
    total.finish += finish


VARYING = (Branch, Fallback, Refine, Plan, First)


def races_are_sure(block: Block) -> bool:
    """Whether no lane takes a time that varies from run to run."""
    for term, lanes in arranged(block):
        if any(isinstance(inner, VARYING) for lane in lanes for inner in walk(lane)):
            return False
        if not all(map(races_are_sure, blocks_of(term))):
            return False
    return True


def latency_is_compositional(block: Block) -> bool:
    """Whether nothing whose time varies from run to run sits under a maximum."""
    written = [term.output for term in block.terms]
    varies: set[Value] = set()
    for term in block.terms:
        waits = mentioned_by(term) & set(written)
        if len(waits) > 1 and waits & varies:
            return False
        inside = [inner for b in blocks_of(term) for inner in walk(b)]
        own = isinstance(term, VARYING) or any(isinstance(inner, VARYING) for inner in inside)
        if isinstance(term, Plan) and any(isinstance(t, VARYING) for t in walk(term.planner)):
            return False
        if isinstance(term, Map) and term.width > 1 and own:
            return False
        if own or waits & varies:
            varies.add(term.output)
        if not all(map(latency_is_compositional, blocks_of(term))):
            return False
    return True
