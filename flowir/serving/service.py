"""Runs of a served workflow: which are taken, how they are run, and how they end."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from flowir.configuration import Configuration
from flowir.errors import ServingError, SimulationError
from flowir.runtime.llm import LLM, CallError
from flowir.runtime.values import show
from flowir.serving.calling import Account, BudgetError, ServedModels, Ways
from flowir.serving.chat import RefusedError
from flowir.serving.compiled import Compiled, Row
from flowir.serving.dispatch import Dispatcher, UnavailableError
from flowir.serving.expectations import Expectations
from flowir.serving.metrics import Metrics
from flowir.serving.requests import ServedRequest
from flowir.serving.sets import ConfigurationSet

log = logging.getLogger(__name__)

LONGEST_RETRY_AFTER_S = 60

ROUTING_S = 1.0
"""A route that takes longer is done without."""

ROUTING_THREADS = 2
"""Of their own: tools that are slow must not hold up routes."""

StandIn = Callable[[Mapping[str, Any], int], tuple[LLM, Mapping[str, Callable[..., Any]]]]
"""For the inputs and the number of a run, what answers in place of its models and of its tools."""

Route = Callable[[Mapping[str, Any]], ConfigurationSet]
"""Which configurations keep accuracy for some inputs; see :mod:`flowir.serving.routing`."""


@dataclass(frozen=True)
class Limits:
    """What a server takes on.

    Attributes:
        requests: runs that are under way or wait, at most; more are refused with 429.
        timeout_s: of a run, where its request says nothing; no request may say more.
        call_timeout_s: of one model call.
        retries: how often a call is repeated.
        body: bytes of a request, at most.
        body_s: seconds in which it has to arrive.
    """

    requests: int = 256
    timeout_s: float = 600.0
    call_timeout_s: float = 120.0
    retries: int = 3
    body: int = 2**20
    body_s: float = 30.0


@dataclass(frozen=True)
class Asked:
    """What a request may say about its run.

    Attributes:
        deadline_s: seconds from now; None for the server's timeout.
        budget_usd: US dollars; None for no limit.
    """

    deadline_s: float | None = None
    budget_usd: float | None = None


@dataclass(frozen=True)
class Answer:
    """What a run gave."""

    text: str
    account: Account
    seconds: float
    simulated: bool = False


@dataclass(eq=False)
class Service:
    """A compiled workflow that is served.

    Attributes:
        configurations: per stage, by number of choice.
        route: which configurations keep accuracy for a request, of all that it may be run with;
            those that keep it on average if None. It is asked once for each, in a thread.
        stand_in: answers in place of models and tools where runs are simulated; None where not.
        leaving: the server is to stop soon: it is not ready, and still takes runs.
        draining: no more runs are taken.
    """

    compiled: Compiled
    dispatcher: Dispatcher
    clients: Mapping[str, LLM]
    tools: Mapping[str, Callable[..., Any]]
    expectations: Expectations
    metrics: Metrics
    limits: Limits
    route: Route | None = None
    stand_in: StandIn | None = None
    leaving: bool = False
    draining: bool = False
    active: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _between_s: float = 1.0
    _last_end: float | None = None

    def __post_init__(self) -> None:
        compiled, dispatcher = self.compiled, self.dispatcher
        self.configurations = self.expectations.configurations
        self.ways = Ways(
            compiled,
            dispatcher,
            self.clients,
            self.configurations,
            self.metrics,
            self.limits.call_timeout_s,
            self.limits.retries,
        )
        dispatcher.noticed = self.metrics.round
        self.metrics.watch("active_requests", "Runs under way or waiting", lambda: self.active)
        self.metrics.watch(
            "waiting_calls", "Calls no endpoint has taken yet", lambda: dispatcher.waiting
        )
        for replica in dispatcher.replicas.values():
            self.metrics.watch_replica(replica, dispatcher.now)
        self._static = self.expectations.set_of(compiled.rows)
        self._routing = ThreadPoolExecutor(ROUTING_THREADS, "routing") if self.route else None

    def ready(self) -> bool:
        """Whether a request that came now would be taken, and could be answered."""
        now = self.dispatcher.now()
        models = {one.model for one in self.compiled.configurations}
        alive = {r.model for r in self.dispatcher.replicas.values() if now >= r.rests_until}
        return not (self.leaving or self.draining) and bool(models & alive)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place among the runs.

        Raises:
            RefusedError: there is none.
        """
        if self.draining:
            self.metrics.ended("refused", 0.0)
            raise RefusedError(503, "shutting_down", "the server is shutting down", retry_after_s=1)
        if self.active >= self.limits.requests:
            self.metrics.ended("refused", 0.0)
            raise RefusedError(
                429,
                "overloaded",
                f"{self.active} runs are under way or wait; try again later",
                retry_after_s=self.retry_after_s(),
            )
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    def retry_after_s(self) -> int:
        """Whole seconds until the runs that wait now may have been taken up."""
        ahead = max(1, self.dispatcher.waiting)
        return max(1, min(LONGEST_RETRY_AFTER_S, math.ceil(ahead * self._between_s)))

    async def run(
        self,
        inputs: Mapping[str, Any],
        asked: Asked,
        told: Callable[[str], None] | None = None,
    ) -> Answer:
        """One run, that was admitted.

        Args:
            told: gets pieces of the answer as they are written, where that is possible.

        Raises:
            RefusedError: it came to nothing.
        """
        began = time.perf_counter()
        request = self._request(asked)
        account = Account()
        outcome = "cancelled"
        try:
            request.open = await self._opened(request.budget_usd, inputs)
            text = await self._text(request, inputs, account, told)
            outcome = "answered"
            seconds = time.perf_counter() - began
            return Answer(text, account, seconds, self.stand_in is not None)
        except RefusedError as refused:
            outcome = refused.code
            raise
        finally:
            self.dispatcher.forget(request)
            self.metrics.ended(outcome, time.perf_counter() - began)
            self._ended()

    async def _opened(self, budget_usd: float, inputs: Mapping[str, Any]) -> ConfigurationSet:
        """What keeps accuracy for these inputs, and is predicted to cost no more than the budget.

        Where a route fails, or all it leaves open costs too much, it is what keeps accuracy on
        average.

        Raises:
            RefusedError: nothing costs so little, or nobody knows what anything costs.
        """
        limited = math.isfinite(budget_usd)
        if limited and not all(
            one.model in self.compiled.prices for one in self.compiled.configurations
        ):
            raise RefusedError(
                400,
                "no_prices",
                "a budget needs prices of all models, and the workflow was compiled without",
            )
        routed = await self._routed(inputs)
        if not limited:
            return routed or self._static
        if routed and (within := self._within(self.compiled.every, budget_usd)):
            with suppress(ServingError):
                return routed.intersection(within)
        if within := self._within(self.compiled.rows, budget_usd):
            return within
        least = min(row.cost_usd or 0.0 for row in self.compiled.rows)
        raise RefusedError(
            402, "budget_too_small", f"a run is predicted to cost ${least:.3g} or more on average"
        )

    async def _routed(self, inputs: Mapping[str, Any]) -> ConfigurationSet | None:
        """What the route leaves open; None where there is none, or it fails."""
        if self.route is None:
            return None
        began = time.perf_counter()
        asked = asyncio.get_running_loop().run_in_executor(self._routing, self.route, inputs)
        try:
            async with asyncio.timeout(ROUTING_S):
                found = await asked
        except Exception as error:
            late = isinstance(error, TimeoutError)
            self.metrics.routed("late" if late else "failed", time.perf_counter() - began)
            log.warning("a request could not be routed: %s", type(error).__name__)
            return None
        self.metrics.routed("routed", time.perf_counter() - began, len(found))
        return found

    def _within(self, rows: Iterable[Row], budget_usd: float) -> ConfigurationSet | None:
        """Those that are predicted to cost no more; None where there is none."""
        found = [row for row in rows if (row.cost_usd or 0.0) <= budget_usd]
        return self.expectations.set_of(found) if found else None

    async def _text(
        self,
        request: ServedRequest,
        inputs: Mapping[str, Any],
        account: Account,
        told: Callable[[str], None] | None,
    ) -> str:
        program = self.compiled.program
        ways, tools = self._answering(request, inputs)
        models = ServedModels(ways, request, account, told, self.expectations.noticed)
        try:
            async with asyncio.timeout_at(request.deadline):
                result = await program.run(
                    inputs, point=self.compiled.point, llm=models, tools=tools, retries=0
                )
        except TimeoutError:
            raise RefusedError(
                504, "deadline_exceeded", "no answer before the deadline of the request"
            ) from None
        except program.WorkflowError as error:
            raise self._refused(program, error) from None
        return show(result.value, self.compiled.kind)

    def _answering(
        self, request: ServedRequest, inputs: Mapping[str, Any]
    ) -> tuple[Ways, Mapping[str, Callable[..., Any]]]:
        """How calls of a run are made, and its tools."""
        if self.stand_in is None:
            return self.ways, self.tools
        llm, tools = self.stand_in(inputs, request.number)
        names = {one.endpoint.name for one in self.dispatcher.replicas.values()}
        return replace(self.ways, clients=dict.fromkeys(names, llm)), tools

    def _refused(self, program: Any, error: Exception) -> RefusedError:
        """How a run that failed is answered; addresses and what endpoints said stay here."""
        cause = error.__cause__
        match cause:
            case BudgetError():
                return RefusedError(402, "budget_exceeded", str(cause))
            case UnavailableError():
                wait = self.dispatcher.retry_after_s()
                seconds = 1 if math.isinf(wait) else math.ceil(wait)
                return RefusedError(
                    503,
                    "unavailable",
                    "no endpoint that could answer is alive",
                    retry_after_s=max(1, min(LONGEST_RETRY_AFTER_S, seconds)),
                )
            case TimeoutError():
                return RefusedError(504, "model_timeout", "a model did not answer in time")
            case CallError():
                status = "" if cause.status is None else f" (HTTP {cause.status})"
                return RefusedError(502, "model_failed", f"a model did not answer{status}")
            case SimulationError():
                log.error("a run could not be simulated")
                return RefusedError(
                    500, "simulation_failed", "the run cannot be simulated; see flowir simulate"
                )
        name = type(error).__name__
        if name == "InputError":
            return RefusedError(400, "invalid_request", str(error), param="messages")
        if name == "ToolError":
            log.warning("a tool failed: %s", type(cause or error).__name__)
            return RefusedError(500, "tool_failed", "a tool of the workflow failed")
        if name in ("AnswerError", "JoinerError", "ReplanLimitError"):
            return RefusedError(
                502, "workflow_failed", "the workflow could not go on with what a model answered"
            )
        log.error("a run failed: %s", name)
        return RefusedError(500, "internal", "the run failed")

    def _request(self, asked: Asked) -> ServedRequest:
        now, number = self.dispatcher.now(), next(self._numbers)
        seconds = min(asked.deadline_s or self.limits.timeout_s, self.limits.timeout_s)
        budget = math.inf if asked.budget_usd is None else asked.budget_usd
        return ServedRequest(
            f"r{number}",
            number,
            self.expectations.workflow,
            self._static,
            now,
            now + seconds,
            budget,
        )

    def _ended(self) -> None:
        now = time.perf_counter()
        if self._last_end is not None:
            self._between_s += 0.1 * (min(60.0, now - self._last_end) - self._between_s)
        self._last_end = now


def stages_in_words(configurations: Mapping[str, Sequence[Configuration]]) -> list[str]:
    """Each stage with what is open at it, for people."""
    return [
        f"{stage}: {' | '.join(map(str, choices))}" for stage, choices in configurations.items()
    ]
