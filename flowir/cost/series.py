"""What the cost model is fitted to: observations gathered into series, one per arm and quantity.

An *arm* is one agent in one configuration. A *binary series* counts successes of one kind of event
of an arm per query; a *log series* keeps the sufficient statistics of the logarithm of one positive
quantity (latency, tokens) of an arm per query.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.configuration import Configuration
from flowir.profile.observations import VERDICTS, Codes, Floats, Observations

SUCCESS = "success"
RECOVERY = "recovery"
ACCEPT_RIGHT = "accept right"
ACCEPT_WRONG = "accept wrong"
KINDS = (SUCCESS, RECOVERY, ACCEPT_RIGHT, ACCEPT_WRONG)
"""Binary events: right given right input, right given wrong input, accepts right, accepts wrong."""

LATENCY = "latency"
OUTPUT_TOKENS = "output tokens"
INPUT_TOKENS = "input tokens"
MONEY = "cost"
PACE = "pace"
"""Latency over what its tokens take; see :mod:`flowir.cost.latency`."""

SMALLEST = {LATENCY: 1e-6, OUTPUT_TOKENS: 0.5, MONEY: 1e-9, PACE: 1e-6}
"""Smaller values are taken as this one before the logarithm: zero tokens, calls free of charge."""

GRADE_STEPS = 16
"""Sums of graded successes are rounded to this fraction of one success."""


@dataclass(frozen=True)
class Arm:
    """One agent in one configuration."""

    agent: str
    configuration: Configuration

    def __str__(self) -> str:
        return f"{self.agent} on {self.configuration}"


@dataclass(frozen=True)
class BinaryTable:
    """Counts of E binary series on Q queries.

    Attributes:
        arms: [E] whose events.
        kinds: [E] index into `KINDS`.
        right: [E, Q] sum of successes, in steps of 1 / `GRADE_STEPS`.
        trials: [E, Q] number of calls.
    """

    arms: tuple[Arm, ...]
    kinds: tuple[int, ...]
    right: Floats
    trials: Floats


@dataclass(frozen=True)
class LogTable:
    """Statistics of the logarithm of one quantity for E arms on Q queries.

    Attributes:
        count: [E, Q] number of calls.
        mean: [E, Q] mean of the logarithm; 0 where there are no calls.
        squares: [E, Q] sum of squared deviations from that mean.
    """

    arms: tuple[Arm, ...]
    count: Floats
    mean: Floats
    squares: Floats


def judges(observations: Observations) -> frozenset[str]:
    """The agents whose every answer is a verdict."""
    accepted = [i for i, answer in enumerate(observations.answers) if answer in VERDICTS]
    answered = observations.answer >= 0
    verdict = np.isin(observations.answer, accepted)
    found = []
    for code, agent in enumerate(observations.agents):
        rows = (observations.agent == code) & answered
        if rows.any() and bool(verdict[rows].all()):
            found.append(agent)
    return frozenset(found)


def binary_table(observations: Observations) -> BinaryTable:
    """All binary series of observations without infrastructure errors."""
    kind, value = _events(observations)
    kept = ~np.isnan(value)
    arms, arm = arm_codes(observations)
    keys = arm.astype(np.int64) * len(KINDS) + kind
    used = np.unique(keys[kept])
    row = np.searchsorted(used, keys[kept])
    shape = (len(used), len(observations.queries))
    right, trials = np.zeros(shape), np.zeros(shape)
    np.add.at(right, (row, observations.query[kept]), value[kept])
    np.add.at(trials, (row, observations.query[kept]), 1.0)
    return BinaryTable(
        tuple(arms[key // len(KINDS)] for key in used),
        tuple(int(key % len(KINDS)) for key in used),
        np.round(right * GRADE_STEPS) / GRADE_STEPS,
        trials,
    )


def _events(observations: Observations) -> tuple[npt.NDArray[np.int64], Floats]:
    """[N] kind and [N] outcome of each row, NaN where the row says nothing about an event."""
    judging = judges(observations)
    judge = np.array([agent in judging for agent in observations.agents], dtype=np.bool_)
    is_verdict = judge[observations.agent] & (observations.answer >= 0)
    accepts = np.array([answer == "accept" for answer in (*observations.answers, "")])
    value = np.where(is_verdict, accepts[observations.answer].astype(float), observations.correct)
    kind = np.where(
        is_verdict,
        np.where(observations.input_correct, KINDS.index(ACCEPT_RIGHT), KINDS.index(ACCEPT_WRONG)),
        np.where(observations.input_correct, KINDS.index(SUCCESS), KINDS.index(RECOVERY)),
    )
    return kind.astype(np.int64), np.where(judge[observations.agent] & ~is_verdict, np.nan, value)


def log_table(observations: Observations, quantity: str, column: Floats) -> LogTable:
    """The log series of one quantity whose values are `column` [N], NaN where not measured."""
    kept = ~np.isnan(column)
    arms, arm = arm_codes(observations)
    used = np.unique(arm[kept])
    row, query = np.searchsorted(used, arm[kept]), observations.query[kept]
    values = np.log(np.maximum(column[kept], SMALLEST[quantity]))
    shape = (len(used), len(observations.queries))
    count, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(count, (row, query), 1.0)
    np.add.at(total, (row, query), values)
    mean = total / np.maximum(count, 1.0)
    np.add.at(squares, (row, query), (values - mean[row, query]) ** 2)
    return LogTable(tuple(arms[code] for code in used), count, mean, squares)


def arm_codes(observations: Observations) -> tuple[tuple[Arm, ...], Codes]:
    """The arms observed, sorted by agent then configuration, and the [N] arm of each row."""
    width = len(observations.configurations)
    keys = observations.agent.astype(np.int64) * width + observations.configuration
    used, codes = np.unique(keys, return_inverse=True)
    arms = tuple(
        Arm(observations.agents[key // width], observations.configurations[key % width])
        for key in used
    )
    return arms, codes.astype(np.int32)


def correlation(
    arms: Iterable[Arm], others: Iterable[Arm], kinds: Iterable[int], other_kinds: Iterable[int]
) -> Floats:
    """[E, E'] prior correlation of the effects of two series; 0 between kinds.

    Shares of variance: the agent 0.2, the model 0.3, the pair of them 0.2, budgets near each other
    on a logarithmic scale (no direction implied) 0.2, the configuration itself 0.1.
    """
    left, right = list(zip(arms, kinds, strict=True)), list(zip(others, other_kinds, strict=True))
    return np.array(
        [[_correlation(a, b) if i == j else 0.0 for b, j in right] for a, i in left], dtype=float
    ).reshape(len(left), len(right))


def _correlation(a: Arm, b: Arm) -> float:
    if a == b:
        return 1.0
    agent, model = a.agent == b.agent, a.configuration.model == b.configuration.model
    both = agent and model
    near = _budget_nearness(a.configuration, b.configuration) if both else 0.0
    return 0.2 * agent + 0.3 * model + 0.2 * both + 0.2 * near


def _budget_nearness(a: Configuration, b: Configuration) -> float:
    if a.budget == b.budget:
        return 1.0
    if isinstance(a.budget, int) and isinstance(b.budget, int):
        octaves = np.log2((a.budget + 64) / (b.budget + 64))
        return float(np.exp(-0.5 * (octaves / 1.5) ** 2))
    return 0.0
