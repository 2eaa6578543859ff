"""A simulated provider: answers, verdicts and latencies drawn as one scenario says.

It stands in for the model client and the tools of emitted code, which runs unchanged. What it
knows of a call is the site's name and the text it is given: whether the inputs were right is read
from the marks of the answers in that text.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.calculus.rows import Quantity
from flowir.calculus.scenarios import Array, Scenarios
from flowir.calculus.terms import Checker, Workflow
from flowir.configuration import Configuration
from flowir.errors import SimulationError
from flowir.runtime.llm import Completion, Message, Usage
from flowir.sim.draws import Draw, Draws
from flowir.sim.marks import Mark, find, find_all, right_answer, texts, wrong_answer
from flowir.sim.rates import Rates, checker_rates, rates_in_force
from flowir.sim.reading import Reading
from flowir.sim.roles import Answers, Judges, Roles, Routes, Selects, ToolRole, roles_of

ACCEPT = "ACCEPT"
REJECT = "REJECT: simulated feedback"
OTHER_LABEL = "simulated_other_label"
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Simulation:
    """A specialised workflow with its configurations and scenarios, checked and ready to run.

    Attributes:
        settings: for each decision, the index of the configuration in force.
        seed: all randomness depends on it.
        parsers: for each agent, how its answer is read ("text" unless given; "lines" where a map
            goes through it): answers are written to be read so.

    Raises:
        SimulationError: settings or scenarios that do not fit the workflow.
        CalculusError: the rates of a checker are not known.
    """

    workflow: Workflow
    settings: Sequence[int]
    scenarios: Scenarios
    seed: int = 0
    parsers: Mapping[str, str] = field(default_factory=dict)
    roles: Roles = field(init=False)
    rates: tuple[Rates | None, ...] = field(init=False)
    verdicts: Mapping[Checker, tuple[Array, Array]] = field(init=False)
    labels: Mapping[str, tuple[Quantity, ...]] = field(init=False)

    def __post_init__(self) -> None:
        workflow, settings, scenarios = self.workflow, self.settings, self.scenarios
        roles = roles_of(workflow)
        checkers = {role.checker for role in roles.sites.values() if isinstance(role, Judges)}
        checkers |= {tool.checker for tool in roles.tools.values() if tool.checker is not None}
        found = {
            "roles": roles,
            "rates": rates_in_force(workflow, settings, scenarios),
            "verdicts": {c: checker_rates(workflow, settings, scenarios, c) for c in checkers},
            "labels": _label_probabilities(roles, settings, scenarios),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def provider(self, scenario: int, sample: int = 0) -> SimulatedProvider:
        """A provider for one run: one query under one draw; `sample` tells repeats apart.

        Raises:
            SimulationError: no such scenario.
        """
        if not 0 <= scenario < self.scenarios.size:
            raise SimulationError(
                f"scenario {scenario}: there are {self.scenarios.size}, counted from 0"
            )
        return SimulatedProvider(self, scenario, Draws(self.seed, sample, scenario))

    def rightness(self, value: object) -> float:
        """1 if the workflow's result is right, 0 if wrong; the share of right items of a mean map.

        Raises:
            SimulationError: the result carries no mark of the answers it must be made of.
        """
        reading = self.roles.result
        if self.roles.mean and isinstance(value, list | tuple):
            marks = [find_all(item) for item in value]
            return sum(map(reading.right, marks)) / len(marks) if marks else 1.0
        found = find_all(value)
        _require(reading, found, f"the result of workflow {self.workflow.name}", value)
        return float(reading.right(found))

    def configuration(self, decision: int) -> Configuration:
        """The configuration in force."""
        return self.workflow.decisions[decision].configurations[self.settings[decision]]


class SimulatedProvider:
    """The model client (`llm`) and the `tools` of one run, and what the run has used so far.

    Attributes:
        tools: for any symbol a coroutine function.
        calls: how often each site has called a model; a call counts, and costs, once it starts.
        cost_usd: US dollars so far, NaN where a price is not known.
    """

    def __init__(self, simulation: Simulation, scenario: int, draws: Draws) -> None:
        self._simulation = simulation
        self._scenario = scenario
        self._draws = draws
        self.tools = SimulatedTools(simulation, scenario, draws)
        self.calls: Counter[str] = Counter()
        self.cost_usd = 0.0

    async def llm(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        """Answer as the site's role and the scenario say, after the latency drawn.

        Raises:
            SimulationError: the workflow has no such site, another configuration is asked for than
                the settings say, or the prompt lacks an answer it must contain.
        """
        simulation, s = self._simulation, self._scenario
        role = simulation.roles.sites.get(node)
        if role is None:
            known = ", ".join(sorted(simulation.roles.sites)) or "nowhere"
            raise SimulationError(
                f"site {node!r}: workflow {simulation.workflow.name} calls a model only at {known};"
                " simulate the workflow, and the choices, that the code was emitted from"
            )
        _check_call(node, simulation, role.decision, model, params)
        rates = simulation.rates[role.decision]
        assert rates is not None
        text = "\0".join(message["content"] for message in messages)
        draw = self._draws.next(node, text)
        marks = find(text)
        self.calls[node] += 1
        self.cost_usd += float(rates.cost[s])
        match role:
            case Answers():
                answer = self._answer(node, role, rates, marks, draw)
            case Selects():
                answer = self._selection(node, role, rates, marks, draw)
            case Judges():
                _require(role.judged, marks, f"the prompt at site {node!r}", text)
                accepted = _verdict(simulation, role.checker, s, role.judged.right(marks), draw)
                answer = ACCEPT if accepted else REJECT
            case Routes():
                answer = _label(role.event.states, simulation.labels[node], s, draw)
        await asyncio.sleep(
            math.exp(rates.log_latency[s] + rates.latency_scale[s] * draw.normal(Draw.LATENCY))
        )
        return Completion(answer, _usage(rates, s, text, answer), None, model)

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
        self, node: str, role: Answers | Selects, rates: Rates, marks: Sequence[Mark], draw: Draw
    ) -> bool:
        """With p where the inputs are right, else with p0: observed, of a fresh attempt, or 0."""
        _require(role.inputs, marks, f"the prompt at site {node!r}", marks)
        s = self._scenario
        if role.inputs.right(marks):
            p = rates.success[s]
        elif rates.recovery is not None:
            p = rates.recovery[s]
        else:
            p = rates.success[s] if isinstance(role, Answers) and role.fresh else 0.0
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


Tool = Callable[..., Coroutine[Any, Any, object]]


class SimulatedTools(Mapping[str, Tool]):
    """The tools of one run, by symbol; a symbol the calculus does not know passes text on."""

    def __init__(self, simulation: Simulation, scenario: int, draws: Draws) -> None:
        self._simulation = simulation
        self._scenario = scenario
        self._draws = draws
        self._tools: dict[str, Tool] = {}

    def __getitem__(self, name: str) -> Tool:
        if (known := self._tools.get(name)) is not None:
            return known
        role = self._simulation.roles.tools.get(name, ToolRole())

        async def tool(*arguments: object, **named: object) -> object:
            return await self._run(name, role, (*arguments, *named.values()))

        return self._tools.setdefault(name, tool)

    def __iter__(self) -> Iterator[str]:
        return iter(self._simulation.roles.tools)

    def __len__(self) -> int:
        return len(self._simulation.roles.tools)

    async def _run(self, name: str, role: ToolRole, arguments: tuple[object, ...]) -> object:
        draw = self._draws.next(f"@{name}", "\0".join(texts(arguments)))
        if role.latency_s > 0:
            await asyncio.sleep(role.latency_s)
        if role.checker is not None:
            marks = find_all(arguments[-1])
            _require(role.judged, marks, f"what checker @{name} judges", arguments[-1])
            right = role.judged.right(marks)
            return _verdict(self._simulation, role.checker, self._scenario, right, draw)
        if role.event is not None:
            probabilities = self._simulation.labels[f"@{name}"]
            return _label(role.event.states, probabilities, self._scenario, draw)
        passed = _passed_on(arguments)
        if role.items is None or isinstance(passed, list):
            return passed
        return _items(str(passed), role.items)


def _check_call(
    node: str, simulation: Simulation, decision: int, model: str, params: Mapping[str, Any]
) -> None:
    """The model, budget and sampling parameters are those of the configuration in force."""
    wanted = simulation.configuration(decision)
    if model != wanted.model:
        raise SimulationError(
            f"site {node!r}: the code asks for {model}, the settings say {wanted}; simulate the "
            "point that the code runs"
        )
    asked = {"budget": wanted.budget} if wanted.budget is not None or "budget" in params else {}
    for name, value in (*asked.items(), *wanted.params):
        if params.get(name) != value:
            raise SimulationError(
                f"site {node!r}: the code asks for {name} {params.get(name)}, the settings say "
                f"{wanted}; simulate the point that the code runs"
            )


def _require(reading: Reading, marks: Sequence[Mark], where: str, shown: object) -> None:
    if reading.missing(marks) is not None:
        raise SimulationError(
            f"{where} lacks an answer it must contain: {str(shown)[:200]!r}; every operand belongs "
            "into the prompt, and parsers and tools must keep the text"
        )


def _verdict(
    simulation: Simulation, checker: Checker, scenario: int, right: bool, draw: Draw
) -> bool:
    accept_right, accept_wrong = simulation.verdicts[checker]
    rate = accept_right[scenario] if right else accept_wrong[scenario]
    return bool(draw.uniform(Draw.CORRECT) < rate)


def _label(
    states: Sequence[str | None], probabilities: Sequence[Quantity], scenario: int, draw: Draw
) -> str:
    """A label by its probability; one that no branch names where it falls to `else`."""
    known = [p if isinstance(p, float) else float(p[scenario]) for p in probabilities]
    ends = itertools.accumulate(known)
    at = draw.uniform(Draw.CORRECT)
    # The last state also takes what rounding leaves of the sum.
    state = next((state for state, end in zip(states, ends, strict=True) if at < end), states[-1])
    return OTHER_LABEL if state is None else state


def _label_probabilities(
    roles: Roles, settings: Sequence[int], scenarios: Scenarios
) -> dict[str, tuple[Quantity, ...]]:
    """For each routing site, and each tool that writes labels, the probability of each state."""
    found: dict[str, tuple[Quantity, ...]] = {}
    for site, role in roles.sites.items():
        if isinstance(role, Routes):
            row = settings[role.decision]
            states = role.event.probabilities(scenarios.calls[role.decision].labels)
            found[site] = tuple(p if isinstance(p, float) else p[row] for p in states)
    for name, tool in roles.tools.items():
        if tool.event is not None:
            found[f"@{name}"] = tool.event.probabilities({})
    return found


def _written(answer: str, parser: str | None, items: int | None) -> str:
    """An answer in the form that its parser reads."""
    listed = None if items is None else _items(answer, items)
    match parser or ("lines" if listed else "text"):
        case "json":
            return json.dumps(answer if listed is None else listed)
        case "code":
            return f"```\n{answer}\n```"
        case _:
            return answer if listed is None else "\n".join(listed)


def _items(answer: str, count: int) -> list[str]:
    """The lines of a list that was written as such, else one item per number."""
    lines = [line for line in answer.splitlines() if line.strip()]
    return lines if len(lines) == count else [f"{answer} item {i + 1}" for i in range(count)]


def _passed_on(arguments: Sequence[object]) -> object:
    """What a tool that does nothing gives: the arguments that carry marks, else the last one."""
    marked = [argument for argument in arguments if find_all(argument)]
    if len(marked) == 1:
        return marked[0]
    if marked:
        return "\n".join(text for argument in marked for text in texts(argument))
    return arguments[-1] if arguments else ""


def _usage(rates: Rates, scenario: int, prompt: str, answer: str) -> Usage:
    """Tokens written as expected in the scenario, else, and for the prompt, by its length."""
    tokens = float(rates.output_tokens[scenario])
    written = _tokens(answer) if math.isnan(tokens) else round(tokens)
    return Usage(_tokens(prompt), written)


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)
