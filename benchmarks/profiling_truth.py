"""A made-up world to profile, with the true value of every configuration. All of it is simulated.

It breaks what the profiler's own belief assumes, on purpose:

- Difficulty of a query is shared by all agents, and each configuration finds queries of its own
  hard besides: on one query, draws of one configuration are alike.
- Latency has a heavy tail: one call in twenty takes five times as long.
- Budgets are not monotone: a model may do worse at the largest one, in some agents and not others.
- What follows wrong inputs takes longer and writes more, while the calculus that values the truth
  takes amounts from right inputs alone; so amounts of such calls mislead a careless reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np

from benchmarks.search_problems import module_of
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.configuration import Configuration
from flowir.profile.calls import Call, Judgement
from flowir.profile.prices import Prices, read_prices
from flowir.profiler.adaptive.arms import Arm, Array
from flowir.profiler.adaptive.fronts import Subjects
from flowir.profiler.caller import cost
from flowir.profiler.planning import grid
from flowir.profiler.requests import Example, Request
from flowir.profiler.workflow import direct_agents, spaces, subject_of

PROFILED, FRESH = 40, 256
"""Queries that can be asked, and queries on which the truth is worked out."""
SLOW, SLOW_SHARE = 5.0, 0.05
NOISE = 0.2
WRONG_INPUT = 1.5
"""How much more is written after a wrong input."""


@dataclass(frozen=True, eq=False)
class World:
    """A workflow, what can be asked, and the answers.

    Attributes:
        chance: [A, Q] of a right answer; the first `PROFILED` queries can be asked.
        seconds: [A, Q] median latency.
        tokens: [A, Q] written.
    """

    subjects: Subjects
    requests: tuple[Request, ...]
    arms: dict[Arm, int]
    chance: Array
    seconds: Array
    tokens: Array
    prices: Prices
    seed: int

    def call(self, request: Request) -> Call:
        """The answer to a request; the same whenever it is asked."""
        key = request.key
        assert request.example is not None
        right = request.example.input_correct
        arm, query = self.arms[Arm(key.agent, key.configuration, right)], int(key.query)
        rng = np.random.default_rng([self.seed, arm, query, key.repetition])
        correct = float(rng.random() < self.chance[arm, query])
        tail = SLOW if rng.random() < SLOW_SHARE else 1.0
        latency = float(self.seconds[arm, query] * np.exp(NOISE * rng.normal()) * tail)
        written = int(self.tokens[arm, query])
        dollars = cost(self.prices, key.configuration, READ, written)
        judged = Judgement("truth", correct)
        return Call(
            *(key, (), None, "", latency, None, READ, written, dollars, right), judgement=judged
        )

    def truth(self) -> Scenarios:
        """Every decision on fresh queries."""
        calls = []
        for decision in self.subjects.workflow.decisions:
            rows = [self.arms[Arm(decision.agent, c)] for c in decision.configurations]
            other = [self.arms.get(Arm(decision.agent, c, False)) for c in decision.configurations]
            known = [row for row in other if row is not None]
            tail = np.log(1.0 + SLOW_SHARE * (SLOW - 1.0))
            fresh = slice(PROFILED, None)
            money = [
                [cost(self.prices, c, READ, t) or 0.0 for t in self.tokens[row, fresh]]
                for row, c in zip(rows, decision.configurations, strict=True)
            ]
            calls.append(
                CallModel(
                    success=self.chance[rows, fresh],
                    log_latency=np.log(self.seconds[rows, fresh]) + tail,
                    latency_scale=np.full((len(rows), FRESH), NOISE),
                    cost=np.array(money),
                    recovery=self.chance[known, fresh] if known else None,
                )
            )
        checkers = {
            name: CheckerModel(np.full(FRESH, rate.right), np.full(FRESH, rate.wrong))
            for name, rate in self.subjects.rates.items()
        }
        return Scenarios(1, FRESH, tuple(calls), checkers)


READ = 500
"""Input tokens of every call."""


def world(name: str, seed: int) -> World:
    """One of FlowCompile's workflows with made-up models behind it."""
    with as_file(files("flowir.examples") / "flowcompile") as folder:
        subject = subject_of(module_of(folder / f"{name}.mlir"))
        prices = read_prices(folder / "prices.csv")
    known = spaces(subject, tuple(subject.agents))
    direct = direct_agents(subject)
    wrong = [a for a in known if a not in direct and a not in subject.selectors]
    examples = {
        agent: [
            Example(agent, str(q), (("user", str(q)),), variant="" if right else "wrong",
                    input_correct=right)
            for q in range(PROFILED)
            for right in ((True, False) if agent in wrong else (True,))
        ]
        for agent in known
    }  # fmt: skip
    arms = {
        arm: number
        for number, arm in enumerate(
            Arm(agent, c, right)
            for agent, some in known.items()
            for right in ((True, False) if agent in wrong else (True,))
            for c in some
        )
    }
    tables = _tables(list(arms), seed)
    requests = tuple(grid(examples, known, 1))
    return World(Subjects.of(subject, known), requests, arms, *tables, prices, seed)


def _tables(arms: list[Arm], seed: int) -> tuple[Array, Array, Array]:
    """Chance, seconds and tokens of every arm on every query."""
    rng = np.random.default_rng([seed, 7])
    queries = PROFILED + FRESH
    difficulty = rng.normal(size=queries)
    models = list(dict.fromkeys(arm.configuration.model for arm in arms))
    rank = {model: i / max(1, len(models) - 1) for i, model in enumerate(models)}
    agents = dict.fromkeys(arm.agent for arm in arms)
    ease = {agent: rng.uniform(-0.2, 0.9) for agent in agents}
    length = {agent: float(np.exp(rng.uniform(5.0, 7.5))) for agent in agents}
    overthinks = {(agent, model): rng.random() < 0.4 for agent in agents for model in models}
    most = {a: max(_budget(x.configuration) for x in arms if x.agent == a) for a in agents}
    rows = []
    for arm in arms:
        chosen, model = arm.configuration, arm.configuration.model
        wanted = length[arm.agent] * (1.6 - 0.6 * rank[model])
        wanted = wanted * np.exp(0.2 * difficulty + 0.25 * rng.normal(size=queries))
        wanted = wanted * (1.0 if arm.input_correct else WRONG_INPUT)
        tokens = np.maximum(1.0, np.minimum(wanted, _budget(chosen)))
        strength = -0.45 + 1.25 * rank[model] + ease[arm.agent] + 0.1 * rng.normal()
        strength = strength - 0.45 * difficulty + 0.35 * rng.normal(size=queries)
        strength = strength - 0.8 * np.maximum(0.0, 1.0 - _budget(chosen) / wanted)
        if overthinks[arm.agent, model] and _budget(chosen) == most[arm.agent]:
            strength = strength - 0.25
        if not arm.input_correct:
            strength = strength - 0.9
        speed = float(np.exp(np.log(420.0) - 1.7 * rank[model]))
        rows.append((1.0 / (1.0 + np.exp(-4.0 * strength)), 0.1 + tokens / speed, tokens))
    chance, seconds, tokens = (np.stack(column) for column in zip(*rows, strict=True))
    return chance, seconds, tokens


def _budget(configuration: Configuration) -> float:
    return float(configuration.budget) if isinstance(configuration.budget, int) else 1e9
