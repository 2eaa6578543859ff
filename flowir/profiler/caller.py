"""Makes requests: within limits, in the lane of the model, repeated where that may help, stored."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flowir.backends.asyncio.library.calls import LONGEST_WAIT_S, backoff, retry_after
from flowir.configuration import Configuration
from flowir.executors.executor import MOST_LOST, ExecutorError, WorkerLostError
from flowir.profile.calls import Call, CallStore
from flowir.profile.prices import Prices
from flowir.profiler.lanes import REFUSALS, Lane
from flowir.profiler.limits import Limits
from flowir.profiler.requests import Request
from flowir.runtime.llm import LLM, CompletionLike, Message
from flowir.runtime.secrets import without


class NotAskedError(Exception):
    """A request was not made: a limit was reached, the model is down, or the disk is full."""


class FailedError(Exception):
    """A request failed for reasons of the environment, all repeats done."""


@dataclass
class Caller:
    """Asks models.

    Attributes:
        retries: how often one request is repeated.
        timeout_s: seconds for one request.
        secrets: texts that no message may hold, such as a key.
        failures: how many requests failed for good.
        stopped: nothing is to be begun any more.
    """

    llm: LLM
    store: CallStore
    lanes: Mapping[str, Lane]
    limits: Limits
    prices: Prices = field(default_factory=Prices)
    retries: int = 3
    timeout_s: float = 120.0
    secrets: Sequence[str] = ()
    failures: int = 0
    stopped: bool = False

    async def ask(self, request: Request) -> Call:
        """The stored call of a request: made now unless it was made before.

        Raises:
            NotAskedError: see there.
            FailedError: see there; the failure is stored, the request stays to be made.
        """
        if (before := self.store.calls.get(request.key)) is not None:
            return before
        lane = self.lanes[request.model]
        if lane.down or self.stopped or self.store.full:
            raise NotAskedError
        configuration = request.key.configuration
        aside = self.limits.admits(request.key.agent, configuration, request.messages)
        if aside is None:
            raise NotAskedError
        call: Call | None = None
        try:
            answer, seconds = await self._answer(lane, request)
            call = self._call(request, answer, seconds)
            self.store.add(call)
            lane.succeeded()
            return call
        finally:
            self.limits.back(aside, call)

    async def _answer(self, lane: Lane, request: Request) -> tuple[CompletionLike, float]:
        """An answer and the seconds of the request that was answered."""
        configuration = request.key.configuration
        params = dict(configuration.params)
        if configuration.budget is not None:
            params["budget"] = configuration.budget
        messages: list[Message] = [
            {"role": role, "content": content} for role, content in request.messages
        ]
        clock = asyncio.get_running_loop().time
        failures = lost = 0
        while True:
            await lane.turn()
            if lane.down or self.limits.out_of_time:
                raise NotAskedError
            start = clock()
            try:
                async with asyncio.timeout(self.timeout_s):
                    answer = await self.llm(
                        request.key.agent, messages, model=configuration.model, **params
                    )
                return answer, getattr(answer, "seconds", clock() - start)
            except ExecutorError:
                raise
            except WorkerLostError as error:
                lost += 1  # The model did nothing wrong.
                if lost == MOST_LOST:
                    raise self._failed(lane, request, error, lost) from error
            except Exception as error:
                wait = backoff(error, failures)
                if wait is None or failures == self.retries:
                    raise self._failed(lane, request, error, failures + 1) from error
                if asked := min(retry_after(error), LONGEST_WAIT_S):
                    lane.pause(asked)
                failures += 1
                await asyncio.sleep(wait)

    def _failed(self, lane: Lane, request: Request, error: Exception, times: int) -> FailedError:
        status = getattr(error, "status", None)
        lasting = backoff(error, 0) is None
        reason = self.clean(_reason(error, self.timeout_s))
        if times > 1:
            reason += f" ({times} attempts)"
        self.failures += 1
        if not isinstance(error, WorkerLostError):
            lane.failed(reason, refused=lasting and status in REFUSALS)
        self.store.fail(request.key, reason, status if isinstance(status, int) else None)
        return FailedError(reason)

    def clean(self, text: str) -> str:
        """The text without secrets."""
        return without(text, self.secrets)

    def _call(self, request: Request, answer: CompletionLike, seconds: float) -> Call:
        read, written = answer.usage.input_tokens, answer.usage.output_tokens
        counted = read > 0 or written > 0  # An endpoint that tells none is read as two zeros.
        example = request.example
        return Call(
            request.key,
            request.messages,
            answer.text,
            answer.model,
            seconds,
            getattr(answer, "ttft_s", None),
            read if counted else None,
            written if counted else None,
            cost(self.prices, request.key.configuration, read, written) if counted else None,
            True if example is None else example.input_correct,
        )


def cost(prices: Prices, configuration: Configuration, read: float, written: float) -> float | None:
    """US dollars of a call; None where the model has no price."""
    per_read, per_written = prices.per_token(configuration.model)
    dollars = read * per_read + written * per_written
    return None if math.isnan(dollars) else dollars


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    return " ".join(str(error).split()) or type(error).__name__
