"""Writes the observations of the examples from a stated ground truth. Every row is synthetic.

    python -m flowir.examples.synthesise [FOLDER]

For agent a under configuration c on query q, with d_q ~ N(0, 1) the query's difficulty, shared by
all agents, and e_cq ~ N(0, 1) what only this configuration finds hard about it:

    p = sigmoid(4 · (strength_ac − 0.45 d_q + 0.35 e_cq))          chance of a right answer
    answer = "right", else with chance 0.6 the query's common wrong answer, else one of its own
    tokens = length_a · verbosity_m · exp(0.2 d_q + 0.25 N(0, 1)), at most the budget
    latency = (overhead_m + tokens / rate_m) · exp(0.2 N(0, 1))    seconds

The factor 4 makes single queries nearly all-or-nothing, as real ones are. A budget that cuts an
answer short costs strength: 0.8 · max(0, 1 − budget / wanted tokens).
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

COLUMNS = (
    "sub_agent",
    "model",
    "budget",
    "query_id",
    "sample",
    "correct",
    "latency_s",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "input_correct",
    "answer",
    "error",
)


@dataclass(frozen=True)
class Model:
    """A synthetic model: strength (0 is even odds), verbosity, overhead in s, tokens per second."""

    name: str
    strength: float
    verbosity: float
    overhead_s: float
    tokens_per_s: float


@dataclass(frozen=True)
class Agent:
    """A synthetic sub-agent: how easy its task is, tokens read and written, recovery if any.

    `recovery` is added to the strength where the input was wrong; None leaves such rows out.
    `only_wrong` says that the agent only ever sees wrong inputs, as a repairer does.
    """

    name: str
    ease: float
    input_tokens: int
    output_tokens: int
    recovery: float | None = None
    only_wrong: bool = False


@dataclass(frozen=True)
class Truth:
    """The ground truth of one example."""

    models: Sequence[Model]
    agents: Sequence[Agent]
    budgets: Sequence[int | None]
    queries: int
    samples: int
    seed: int


OPENAI = (
    Model("gpt-3.5-turbo-0613", 0.60, 0.8, 0.3, 95.0),
    Model("gpt-3.5-turbo-1106", 0.58, 1.0, 0.3, 95.0),
    Model("gpt-3.5-turbo-0125", 0.55, 1.1, 0.3, 100.0),
    Model("gpt-4-0613", 1.00, 1.5, 0.6, 24.0),
    Model("gpt-4-1106-preview", 1.02, 2.3, 0.7, 27.0),
    Model("gpt-4-turbo-2024-04-09", 1.12, 2.4, 0.7, 31.0),
)

QWEN = (
    Model("qwen3-0.6b", -0.45, 1.6, 0.05, 420.0),
    Model("qwen3-1.7b", 0.00, 1.4, 0.06, 300.0),
    Model("qwen3-4b", 0.42, 1.2, 0.08, 190.0),
    Model("qwen3-8b", 0.62, 1.1, 0.10, 120.0),
    Model("qwen3-14b", 0.80, 1.0, 0.14, 75.0),
)

TRUTHS = {
    "code_repair/observations.synthetic.csv": Truth(
        OPENAI, (Agent("coder", 0.0, 190, 135),), (None,), queries=80, samples=3, seed=1
    ),
    "flowcompile/math.synthetic.csv": Truth(
        QWEN,
        (
            Agent("detailed", 0.45, 120, 900),
            Agent("generate", 0.30, 110, 420),
            Agent("programmer", 0.25, 130, 500),
            Agent("refine", 0.75, 620, 450, recovery=-0.95),
            Agent("sc_ensemble", 1.00, 1500, 300),
        ),
        (200, 800, 2000, 8000),
        queries=40,
        samples=1,
        seed=2,
    ),
    "flowcompile/hotpotqa.synthetic.csv": Truth(
        QWEN,
        (
            Agent("answer_generate", 0.10, 1400, 250),
            Agent("sc_ensemble", 0.90, 1900, 120),
            Agent("format_answer", 1.30, 1500, 40, recovery=-2.4),
        ),
        (50, 200, 800, 4000),
        queries=40,
        samples=1,
        seed=3,
    ),
    "flowcompile/livecodebench.synthetic.csv": Truth(
        QWEN,
        (
            Agent("code_generate", -0.25, 600, 3200),
            Agent("sc_ensemble", 0.80, 3000, 400),
            Agent("fix", -0.55, 1800, 2600, recovery=0.0, only_wrong=True),
        ),
        (200, 1500, 5000, 16000),
        queries=40,
        samples=1,
        seed=4,
    ),
}


def rows(truth: Truth) -> Iterator[dict[str, object]]:
    """Observations drawn from the ground truth, in a fixed order."""
    random = np.random.default_rng(truth.seed)
    difficulty = random.normal(size=truth.queries)
    for agent in truth.agents:
        for model in truth.models:
            for budget in truth.budgets:
                own = random.normal(size=truth.queries)
                for query in range(truth.queries):
                    for sample in range(truth.samples):
                        for input_correct in _inputs(agent):
                            yield _row(
                                random,
                                agent,
                                model,
                                budget,
                                query,
                                sample,
                                difficulty[query],
                                own[query],
                                input_correct,
                            )


def _inputs(agent: Agent) -> tuple[bool, ...]:
    if agent.only_wrong:
        return (False,)
    return (True,) if agent.recovery is None else (True, False)


def _row(
    random: np.random.Generator,
    agent: Agent,
    model: Model,
    budget: int | None,
    query: int,
    sample: int,
    difficulty: float,
    own: float,
    input_correct: bool,
) -> dict[str, object]:
    wanted = agent.output_tokens * model.verbosity
    wanted *= np.exp(0.2 * difficulty + 0.25 * random.normal())
    tokens = max(1, round(wanted if budget is None else min(wanted, budget)))
    strength = model.strength + agent.ease - 0.45 * difficulty + 0.35 * own
    if budget is not None:
        strength -= 0.8 * max(0.0, 1.0 - budget / wanted)
    if not input_correct:
        strength += agent.recovery or 0.0
    right = random.random() < 1.0 / (1.0 + np.exp(-4.0 * strength))
    common = random.random() < 0.6
    wrong = "common wrong" if common else f"wrong {random.integers(10**6)}"
    seconds = (model.overhead_s + tokens / model.tokens_per_s) * np.exp(0.2 * random.normal())
    return {
        "sub_agent": agent.name,
        "model": model.name,
        "budget": "" if budget is None else budget,
        "query_id": f"q{query:03d}",
        "sample": sample,
        "correct": int(right),
        "latency_s": f"{seconds:.3f}",
        "input_tokens": agent.input_tokens,
        "output_tokens": tokens,
        "cost_usd": "",
        "input_correct": "" if input_correct else 0,
        "answer": "right" if right else wrong,
        "error": "",
    }


def main() -> None:
    """Write every example's observations below a folder, by default the one of this file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, truth in TRUTHS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows(truth))
        print(path)


if __name__ == "__main__":
    main()
