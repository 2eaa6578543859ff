"""What a profile will take, before it is begun: calls, tokens, dollars and minutes per model.

Estimates rest on calls of the same kind where the store has some, else on stated rules of thumb.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from flowir.configuration import Configuration
from flowir.profile.calls import Call, Key
from flowir.profile.prices import Prices
from flowir.profiler.caller import cost
from flowir.profiler.lanes import Lane
from flowir.profiler.requests import Example, Request, request

CHARACTERS_PER_TOKEN = 4.0
OUTPUT_TOKENS = 300.0
"""Written by a call of which nothing is known; a budget in tokens comes on top."""
FIRST_TOKEN_S, PER_TOKEN_S = 0.5, 0.02

RULES = (
    f"Where no call of a kind is stored yet: {CHARACTERS_PER_TOKEN:g} characters per input token, "
    f"{OUTPUT_TOKENS:g} output tokens and all of a token budget, {FIRST_TOKEN_S:g} s and "
    f"{1000 * PER_TOKEN_S:g} ms per output token."
)


@dataclass(frozen=True)
class Planned:
    """What the calls of one model that are still to be made will take.

    Attributes:
        stored: calls that are in the store already.
        cost_usd: None where the model has no price.
        minutes: at its concurrency and rate.
    """

    model: str
    calls: int
    stored: int
    input_tokens: float
    output_tokens: float
    cost_usd: float | None
    minutes: float


def grid(
    examples: Mapping[str, Sequence[Example]],
    spaces: Mapping[str, Sequence[Configuration]],
    repeats: int,
) -> list[Request]:
    """Every example under every configuration of its agent, `repeats` times.

    In an order that is even at any time: repetitions last, and queries before configurations.
    """
    longest = max((len(rows) for rows in examples.values()), default=0)
    return [
        request(rows[number], configuration, repetition)
        for repetition in range(repeats)
        for number in range(longest)
        for agent, rows in examples.items()
        if number < len(rows)
        for configuration in spaces[agent]
    ]


def plan(
    requests: Iterable[Request],
    stored: Mapping[Key, Call],
    lanes: Mapping[str, Lane],
    prices: Prices,
) -> tuple[Planned, ...]:
    """What the requests will take, model by model."""
    seen: dict[tuple[str, Configuration], list[Call]] = {}
    for call in stored.values():
        seen.setdefault((call.key.agent, call.key.configuration), []).append(call)
    kinds = {arm: _Kind.of(arm[1], calls) for arm, calls in seen.items()}
    sums: dict[str, list[float]] = {model: [0.0] * 6 for model in lanes}
    unpriced: set[str] = set()
    for one in requests:
        total = sums[one.model]
        if one.key in stored:
            total[1] += 1
            continue
        arm = (one.key.agent, one.key.configuration)
        kind = kinds.setdefault(arm, _Kind.of(arm[1], ()))
        read = kind.input_tokens or _input_tokens(one)
        dollars = cost(prices, one.key.configuration, read, kind.output_tokens)
        if dollars is None:
            unpriced.add(one.model)
        for place, amount in enumerate(
            (1, 0, read, kind.output_tokens, dollars or 0, kind.seconds)
        ):
            total[place] += amount
    return tuple(
        Planned(
            model,
            int(calls),
            int(before),
            read,
            written,
            None if model in unpriced else dollars,
            _minutes(lanes[model], calls, seconds),
        )
        for model, (calls, before, read, written, dollars, seconds) in sums.items()
    )


def _minutes(lane: Lane, calls: float, seconds: float) -> float:
    by_rate = 0.0 if lane.per_minute is None else calls / lane.per_minute
    return max(by_rate, seconds / lane.concurrency / 60.0)


def _input_tokens(one: Request) -> float:
    return sum(len(text) for _, text in one.messages) / CHARACTERS_PER_TOKEN


@dataclass(frozen=True)
class _Kind:
    """Means of the calls of one agent in one configuration; input tokens 0 where not known."""

    input_tokens: float
    output_tokens: float
    seconds: float

    @staticmethod
    def of(configuration: Configuration, calls: Sequence[Call]) -> _Kind:
        budget = configuration.budget if isinstance(configuration.budget, int) else 0
        written = _mean((c.output_tokens for c in calls), OUTPUT_TOKENS + budget)
        guess = FIRST_TOKEN_S + PER_TOKEN_S * written
        return _Kind(
            _mean((c.input_tokens for c in calls), 0.0),
            written,
            _mean((c.latency_s for c in calls), guess),
        )


def _mean(values: Iterable[float | None], otherwise: float) -> float:
    known = [value for value in values if value is not None]
    return fmean(known) if known else otherwise
