"""Random workflows, run on the simulated provider, do what the calculus predicts.

The programs are run by a small interpreter of terms: one call after another, where the expectations
of the calculus are exact, or each call as soon as its inputs are there, where only its realised
track has the distribution of latency. Simulation and calculus share no code that composes anything:
one passes texts around on a clock and counts, the other computes with probabilities.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from flowir.calculus.expectation import Expectation, expect
from flowir.calculus.realised import Realisation, realise
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.calculus.terms import (
    Block,
    Branch,
    Call,
    Case,
    Checker,
    Decision,
    Fallback,
    First,
    Join,
    Map,
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
from flowir.configuration import Configuration
from flowir.runtime.llm import LLM, Tools
from flowir.sim.simulate import Simulated, simulate, standard_error
from tests.budget import some
from tests.calculus.lanes import arranged

S = 24
RUNS = 360
SIGMAS = 4.5
CALLS = 12
"""Larger workflows are left out: they take long."""
ANSWERING, SELECTOR, ROUTER = (0, 1, 2), 3, 4
LABELS = ("easy", "hard")


# An interpreter of terms


@dataclass
class Interpreter:
    """Runs a specialised workflow on any model client and tools.

    In sequence, or every term as soon as all that it reads is there; the result is not kept waiting
    for terms that it does not depend on.
    """

    workflow: Workflow
    llm: LLM
    tools: Tools
    concurrent: bool = False
    late: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> object:
        body = self.workflow.body
        return await self.block(body, {}, *["a task"] * len(body.arguments))

    async def block(self, block: Block, values: dict[Value, Any], *arguments: object) -> object:
        values = {**values, **dict(zip(block.arguments, arguments, strict=True))}
        tasks: dict[Value, asyncio.Task[None]] = {}

        async def execute(term: Term, lanes: Sequence[Block]) -> None:
            for value in reads(term).union(*(reads_inside(lane) for lane in lanes)):
                if value in tasks:
                    await tasks[value]
            given = (term, values, lanes) if lanes else (term, values)
            values[term.output] = await INTERPRET[type(term)](self, *given)

        try:
            for term, lanes in arranged(block):
                if self.concurrent:
                    tasks[term.output] = asyncio.create_task(execute(term, lanes))
                else:
                    await execute(term, lanes)
            if block.result in tasks:
                await tasks[block.result]
        except asyncio.CancelledError:
            for task in tasks.values():
                task.cancel()
            raise
        self.late += tasks.values()
        return values[block.result]

    async def ask(self, site: str, decision: int, *shown: object) -> str:
        model = self.workflow.decisions[decision].configurations[0].model
        prompt = "\n".join(map(str, shown))
        return (await self.llm(site, [{"role": "user", "content": prompt}], model=model)).text

    async def accepts(self, checker: Checker, value: object) -> bool:
        if checker.decision is None:
            return bool(await self.tools[checker.name]("a task", value))
        return await self.ask(checker.site, checker.decision, value) == "ACCEPT"

    async def call(self, term: Call, values: Mapping[Value, Any]) -> object:
        text = await self.ask(term.site, term.decision, *(values[v] for v in term.inputs))
        return text.splitlines() if term.output in sources(self.workflow) else text

    async def tool(self, term: ToolCall, values: Mapping[Value, Any]) -> object:
        return await self.tools[term.tool](*(values[v] for v in term.inputs))

    async def join(self, term: Join, values: Mapping[Value, Any]) -> object:
        listed = [values[v] for v in term.inputs]
        return "\n".join(map(str, listed)) if term.kind == "concat" else listed

    async def vote(self, term: Vote, values: Mapping[Value, Any]) -> object:
        texts = [values[v] for v in term.inputs]
        return Counter(texts).most_common(1)[0][0]

    async def first(self, term: First, values: dict[Value, Any], lanes: Sequence[Block]) -> object:
        """The first candidate that is accepted, else the one that was judged last."""

        async def judged(lane: Block, delay: float) -> tuple[object, bool]:
            await asyncio.sleep(delay)
            value = await self.block(lane, values)
            return value, term.checker is None or await self.accepts(term.checker, value)

        if not self.concurrent:
            for lane in lanes:
                value, accepted = await judged(lane, 0.0)
                if accepted:
                    break
            return value
        delays = term.after or (0.0,) * len(term.candidates)
        tasks = [
            asyncio.create_task(judged(lane, delays[term.candidates.index(lane.result)]))
            for lane in lanes
        ]
        try:
            for finished in asyncio.as_completed(tasks):
                value, accepted = await finished
                if accepted:
                    break
        finally:
            for task in tasks:
                task.cancel()
        return value

    async def select(self, term: Select, values: Mapping[Value, Any]) -> object:
        listed = [values[v] for v in term.candidates]
        shown = [*(values[v] for v in term.inputs), *listed]
        return listed[int(await self.ask(term.site, term.decision, *shown)) - 1]

    async def branch(self, term: Branch, values: dict[Value, Any]) -> object:
        cases = {case.label: case.block for case in term.cases}
        return await self.block(cases.get(values[term.label], cases[None]), values)

    async def fallback(self, term: Fallback, values: dict[Value, Any]) -> object:
        for tier in term.tiers[:-1]:
            value = await self.block(tier, values)
            if await self.accepts(term.checker, value):
                return value
        return await self.block(term.tiers[-1], values)

    async def refine(self, term: Refine, values: dict[Value, Any]) -> object:
        value = values[term.initial]
        for _ in range(term.bound):
            if await self.accepts(term.checker, value):
                break
            value = await self.block(term.body, values, value, "feedback")
        return value

    async def map(self, term: Map, values: dict[Value, Any]) -> object:
        items = [self.block(term.body, values, item) for item in values[term.source]]
        if self.concurrent:
            return await asyncio.gather(*items)
        return [await item for item in items]


INTERPRET: dict[type, Callable[..., Coroutine[Any, Any, object]]] = {
    Call: Interpreter.call,
    ToolCall: Interpreter.tool,
    Join: Interpreter.join,
    Vote: Interpreter.vote,
    First: Interpreter.first,
    Select: Interpreter.select,
    Branch: Interpreter.branch,
    Fallback: Interpreter.fallback,
    Refine: Interpreter.refine,
    Map: Interpreter.map,
}


@lru_cache
def sources(workflow: Workflow) -> set[Value]:
    """Values that a map goes through."""
    return {term.source for term in walk(workflow.body) if isinstance(term, Map)}


@lru_cache
def reads(term: Term) -> set[Value]:
    """Values that a term, or anything inside it, reads."""
    names = ("inputs", "candidates", "label", "initial", "source")
    given = [getattr(term, name, ()) for name in names]
    own = {v for values in given for v in (values if isinstance(values, tuple) else (values,))}
    for block in blocks_of(term):
        own |= {block.result}.union(*map(reads, block.terms))
    return own


def reads_inside(lane: Block) -> set[Value]:
    """Values that a lane reads, its own included."""
    return {lane.result}.union(*map(reads, lane.terms))


# Random workflows whose values are texts, as a type checker would have them


@dataclass
class Builder:
    """Numbers values and sites.

    `votes` chooses between votes and `any` lists: an answer that is in both can be told from its
    rivals by structure, but not by text.
    """

    draw: st.DrawFn
    votes: bool
    races: bool = False
    values: int = 1
    names: Counter[str] = field(default_factory=Counter)

    def value(self) -> Value:
        self.values += 1
        return self.values - 1

    def site(self, stem: str) -> str:
        self.names[stem] += 1
        return f"{stem}_{self.names[stem]}"

    def pick(self, options: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def some(self, options: Sequence[Value], low: int, high: int) -> tuple[Value, ...]:
        picks = st.lists(st.sampled_from(list(options)), min_size=low, max_size=high, unique=True)
        return tuple(self.draw(picks))

    def call(self, inputs: tuple[Value, ...]) -> Call:
        fresh = self.draw(st.booleans())
        return Call(self.site("call"), self.pick(ANSWERING), inputs, self.value(), fresh)

    def checker(self, site: str) -> Checker:
        if self.draw(st.booleans()):
            return Checker("tests", f"{site}.check", latency_s=0.25)
        decision = self.pick(ANSWERING)
        return Checker(f"agent_{decision}", f"{site}.check", decision)

    def block(
        self, shown: Sequence[Value], texts: Sequence[Value], depth: int, *arguments: Value
    ) -> Block:
        """Terms that read from `shown`; among these, `texts` are single answers."""
        shown, texts = [*shown, *arguments], list(texts)
        first = self.call(self.some(shown, 1, 2))
        terms: list[Term] = [first]
        shown.append(first.output)
        texts.append(first.output)
        kinds = ["call", "tool", "list", "vote" if self.votes else "call", "select"]
        kinds += ["branch", "fallback", "refine", "map"] * (2 if depth else 0)
        kinds += ["first"] * (4 if self.races else 0)
        for _ in range(self.draw(st.integers(0, 2))):
            found = getattr(self, f"_{self.pick(kinds)}")(shown, texts, depth - 1)
            terms += found
            # A router's label is for its branch only, a map's source for its map.
            shown.append(found[-1].output)
            if not isinstance(found[-1], Join | Map):
                texts.append(found[-1].output)
        return Block(tuple(terms), texts[-1], arguments)

    def _call(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        return [self.call(self.some(shown, 1, 3))]

    def _tool(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        return [ToolCall(self.site("tool"), "tidy", self.some(texts, 1, 1), self.value(), 0.5)]

    def _list(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        kinds = ["all", "concat"] if self.votes else ["any", "any", "all"]
        return [Join(self.pick(kinds), self.some(texts, 1, 3), self.value())]

    def _vote(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        more = [self.call((0,)) for _ in range(2)]
        inputs = self.some([*texts, *(call.output for call in more)], 2, 4)
        return [*more, Vote(inputs, self.value())]

    def _first(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        """Between calls of its own, one of which may be tidied, and a value that is there."""
        made: list[Term] = []
        candidates = list(self.some(texts, 0, 1)) if self.draw(st.booleans()) else []
        for _ in range(self.draw(st.integers(2, 3))):
            made.append(self.call(self.some(shown, 1, 1)))
            if self.draw(st.booleans()):
                made += self._tool(shown, [made[-1].output], depth)
            candidates.append(made[-1].output)
        site = self.site("race")
        checker = self.checker(site) if self.draw(st.booleans()) else None
        after: tuple[float, ...] = ()
        if self.draw(st.booleans()):
            after = tuple(self.pick([0.0, 0.4, 1.1]) for _ in candidates)
        return [*made, First(site, tuple(candidates), self.value(), checker, after)]

    def _select(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        candidates = self.some(texts, 1, 3)
        return [Select(self.site("select"), SELECTOR, (0,), candidates, self.value())]

    def _branch(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        router = Call(self.site("router"), ROUTER, (0,), self.value())
        labels = (*LABELS[: self.draw(st.integers(1, 2))], None)
        cases = tuple(Case(label, self.block(shown, texts, depth)) for label in labels)
        site = self.site("branch")
        return [router, Branch(site, router.output, cases, self.value(), ROUTER)]

    def _fallback(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        tiers = [self.block(shown, texts, depth) for _ in range(2)]
        order = self.pick([(0, 0), (0, 1), (0, 0, 1)])
        site = self.site("fallback")
        return [Fallback(site, self.checker(site), tuple(tiers[i] for i in order), self.value())]

    def _refine(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        value, feedback, site = self.value(), self.value(), self.site("refine")
        inside = self.block([*shown, value], [*texts, value], depth)
        body = Block(inside.terms, inside.result, (value, feedback))
        initial, bound = self.pick(texts), self.draw(st.integers(1, 2))
        return [Refine(site, self.checker(site), initial, body, bound, self.value())]

    def _map(self, shown: list[Value], texts: list[Value], depth: int) -> list[Term]:
        source = self.call(self.some(shown, 1, 1))
        item, width = self.value(), self.draw(st.integers(1, 3))
        inside = self.block([*shown, item], texts, depth)
        body = Block(inside.terms, inside.result, (item,))
        site = self.site("map")
        return [source, Map(site, source.output, body, width, width, self.value())]


@st.composite
def workflows(draw: st.DrawFn, races: bool = False) -> Workflow:
    builder = Builder(draw, draw(st.booleans()), races)
    body = builder.block([0], [], 2)
    last = body.terms[-1].output
    return Workflow("random", Block(body.terms, last, (0,)), DECISIONS)


DECISIONS = tuple(
    Decision("random", f"agent_{d}", "", (Configuration(f"model_{d}"),)) for d in range(5)
)


def _scenarios(seed: int) -> Scenarios:
    rng = np.random.default_rng(seed)

    def model(decision: int) -> CallModel:
        def p(low: float = 0.0, high: float = 1.0) -> np.ndarray:
            return rng.uniform(low, high, size=(1, S))

        written = rng.dirichlet(np.ones(len(LABELS) + 1), (1, S))
        return CallModel(
            # A selector among candidates that are all right is right, which `s · P(any)` is not.
            success=np.ones((1, S)) if decision == SELECTOR else p(0.3, 1.0),
            log_latency=rng.normal(0.0, 0.5, (1, S)),
            latency_scale=np.full((1, S), 0.3),
            cost=p(0.5, 1.5),
            recovery=p(0.0, 0.6) if decision == 2 else None,
            output_tokens=p(10, 20),
            input_price=np.array([0.01]),
            accept_right=p(0.6, 1.0),
            accept_wrong=p(0.0, 0.5),
            labels={label: written[..., i] for i, label in enumerate(LABELS)},
        )

    tests = CheckerModel(rng.uniform(0.7, 1.0, S), rng.uniform(0.0, 0.4, S))
    return Scenarios(4, S // 4, tuple(map(model, range(5))), {"tests": tests})


def _run(workflow: Workflow, scenarios: Scenarios, seed: int, concurrent: bool) -> Simulated:
    async def run_one(inputs: Mapping[str, object], llm: LLM, tools: Tools) -> object:
        program = Interpreter(workflow, llm, tools, concurrent)
        value = await program.run()
        started.extend(program.late)
        return value

    started: list[asyncio.Task[None]] = []
    return simulate(run_one, workflow, [0] * 5, scenarios, samples=RUNS, seed=seed)


def _sigmas(differences: np.ndarray) -> float:
    """The mean in standard errors."""
    return abs(float(differences.mean())) / max(standard_error(differences), 1e-9)


given_workflows = given(workflow=workflows(), seed=st.integers(0, 2**16))
quick = settings(
    max_examples=some(20),
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


@quick
@given_workflows
def test_runs_in_sequence_do_on_average_what_the_calculus_expects(
    workflow: Workflow, seed: int
) -> None:
    scenarios = _scenarios(seed)
    expected = expect(workflow, [[0] * 5], scenarios, "sequential")
    assume(expected.calls.mean() < CALLS)
    _as_expected(_run(workflow, scenarios, seed, concurrent=False), expected)


def _as_expected(found: Simulated, expected: Expectation) -> None:
    """Every mean within its standard errors."""
    assert _sigmas(found.right - expected.success[0][found.scenario]) < SIGMAS
    assert _sigmas(found.calls - expected.calls[0][found.scenario]) < SIGMAS
    assert _sigmas(found.cost_usd - expected.cost[0][found.scenario]) < SIGMAS
    assert _sigmas(found.latency_s - expected.latency[0][found.scenario]) < SIGMAS


@quick
@given_workflows
def test_concurrent_runs_take_the_time_that_the_realised_track_draws(
    workflow: Workflow, seed: int
) -> None:
    scenarios = _scenarios(seed)
    drawn = [realise(workflow, [[0] * 5], scenarios, seed=repeat) for repeat in range(20)]
    assume(drawn[0].calls.mean() < CALLS)
    _as_drawn(_run(workflow, scenarios, seed, concurrent=True), drawn)


def _as_drawn(found: Simulated, drawn: Sequence[Realisation]) -> None:
    """The same distribution of latency, of all runs and of those that were right."""
    latency = np.concatenate([run.latency[0] for run in drawn])
    right = np.concatenate([run.right[0] for run in drawn])
    # Exceeded with probability 7e-6; less, since both have equally many runs in every scenario.
    assert _kolmogorov_smirnov(found.latency_s, latency) < 2.5
    of_right = _kolmogorov_smirnov(found.latency_s[found.right > 0], latency[right > 0])
    assert of_right < 2.5


@settings(quick, max_examples=10)
@given(workflow=workflows(races=True), seed=st.integers(0, 2**16))
def test_races_in_turn_do_on_average_what_the_calculus_expects(
    workflow: Workflow, seed: int
) -> None:
    assume(any(isinstance(term, First) for term in walk(workflow.body)))
    scenarios = _scenarios(seed)
    expected = expect(workflow, [[0] * 5], scenarios, "sequential")
    assume(expected.calls.mean() < CALLS)
    _as_expected(_run(workflow, scenarios, seed, concurrent=False), expected)


@settings(quick, max_examples=10)
@given(workflow=workflows(races=True), seed=st.integers(0, 2**16))
def test_races_end_when_and_as_the_realised_track_draws(workflow: Workflow, seed: int) -> None:
    """Also the share that is right: which candidate wins depends on who is there first."""
    assume(any(isinstance(term, First) for term in walk(workflow.body)))
    scenarios = _scenarios(seed)
    drawn = [realise(workflow, [[0] * 5], scenarios, seed=repeat) for repeat in range(20)]
    assume(drawn[0].calls.mean() < CALLS)
    found = _run(workflow, scenarios, seed, concurrent=True)
    _as_drawn(found, drawn)
    right = np.mean([run.right[0] for run in drawn], axis=0)
    # The error of the mean of the draws is that of a run, over the square root of their number.
    assert _sigmas(found.right - right[found.scenario]) < SIGMAS * np.sqrt(1 + RUNS / S / 20)


def _kolmogorov_smirnov(one: np.ndarray, two: np.ndarray) -> float:
    """√(n·m / (n + m)) · the largest distance of two empirical distribution functions."""
    n, m = len(one), len(two)
    if not n or not m:
        return 0.0
    everything = np.sort(np.concatenate([one, two]))
    # Sums of the same terms in another order may differ in their last bits.
    at = everything + 1e-9
    below = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (one, two)]
    return float(np.abs(below[0] - below[1]).max() * np.sqrt(n * m / (n + m)))
