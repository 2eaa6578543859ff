"""A made-up world to predict and to evaluate, with the true value of every point. All simulated.

It breaks what the cost model assumes, on purpose: queries are of two kinds, easy and hard, for all
models alike; each model finds queries of its own hard besides, whatever the kind; one query in ten
takes four times as long; and the tests, whose rates are not stated, let some wrong answers pass
always and others never.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.configuration import Configuration
from flowir.profile import Observation, Price

Array = npt.NDArray[np.float64]

WORKFLOW = """
flow.agent @coder prompt "Complete this function: {task}"
  space <models = ["small", "medium", "large"]> baseline <"large">
flow.tool @tests impl "a:b" -> !flow.bool effect pure
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %answer = flow.alternatives "strategy" -> !flow.text
    "once" {
      %one = flow.call @coder(%task) : (!flow.text) -> !flow.text
      flow.yield %one : !flow.text
    }
    "retry" {
      %kept = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
        %try = flow.call @coder(%task) : (!flow.text) -> !flow.text
        flow.yield %try : !flow.text
      }
      flow.yield %kept : !flow.text
    }
    "cascade" {
      %best = flow.fallback until @tests(%task : !flow.text) -> !flow.text {
        %first = flow.call @coder(%task) as "cheap" : (!flow.text) -> !flow.text
        flow.yield %first : !flow.text
      } else {
        %second = flow.call @coder(%task) as "dear" : (!flow.text) -> !flow.text
        flow.yield %second : !flow.text
      }
      flow.yield %best : !flow.text
    }
  flow.return %answer : !flow.text
}
"""
MODELS = ("small", "medium", "large")
PRICES = {"small": Price(0.5, 1.5), "medium": Price(3.0, 6.0), "large": Price(10.0, 30.0)}
READ = 300
HARD_SHARE, SLOW_SHARE, SLOW = 0.3, 0.1, 4.0
PASSES_ALWAYS = 0.2
ACCEPT_RIGHT = 0.95
NOISE = 0.3
REPEATS = 2


@dataclass(frozen=True, eq=False)
class World:
    """Queries, and what each model does on them.

    Attributes:
        chance: [M, Q] of a right answer.
        seconds: [M, Q] median latency.
        tokens: [M, Q] written.
        passes: [Q] whether the tests let wrong answers pass.
    """

    chance: Array
    seconds: Array
    tokens: Array
    passes: Array

    @staticmethod
    def drawn(queries: int, rng: np.random.Generator) -> World:
        """So many queries."""
        shape = (len(MODELS), queries)
        hard = rng.random(queries) < HARD_SHARE
        level = np.array([0.6, 1.6, 2.6])[:, None]
        logit = level - 3.0 * hard + rng.normal(0.0, 1.5, shape)
        slow = np.where(rng.random(queries) < SLOW_SHARE, SLOW, 1.0)
        seconds = np.array([0.8, 1.5, 4.0])[:, None] * np.exp(rng.normal(0.0, 0.2, shape)) * slow
        tokens = np.round(np.array([150.0, 200.0, 260.0])[:, None] * (1.0 + 0.8 * hard))
        passes = (rng.random(queries) < PASSES_ALWAYS).astype(float)
        return World(1.0 / (1.0 + np.exp(-logit)), seconds, tokens, passes)

    def observations(self, rng: np.random.Generator) -> Iterator[Observation]:
        """What a profile would see: every model on every query, and verdicts on its answers."""
        for query in range(self.chance.shape[1]):
            for number, model in enumerate(MODELS):
                for repeat in range(REPEATS):
                    right = bool(rng.random() < self.chance[number, query])
                    written = float(self.tokens[number, query])
                    yield Observation(
                        "coder",
                        Configuration(model),
                        f"q{query}",
                        str(repeat),
                        float(right),
                        float(self.seconds[number, query] * np.exp(NOISE * rng.normal())),
                        float(READ),
                        written,
                        dollars(model, written),
                    )
                    rate = ACCEPT_RIGHT if right else self.passes[query]
                    yield Observation(
                        "tests",
                        Configuration("tool"),
                        f"q{query}",
                        f"{model}{repeat}",
                        input_correct=right,
                        answer="accept" if rng.random() < rate else "reject",
                        latency_s=0.01,
                    )

    def scenarios(self, decisions: int) -> Scenarios:
        """The truth, for a workflow whose decisions all are of the coder."""
        queries = self.chance.shape[1]
        rows = zip(MODELS, self.tokens, strict=True)
        cost = np.array([[dollars(model, tokens) for tokens in row] for model, row in rows])
        scale = np.full(self.chance.shape, NOISE)
        call = CallModel(self.chance, np.log(self.seconds), scale, cost)
        tests = CheckerModel(np.full(queries, ACCEPT_RIGHT), self.passes)
        return Scenarios(1, queries, (call,) * decisions, {"tests": tests})


def dollars(model: str, written: float) -> float:
    """US dollars of a call."""
    price = PRICES[model]
    return 1e-6 * (READ * price.input_per_mtok + written * price.output_per_mtok)
