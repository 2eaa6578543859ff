"""A simulated provider: answers, verdicts and latencies drawn as one scenario says.

It stands in for the model client and the tools of emitted code, which runs unchanged. What it
knows of a call is the site's name and the text it is given: whether the inputs were right is read
from the marks of the answers in that text.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowir.calculus.plans import written_tasks
from flowir.errors import SimulationError
from flowir.runtime.llm import Completion, Message, Usage
from flowir.sim.draws import Draw, Draws
from flowir.sim.endpoints import Endpoint
from flowir.sim.marks import Mark, as_items, find, right_answer, wrong_answer
from flowir.sim.plans import AGAIN, LAST, last_plan, next_task, plan_lines
from flowir.sim.rates import Rates
from flowir.sim.reading import Reading
from flowir.sim.roles import Answers, Joins, Judges, Routes, Selects, Writes
from flowir.sim.simulation import Simulation, require
from flowir.sim.tools import SimulatedTools

ACCEPT = "ACCEPT"
REJECT = "REJECT: simulated feedback"
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class SimulatedAnswer:
    """An answer, in the pieces in which it is written, and its latency."""

    completion: Completion
    pieces: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class SimulatedClient:
    """The model client of a provider; plans are written line by line, each in the same time."""

    provider: SimulatedProvider

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        answer = self.provider.begin(node, messages, model, params)
        async for _ in self.provider.written(answer, model, 1):
            pass
        return answer.completion

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        answer = self.provider.begin(node, messages, model, params)
        at = 0
        async for _ in self.provider.written(answer, model, len(answer.pieces)):
            yield answer.pieces[at]
            at += 1
        yield answer.completion


WRONG = Reading(frozenset({-1}))
"""Of an input that is wrong whatever the text shows."""


class SimulatedProvider:
    """The model client (`llm`) and the `tools` of one run, and what the run has used so far.

    Attributes:
        tools: for any symbol a coroutine function.
        calls: how often each site has called a model; a call counts, and costs, once it starts.
        cost_usd: US dollars so far, NaN where a price is not known.
    """

    def __init__(
        self,
        simulation: Simulation,
        scenario: int,
        sample: int = 0,
        endpoints: Mapping[str, Endpoint] | None = None,
    ) -> None:
        """A run in one scenario, so of one query under one draw; `sample` tells repeats apart.

        Calls of a model that has an endpoint take what the endpoint takes at its load; of others,
        what the scenario says.

        Raises:
            SimulationError: no such scenario.
        """
        if not 0 <= scenario < simulation.scenarios.size:
            raise SimulationError(
                f"scenario {scenario}: there are {simulation.scenarios.size}, counted from 0"
            )
        self._simulation = simulation
        self._endpoints = endpoints or {}
        self._scenario = scenario
        self._draws = Draws(simulation.seed, sample, scenario)
        self.tools = SimulatedTools(simulation, scenario, self._draws)
        self.calls: Counter[str] = Counter()
        self.cost_usd = 0.0

    def follow(self, simulation: Simulation) -> None:
        """Go on under other settings of the same workflow."""
        self._simulation = simulation
        self.tools.follow(simulation)

    async def written(
        self, answer: SimulatedAnswer, model: str, pieces: int
    ) -> AsyncIterator[None]:
        """Yields when each piece of the answer is there."""
        endpoint = self._endpoints.get(model)
        if endpoint is None:
            for _ in range(pieces):
                await asyncio.sleep(answer.seconds / pieces)
                yield
            return
        usage = answer.completion.usage
        async for _ in endpoint.serve(usage.input_tokens, usage.output_tokens, pieces):
            yield

    @property
    def llm(self) -> SimulatedClient:
        """The model client."""
        return SimulatedClient(self)

    def begin(
        self, node: str, messages: list[Message], model: str, params: Mapping[str, Any]
    ) -> SimulatedAnswer:
        """Answer as the site's role and the scenario say; to be given after the latency drawn.

        Raises:
            SimulationError: the workflow has no such site, another configuration is asked for than
                the settings say, or the prompt lacks an answer it must contain.
        """
        simulation, s = self._simulation, self._scenario
        role = simulation.role(node, model, params)
        rates = simulation.rates[role.decision]
        assert rates is not None
        text = "\0".join(message["content"] for message in messages)
        draw = self._draws.next(node, text)
        marks = find(text)
        self.calls[node] += 1
        self.cost_usd += float(rates.cost[s])
        lines: list[str] = []
        match role:
            case Answers():
                answer = self._answer(node, role, rates, marks, draw)
            case Selects():
                answer = self._selection(node, role, rates, marks, draw)
            case Judges():
                require(role.judged, marks, f"the prompt at site {node!r}", text)
                right = role.judged.right(marks)
                answer = ACCEPT if simulation.accepts(role.checker, right, s, draw) else REJECT
            case Routes():
                answer = simulation.label(node, role.event.states, s, draw)
            case Writes():
                right = self._succeeds(node, role, rates, marks, draw)
                lines = self._plan(node, role, right, text)
                answer = "".join(lines)
            case Joins():
                answer = self._join(node, role, rates, text, draw)
        seconds = math.exp(
            rates.log_latency[s] + rates.latency_scale[s] * draw.normal(Draw.LATENCY)
        )
        completion = Completion(answer, _usage(rates, s, text, answer), None, model)
        return SimulatedAnswer(completion, lines or [answer], seconds)

    def _plan(self, node: str, role: Writes, right: bool, text: str) -> list[str]:
        """The lines of a plan."""
        plan = role.plan
        count = 1 + written_tasks(plan.shape)
        draws = [self._draws.next(f"{node} {number}", text) for number in range(count)]
        return plan_lines(plan.shape, plan.tools, role.topic, right, next_task(text), draws)

    def _join(self, node: str, role: Joins, rates: Rates, text: str, draw: Draw) -> str:
        """Another plan, where it may be, with ρ; else the answer, as `_answer` has it."""
        marks = [mark for mark in find(last_plan(text)) if mark.topic == role.seen]
        if not marks:
            raise SimulationError(
                f"the prompt at site {node!r} shows no task of the last plan; the history belongs "
                "into the joiner's prompt, and tools must keep the text"
            )
        right = all(mark.right for mark in marks)
        shape = role.plan.shape
        again = shape.replan_right if right else shape.replan_wrong
        if LAST not in text and draw.uniform(Draw.CHOICE) < again:
            return f"Action: Replan({AGAIN})"
        asked = Answers(role.decision, role.inputs, role.topic, role.fresh)
        found = find(text)
        if not right:
            # The history is an input, and is wrong.
            asked = Answers(role.decision, WRONG, role.topic, role.fresh)
            found = [*found, Mark(-1, False)]
        return f"Action: Finish({self._answer(node, asked, rates, found, draw)})"

    def _answer(
        self, node: str, role: Answers, rates: Rates, marks: Sequence[Mark], draw: Draw
    ) -> str:
        """Right with u·p + (1 − u)·p0; a wrong answer is the common one with g."""
        s = self._scenario
        if self._succeeds(node, role, rates, marks, draw):
            answer = right_answer(role.topic)
        elif draw.uniform(Draw.AGREES) < rates.agreement[s]:
            answer = wrong_answer(role.topic)
        else:
            answer = wrong_answer(role.topic, draw.serial)
        agent = self._simulation.workflow.decisions[role.decision].agent
        return _written(answer, self._simulation.parsers.get(agent), role.items)

    def _succeeds(
        self,
        node: str,
        role: Answers | Selects | Writes,
        rates: Rates,
        marks: Sequence[Mark],
        draw: Draw,
    ) -> bool:
        """With p where the inputs are right, else with p0: observed, of a fresh attempt, or 0."""
        require(role.inputs, marks, f"the prompt at site {node!r}", marks)
        s = self._scenario
        if role.inputs.right(marks):
            p = rates.success[s]
        elif rates.recovery is not None:
            p = rates.recovery[s]
        else:
            p = rates.success[s] if isinstance(role, Answers | Writes) and role.fresh else 0.0
        return bool(draw.uniform(Draw.CORRECT) < p)

    def _selection(
        self, node: str, role: Selects, rates: Rates, marks: Sequence[Mark], draw: Draw
    ) -> str:
        """The number, from 1, of a candidate: a right one if it succeeds and there is one.

        Otherwise it is the number of a wrong one, or of any where all are right.
        """
        topics = frozenset[object]().union(*(reading.keys for reading in role.candidates))
        shown = [mark for mark in marks if mark.topic in topics]
        if len(shown) < len(role.candidates):
            raise SimulationError(
                f"site {node!r}: the prompt shows {len(shown)} answers, but there are "
                f"{len(role.candidates)} candidates; show the selector the text of each"
            )
        candidates = shown[-len(role.candidates) :]
        self.cost_usd += self._reading_cost(role, rates)
        right = [i for i, mark in enumerate(candidates, 1) if mark.right]
        wrong = [i for i, mark in enumerate(candidates, 1) if not mark.right]
        found = self._succeeds(node, role, rates, marks, draw)
        among = right if right and (found or not wrong) else wrong
        return str(among[int(draw.uniform(Draw.CHOICE) * len(among))])

    def _reading_cost(self, role: Selects, rates: Rates) -> float:
        """US dollars for the candidates' text in a selector's prompt."""
        if math.isnan(rates.input_price):
            return 0.0
        writers = (self._simulation.rates[d] for d in role.writers if d is not None)
        written = (float(w.output_tokens[self._scenario]) for w in writers if w is not None)
        return rates.input_price * sum(n for n in written if not math.isnan(n))


def _written(answer: str, parser: str | None, items: int | None) -> str:
    """An answer in the form that its parser reads."""
    listed = None if items is None else as_items(answer, items)
    match parser or ("lines" if listed else "text"):
        case "json":
            return json.dumps(answer if listed is None else listed)
        case "code":
            return f"```\n{answer}\n```"
        case _:
            return answer if listed is None else "\n".join(listed)


def _usage(rates: Rates, scenario: int, prompt: str, answer: str) -> Usage:
    """Tokens written as expected in the scenario, else, and for the prompt, by its length."""
    tokens = float(rates.output_tokens[scenario])
    written = _tokens(answer) if math.isnan(tokens) else round(tokens)
    return Usage(_tokens(prompt), written)


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)
