"""The model client of a served run: asks the dispatcher before each call, and repeats what failed.

This is the only layer that repeats: the emitted program is run without repeats of its own, and the
clients of the endpoints have none.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from flowir.configuration import Configuration
from flowir.runtime.llm import LLM as Client
from flowir.runtime.llm import CallError, CompletionLike, Message, Usage, answered
from flowir.serving.compiled import Compiled
from flowir.serving.dispatch import Dispatcher, Grant
from flowir.serving.metrics import Metrics
from flowir.serving.requests import ServedRequest

CHARACTERS_PER_TOKEN = 4.0
"""Of English text, by OpenAI's help pages; only to plan with, never to bill."""

BACKOFF_S = 0.25
LONGEST_WAIT_S = 60.0
"""An endpoint that asks for more is not asked again."""

NOT_ELSEWHERE = (400, 413, 422)
"""What no other endpoint would answer differently."""


class BudgetError(Exception):
    """The run has spent what it was given."""


@dataclass
class Account:
    """What a run used.

    Attributes:
        cost_usd: None where a model that answered has no price.
        configurations: what each stage was made with.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    cancelled: int = 0
    repeats: int = 0
    configurations: dict[str, Configuration] = field(default_factory=dict)

    def add(self, usage: Usage, cost_usd: float | None) -> None:
        """A call that was answered."""
        self.calls += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        known = self.cost_usd is not None and cost_usd is not None
        self.cost_usd = (self.cost_usd or 0.0) + (cost_usd or 0.0) if known else None


@dataclass(frozen=True)
class Ways:
    """How calls are made.

    Attributes:
        clients: by name of the endpoint.
        configurations: per stage, by number of choice.
        timeout_s: of one call, and between two pieces of one that is streamed.
        retries: how often a call is repeated.
    """

    compiled: Compiled
    dispatcher: Dispatcher
    clients: Mapping[str, Client]
    configurations: Mapping[str, tuple[Configuration, ...]]
    metrics: Metrics
    timeout_s: float
    retries: int


@dataclass
class ServedModels:
    """The model client of one run; see :class:`flowir.runtime.llm.WritingLLM`.

    `model` is the name of a stage: which model answers is decided when the call is made.

    Attributes:
        told: gets the pieces of the workflow's answer as they are written; None to read it whole.
        noticed: told the stage and choice of each call that was answered, and its tokens.
    """

    ways: Ways
    request: ServedRequest
    account: Account
    told: Callable[[str], None] | None = None
    noticed: Callable[[str, int, int, int], None] = lambda stage, choice, read, written: None
    provider: str = "flowir"

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> CompletionLike:
        if self.told is not None and node == self.ways.compiled.written_at:
            async for piece in self.pieces(node, messages, model=model):
                if isinstance(piece, str):
                    self.told(piece)
                else:
                    return piece
        attempt = _Attempts(self, node, model, messages)
        while True:
            grant, client, asked = await attempt.next()
            try:
                async with asyncio.timeout(self.ways.timeout_s):
                    completion = await client(node, messages, **asked)
            except Exception as error:
                await attempt.failed(grant, error)
                continue
            except BaseException:
                attempt.dropped(grant)
                raise
            attempt.ended(grant, completion)
            return completion

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | CompletionLike]:
        """The answer as it is written. It is repeated elsewhere only until the first piece."""
        attempt = _Attempts(self, node, model, messages)
        while True:
            grant, client, asked = await attempt.next()
            begun = False
            try:
                async with aclosing(answered(client, node, messages, **asked)) as written:  # type: ignore[type-var]
                    while True:
                        async with asyncio.timeout(self.ways.timeout_s):
                            piece = await anext(written)
                        if not isinstance(piece, str):
                            break
                        begun = True
                        yield piece
            except Exception as error:
                await attempt.failed(grant, error, last=begun)
                continue
            except BaseException:
                attempt.dropped(grant)
                raise
            attempt.ended(grant, piece)
            yield piece
            return


@dataclass
class _Attempts:
    """One call, as often as it takes."""

    models: ServedModels
    node: str
    stage: str
    messages: list[Message]
    failures: int = 0
    avoid: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        characters = sum(len(message["content"]) for message in self.messages)
        self.tokens = characters / CHARACTERS_PER_TOKEN

    async def next(self) -> tuple[Grant, Client, dict[str, Any]]:
        """Leave to make the call, with whom, and what to ask there."""
        models, ways = self.models, self.models.ways
        if models.request.spent_usd >= models.request.budget_usd:
            raise BudgetError(f"the run has spent its budget of ${models.request.budget_usd:g}")
        grant = await ways.dispatcher.acquire(models.request, self.stage, self.tokens, self.avoid)
        self.began = time.perf_counter()
        chosen = ways.configurations[self.stage][grant.choice]
        endpoint = grant.replica.endpoint
        name = endpoint.aliases.get(chosen.model, chosen.model)
        asked: dict[str, Any] = {"model": name, **dict(chosen.params)}
        if chosen.budget is not None:
            asked["budget"] = chosen.budget
        return grant, ways.clients[endpoint.name], asked

    def ended(self, grant: Grant, completion: CompletionLike) -> None:
        """It was answered."""
        models, ways = self.models, self.models.ways
        usage = Usage(completion.usage.input_tokens, completion.usage.output_tokens)
        chosen = ways.configurations[self.stage][grant.choice]
        cost = ways.compiled.dollars(chosen.model, usage.input_tokens, usage.output_tokens)
        models.account.add(usage, cost)
        models.account.configurations[self.stage] = chosen
        models.request.spent_usd += cost or 0.0
        ways.dispatcher.ended(grant, usage.input_tokens, usage.output_tokens)
        models.noticed(self.stage, grant.choice, usage.input_tokens, usage.output_tokens)
        ways.metrics.call(grant.replica, "answered", self._seconds(), self.stage, str(chosen))
        ways.metrics.used(chosen.model, usage, cost)

    async def failed(self, grant: Grant, error: Exception, last: bool = False) -> None:
        """It failed: wait until it may be repeated, or raise the error."""
        ways = self.models.ways
        timed_out = isinstance(error, TimeoutError)
        lasting = not timed_out and not getattr(error, "transient", False)
        status = getattr(error, "status", None)
        asked_s: float | None = getattr(error, "retry_after_s", None)
        own_fault = status in NOT_ELSEWHERE or not isinstance(error, CallError | TimeoutError)
        outcome = "timed out" if timed_out else f"HTTP {status}" if status else "broken"
        ways.metrics.call(grant.replica, outcome, self._seconds())
        if own_fault:
            ways.dispatcher.dropped(grant)
            raise error
        ways.dispatcher.failed(grant, asked_s, timed_out)
        self.failures += 1
        self.models.account.repeats += 1
        self.avoid.add(grant.replica.name)
        if last or self.failures > ways.retries:
            raise error
        if ways.dispatcher.others(grant, self.avoid):
            return
        ways.dispatcher.reopen(grant)
        if lasting and self.models.request.chosen.get(self.stage) is not None:
            raise error
        if not self._other_choice():
            if lasting or (asked_s or 0.0) > LONGEST_WAIT_S:
                raise error
            wait = min(LONGEST_WAIT_S, BACKOFF_S * 2.0 ** (self.failures - 1))
            await asyncio.sleep((asked_s or 0.0) + random.uniform(0.0, wait))
            self.avoid.clear()

    def _other_choice(self) -> bool:
        """Whether a model that has not failed yet is still open."""
        ways, request = self.models.ways, self.models.request
        if request.chosen.get(self.stage) is not None:
            return False
        failed = {ways.dispatcher.replicas[name].model for name in self.avoid}
        models = {
            ways.configurations[self.stage][choice].model
            for choice in request.open.open(self.stage)
        }
        return bool(models - failed)

    def dropped(self, grant: Grant) -> None:
        """It was cancelled while it was under way."""
        ways = self.models.ways
        ways.metrics.call(grant.replica, "cancelled", self._seconds())
        self.models.account.cancelled += 1
        ways.dispatcher.dropped(grant)

    def _seconds(self) -> float:
        return time.perf_counter() - self.began
