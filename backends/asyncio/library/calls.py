"""Model calls: the one layer that repeats them, and the account of what they use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flowir.backends.asyncio.library.errors import CallError, WorkflowError
from flowir.backends.asyncio.library.points import Config
from flowir.backends.asyncio.library.tracing import call_span, record
from flowir.backends.asyncio.library.usage import Usage
from flowir.backends.asyncio.library.written import PRICES, Point

log = logging.getLogger(__name__)


class Completion(NamedTuple):
    """What a model answered; `ttft_s` is the time to its first piece, where it was measured."""

    text: str
    usage: Usage
    model: str
    ttft_s: float | None = None


class LLM(Protocol):
    """A model client: one request per call and no repeats; a cancelled call ends its request.

    `node` is the site of the call, `params` are the budget, if there is one, and the sampling
    parameters. The answer needs `text`, `model`, `usage.input_tokens` and `usage.output_tokens`.
    Errors with an attribute `transient` say themselves whether a repeat may help.
    """

    def __call__(
        self, node: str, messages: list[dict[str, str]], *, model: str, **params: Any
    ) -> Awaitable[Any]: ...


@dataclass
class Context:
    """What a run works with, and what it has used so far."""

    point: Point
    llm: LLM
    tools: Mapping[str, Callable[..., Any]]
    call_timeout: float | None
    retries: int
    slots: contextlib.AbstractAsyncContextManager[Any]
    begun: Counter[str] = field(default_factory=Counter)
    sites: dict[str, Usage] = field(default_factory=dict)

    def used(self) -> dict[str, Usage]:
        """What the run has used so far, site by site, with what was begun and cut short."""
        found = dict(self.sites)
        for site, unanswered in self.begun.items():
            if unanswered:
                found[site] = found.get(site, Usage()) + Usage(cancelled=unanswered)
        return found


BACKOFF_S = 0.5  # The longest random wait before the first repeat; it doubles from then on.
LONGEST_WAIT_S = 60.0  # A provider that asks for more is not asked again.


async def ask(ctx: Context, site: str, config: str, prompt: str, system: str | None = None) -> str:
    """The text of a model's answer; `config` names the configuration in the point.

    Raises:
        CallError: see `request`.
    """
    chosen = ctx.point.configs[config]
    with call_span(ctx.llm, site, config, chosen) as current:
        answer, seconds = await request(ctx, site, chosen, chat(prompt, system))
        if current is not None:
            record(current, answer, seconds)
    account(ctx, site, chosen.model, answer, seconds)
    text: str = answer.text
    return text


def chat(prompt: str, system: str | None) -> list[dict[str, str]]:
    """The messages of a request."""
    messages = [{"role": "user", "content": prompt}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return messages


def account(ctx: Context, site: str, model: str, answer: Any, seconds: float) -> None:
    """Add what a call took to what its site has used."""
    read, written = answer.usage.input_tokens, answer.usage.output_tokens
    price = PRICES.get(model)
    cost = None if price is None else (read * price[0] + written * price[1]) / 1e6
    used = Usage(1, read, written, cost, seconds)
    ctx.sites[site] = ctx.sites[site] + used if site in ctx.sites else used
    log.info("%s: %s, %d + %d tokens, %.1f s", site, model, read, written, seconds)


async def request(
    ctx: Context, site: str, config: Config, messages: list[dict[str, str]]
) -> tuple[Any, float]:
    """A model's answer and how many seconds it took. Nothing else repeats requests.

    Raises:
        CallError: the request failed for a lasting reason, or more than `ctx.retries` times.
    """
    params = settings_of(config)
    clock = asyncio.get_running_loop().time
    failures = 0
    while True:
        try:
            async with ctx.slots:
                start = clock()
                ctx.begun[site] += 1
                async with asyncio.timeout(ctx.call_timeout):
                    answer = await ctx.llm(site, messages, model=config.model, **params)
                ctx.begun[site] -= 1
                return answer, clock() - start
        except WorkflowError:
            ctx.begun[site] -= 1
            raise
        except Exception as error:
            ctx.begun[site] -= 1
            failures += 1
            wait = patience(site, config.model, error, failures, ctx.retries)
            if wait is None:
                raise CallError(f"{site}: {config.model} {failure(error, failures)}") from error
        await asyncio.sleep(wait)


def settings_of(config: Config) -> dict[str, Any]:
    """The parameters of a request."""
    params = dict(config.params)
    # <budgets>
    if config.budget is not None:
        params["budget"] = config.budget
    # </budgets>
    return params


def patience(site: str, model: str, error: Exception, failures: int, retries: int) -> float | None:
    """Seconds to wait before a request that failed so often is repeated; None if it is not."""
    wait = backoff(error, failures - 1)
    if wait is None or failures > retries:
        return None
    reason = str(error) or type(error).__name__
    log.warning("%s: %s failed, again in %.1f s: %s", site, model, wait, reason)
    return wait


def failure(error: Exception, failures: int) -> str:
    """How a request failed, in words."""
    return f"failed, {failures}×: {str(error) or type(error).__name__}"


def backoff(error: Exception, failures: int) -> float | None:
    """Seconds to wait before the request is repeated; None if that is of no use.

    What the provider asks for, and a random time that may be twice as long after every failure.
    """
    transient = getattr(error, "transient", None)
    if transient is None:
        status = getattr(error, "status_code", getattr(error, "status", None))
        busy = isinstance(status, int) and (status in (408, 409, 425, 429) or status >= 500)
        transient = busy or isinstance(error, (TimeoutError, ConnectionError))
    asked = retry_after(error)
    if not transient or asked > LONGEST_WAIT_S:
        return None
    return asked + random.uniform(0.0, min(LONGEST_WAIT_S, BACKOFF_S * 2**failures))


def retry_after(error: Exception) -> float:
    """Seconds the provider asks to wait: an attribute of the error, or a header of its response."""
    headers = dict(getattr(getattr(error, "response", None), "headers", ()))
    headers = {str(name).lower(): text for name, text in headers.items()}
    date: Any = headers.get("retry-after")
    asked_for: list[tuple[Any, float]] = [
        (getattr(error, "retry_after_s", getattr(error, "retry_after", None)), 1.0),
        (headers.get("retry-after-ms"), 1e-3),
        (date, 1.0),
    ]
    for asked, unit in asked_for:
        with contextlib.suppress(TypeError, ValueError):
            seconds = unit * float(asked)
            if 0.0 <= seconds < math.inf:
                return seconds
    from email.utils import mktime_tz, parsedate_tz

    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if (parsed := parsedate_tz(date)) is not None:
            return max(0.0, mktime_tz(parsed) - time.time())
    return 0.0
