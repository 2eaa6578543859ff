"""Measures an endpoint: time to the first token and per output token, against concurrency.

Closed loop: so many requests are kept open, and each that ends is followed by the next. Every
prompt begins differently, so that no cache of prefixes answers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flowir.engines.measured import EngineProfile, Load, Spread
from flowir.errors import ProfilerError
from flowir.runtime.llm import LLM, CallError, Message

WORDS = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world")
"""One token each, in the vocabularies in use."""
INSTRUCTION = "Ignore the words above. Count upwards from one in words, without end."


@dataclass(frozen=True)
class Probe:
    """How an endpoint is measured.

    Attributes:
        loads: numbers of requests that are open at the same time; 1 is measured in any case.
        input_tokens: about so many per request; the first of them under load.
        output_tokens: at most so many per request.
        requests: per load, after the first `concurrency` ones, which are not counted.
        length_field: the name of the limit of the output in a request.
    """

    loads: Sequence[int] = (1, 2, 4, 8)
    input_tokens: Sequence[int] = (256, 2048)
    output_tokens: int = 64
    requests: int = 16
    length_field: str = "max_tokens"
    timeout_s: float = 120.0
    seed: int = 0


@dataclass(frozen=True)
class Timed:
    """One request; tokens as the endpoint counts them, seconds on the clock of the loop."""

    input_tokens: int
    output_tokens: int
    ttft_s: float
    total_s: float
    ended: float

    @property
    def per_output_token_s(self) -> float:
        """Seconds per output token after the first."""
        return (self.total_s - self.ttft_s) / (self.output_tokens - 1)


async def measure(
    llm: LLM, model: str, probe: Probe, said: Callable[[str], None] = lambda line: None
) -> EngineProfile:
    """The engine profile of a model.

    Args:
        llm: must read answers as they are written.
        said: called with a line as each part begins.

    Raises:
        ProfilerError: a request failed, or nothing can be told from the answers.
    """
    chance = random.Random(probe.seed)
    alone: list[Timed] = []
    for tokens in probe.input_tokens:
        said(f"{model}: alone, {tokens} input tokens")
        alone += await _closed_loop(llm, model, probe, 1, tokens, chance)
    base, per_token = line([one.input_tokens for one in alone], [one.ttft_s for one in alone])
    loads: list[Load] = []
    for concurrency in sorted({1, *probe.loads}):
        said(f"{model}: {concurrency} at a time")
        timed = await _closed_loop(llm, model, probe, concurrency, probe.input_tokens[0], chance)
        loads.append(_load(concurrency, timed))
    decode, per_request = line(
        [load.concurrency for load in loads], [load.per_output_token_s.mean for load in loads]
    )
    return EngineProfile(model, base, per_token, decode, per_request, tuple(loads))


async def _closed_loop(
    llm: LLM, model: str, probe: Probe, concurrency: int, tokens: int, chance: random.Random
) -> list[Timed]:
    """`requests` timed requests, while `concurrency` are open; the first round is not counted."""
    total = probe.requests + concurrency
    prompts = iter([_prompt(tokens, chance) for _ in range(total)])
    timed: list[Timed] = []

    async def client() -> None:
        for text in prompts:
            one = await _time(llm, model, probe, text)
            timed.append(one)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(client())
    except* (CallError, TimeoutError) as errors:
        error: BaseException = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        reason = str(error) or f"no answer within {probe.timeout_s:g} s"
        raise ProfilerError(f"{model}, {concurrency} at a time: {reason}") from None
    return sorted(timed, key=lambda one: one.ended)[concurrency:]


def _prompt(tokens: int, chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=tokens)) + "\n\n" + INSTRUCTION


async def _time(llm: LLM, model: str, probe: Probe, text: str) -> Timed:
    clock = asyncio.get_running_loop().time
    messages: list[Message] = [{"role": "user", "content": text}]
    start = clock()
    async with asyncio.timeout(probe.timeout_s):
        answer = await llm(
            "latency", messages, model=model, **{probe.length_field: probe.output_tokens}
        )
    end = clock()
    if answer.ttft_s is None:
        raise ProfilerError(f"{model}: the first token was not timed; the client must stream")
    if answer.usage.output_tokens < 2:
        raise ProfilerError(
            f"{model}: it wrote {answer.usage.output_tokens} tokens, or the endpoint does not say "
            "how many; two or more are needed to time them"
        )
    return Timed(
        answer.usage.input_tokens, answer.usage.output_tokens, answer.ttft_s, end - start, end
    )


def _load(concurrency: int, timed: Sequence[Timed]) -> Load:
    written = [one.output_tokens for one in timed]
    began = min(one.ended - one.total_s for one in timed)
    return Load(
        concurrency,
        len(timed),
        float(np.mean([one.input_tokens for one in timed])),
        float(np.mean(written)),
        _spread([one.ttft_s for one in timed]),
        _spread([one.per_output_token_s for one in timed]),
        sum(written) / (max(one.ended for one in timed) - began),
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        float(np.mean(values)), float(np.quantile(values, 0.5)), float(np.quantile(values, 0.95))
    )


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """(a, b) of y ≈ a + b·x by least squares, neither below 0."""
    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else 0.0
    if slope <= 0:
        return float(y.mean()), 0.0
    start = float(y.mean() - slope * x.mean())
    if start < 0:
        return 0.0, float((x * y).sum() / (x * x).sum())
    return start, slope
