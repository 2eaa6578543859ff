"""`flowir profile`: observations of single calls from a live endpoint."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from flowir.cli.diagnostics import plain_warnings
from flowir.configuration import Budget
from flowir.errors import ProfileError, ProfilerError
from flowir.profile.calls import PROFILE, CallStore, Texts
from flowir.profile.cells import parse_budget
from flowir.profile.prices import Prices, read_prices
from flowir.profiler.budgets import ignored_budgets
from flowir.profiler.caller import Caller
from flowir.profiler.engine import Engine, Grid
from flowir.profiler.lanes import Lane
from flowir.profiler.limits import Limits, dollars
from flowir.profiler.planning import RULES, Planned, plan
from flowir.profiler.progress import Shown
from flowir.profiler.session import Session, run, session
from flowir.profiler.workflow import read_subject
from flowir.runtime.capabilities import CAPABILITIES, HOSTS, Capability, reasoning
from flowir.runtime.llm import LLM, CallError
from flowir.runtime.wire import budget_field

T = TypeVar("T")

WIDTH = 118
LITELLM = "litellm"
INTERRUPTED = 130


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    workflow: str
    data: str
    endpoint: str | None
    store: str
    name: str | None
    agents: tuple[str, ...]
    models: tuple[str, ...]
    budgets: tuple[str, ...]
    repeats: int
    judges: tuple[str, ...]
    prices: str | None
    concurrency: tuple[str, ...]
    rate: tuple[str, ...]
    max_calls: int | None
    max_dollars: float | None
    max_minutes: float | None
    timeout: float
    retries: int
    texts: Texts
    provider: str | None
    budget_field: str | None
    stream: bool
    only_plan: bool


def profile(asked: Asked) -> int:
    """Make the calls and say what came of them; the exit code.

    Raises:
        ProfilerError, ProfileError: nothing was asked, or the store cannot take any more.
    """
    prices = Prices() if asked.prices is None else read_prices(asked.prices)
    ready = session(
        read_subject(asked.workflow, asked.name),
        asked.data,
        agents=asked.agents,
        models=asked.models,
        budgets=_budgets(asked.budgets),
        repeats=asked.repeats,
        judges=dict(_assignments("--judge", asked.judges)),
        hashed=asked.texts == "hash",
    )
    lanes = _lanes(ready.models, asked)
    _check_prices(ready.models, prices, asked.max_dollars)
    console = Console(width=WIDTH)
    with CallStore(asked.store, asked.texts) as store:
        if asked.only_plan:
            console.print(_plan_table(plan(ready.requests, store.calls, lanes, prices)))
            console.print(RULES, soft_wrap=True)
            return 0
        limits = Limits(prices, asked.max_calls, asked.max_dollars, asked.max_minutes)
        limits.count(store.calls.values())
        with plain_warnings():
            return asyncio.run(_run(asked, ready, store, lanes, limits, console))


async def _run(
    asked: Asked,
    ready: Session,
    store: CallStore,
    lanes: Mapping[str, Lane],
    limits: Limits,
    console: Console,
) -> int:
    async with AsyncExitStack() as stack:
        llm, secrets = await _client(asked, ready, stack)
        caller = Caller(
            llm, store, lanes, limits, limits.prices, asked.retries, asked.timeout, secrets
        )
        engine = Engine(caller, ready.readers)
        shown = Shown(len(ready.requests), store, limits, engine.outcome)
        engine.changed = shown.update
        _stop_on_interrupt(engine)
        with shown:
            outcome = await run(engine, Grid(ready.requests), ready.requests)
    missing = sum(1 for one in ready.requests if one.key not in store.calls)
    if not missing:
        store.forget_texts()
    _report(console, ready, caller, engine, missing, asked.store)
    if outcome.interrupted:
        return INTERRUPTED
    return int(bool(missing) and not limits.reached)


def _report(
    console: Console, ready: Session, caller: Caller, engine: Engine, missing: int, store: str
) -> None:
    """What was learned and what was not, in words."""
    outcome, limits = engine.outcome, caller.limits
    profiled = [call for call in caller.store.calls.values() if call.key.purpose == PROFILE]
    say(
        console,
        f"{outcome.answered} calls made, {len(profiled)} in {store}, "
        f"{limits.tokens} tokens, {dollars(limits)}",
    )
    for lane in caller.lanes.values():
        if lane.down:
            say(console, f"error: {lane.model} is not asked any more: {lane.down}")
    if outcome.failed:
        say(
            console,
            f"{outcome.failed} requests failed for reasons of the environment: they are "
            "missing, not wrong, and are made when the same command runs again",
        )
    if outcome.unjudged:
        say(
            console,
            f"warning: {outcome.unjudged} answers could not be judged "
            f"({outcome.first_unjudged}); they say nothing about accuracy, and are judged when the "
            "same command runs again",
        )
    for sentence in ignored_budgets(profiled):
        say(console, f"warning: {sentence}")
    if missing:
        why = f" (limit reached: {limits.reached})" if limits.reached else ""
        say(
            console,
            f"{missing} of {len(ready.requests)} calls are still to be made{why}; the "
            "same command goes on where this one stopped",
        )
    else:
        say(console, f"complete; flowir fit {store} shows what was learned")


def say(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _stop_on_interrupt(engine: Engine) -> None:
    """Ctrl-C finishes what is under way; a second one drops it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        if engine.outcome.interrupted:
            task.cancel()
            return
        click.echo("\nfinishing the calls under way; once more to drop them", err=True)
        engine.stop()

    with suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, interrupt)


async def _client(
    asked: Asked, ready: Session, stack: AsyncExitStack
) -> tuple[LLM, tuple[str, ...]]:
    """The client, every budget checked, and texts that no message may hold.

    Raises:
        ProfilerError: no key, no SDK, an address that is none, or a budget nobody knows how to ask.
    """
    own: tuple[Capability, ...] = ()
    configurations = [one for some in ready.spaces.values() for one in some]
    provider = asked.provider
    try:
        if asked.endpoint == LITELLM:
            from flowir.runtime.litellm import LiteLLMModels

            return LiteLLMModels(timeout_s=asked.timeout, stream=asked.stream), ()
        host = _host(asked.endpoint)
        provider = provider or HOSTS.get(host or "api.openai.com", "")
        if asked.budget_field:
            own = (budget_field(provider, asked.budget_field, (c.budget for c in configurations)),)
        for one in configurations:
            if one.budget is not None:
                reasoning(provider, one.model, one.budget, (*own, *CAPABILITIES))
        from flowir.runtime.openai import OpenAIModels

        client = OpenAIModels(
            base_url=asked.endpoint,
            provider=provider,
            capabilities=(*own, *CAPABILITIES),
            timeout_s=asked.timeout,
            stream=asked.stream,
        )
    except CallError as error:
        hint = "; --budget-field FIELD says where in the request it goes" if configurations else ""
        raise ProfilerError(f"{error}{hint if 'Capability' in str(error) else ''}") from None
    await stack.enter_async_context(client)
    key = os.environ.get("OPENAI_API_KEY")
    return client, (key,) if key else ()


def _host(endpoint: str | None) -> str | None:
    if endpoint is None:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ProfilerError(
            f"--endpoint {endpoint} is no address; write https://HOST/v1, or litellm"
        )
    if parts.password or parts.username:
        raise ProfilerError(
            "--endpoint holds a name or a password, which would be shown; set OPENAI_API_KEY"
        )
    return parts.hostname


def _budgets(given: Sequence[str]) -> tuple[Budget, ...]:
    try:
        return tuple(dict.fromkeys(parse_budget(text) for text in _split(given)))
    except ValueError as error:
        raise ProfilerError(f"--budgets: {error}") from None


def _split(given: Iterable[str]) -> list[str]:
    return [part.strip() for text in given for part in text.split(",") if part.strip()]


def _assignments(option: str, given: Iterable[str]) -> list[tuple[str, str]]:
    """`NAME=VALUE`, or a value for all: the name is empty then."""
    found = []
    for text in given:
        name, sign, value = text.rpartition("=")
        if (sign and not name) or not value:
            raise ProfilerError(f"{option} {text}: write NAME=VALUE, or a value for all")
        found.append((name.removeprefix("@"), value))
    return found


def _lanes(models: Sequence[str], asked: Asked) -> dict[str, Lane]:
    concurrency = _numbers("--concurrency", asked.concurrency, models, 8.0)
    rates = _numbers("--rate", asked.rate, models, 0.0)
    return {m: Lane(m, max(1, int(concurrency[m])), rates[m] or None) for m in models}


def _numbers(
    option: str, given: Iterable[str], models: Sequence[str], otherwise: float
) -> dict[str, float]:
    """A number per model, from `N` for all and `MODEL=N` for one."""
    found = dict.fromkeys(models, otherwise)
    special: dict[str, float] = {}
    for model, text in _assignments(option, given):
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 < number < float("inf"):
            raise ProfilerError(f"{option} {text}: give a number above 0")
        if model and model not in found:
            raise ProfilerError(
                f"{option} {model}=…: nobody asks it; asked are {', '.join(models)}"
            )
        if model:
            special[model] = number
        else:
            found = dict.fromkeys(models, number)
    return found | special


def _check_prices(models: Sequence[str], prices: Prices, max_dollars: float | None) -> None:
    lacking = [model for model in models if model not in prices]
    if max_dollars is not None and lacking:
        raise ProfileError(
            f"--max-dollars needs the price of every model; there is none for "
            f"{', '.join(lacking)}: give --prices FILE with them"
        )


def _plan_table(rows: Sequence[Planned]) -> Table:
    table = Table(box=SIMPLE_HEAD, title="still to be made", title_justify="left")
    table.add_column("model", overflow="fold")
    for name in ("calls", "stored", "input tokens", "output tokens", "dollars", "minutes"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row.model, row))
    if len(rows) > 1:
        costs = [row.cost_usd for row in rows]
        known = None if None in costs else sum(cost or 0.0 for cost in costs)
        total: dict[str, Any] = {
            name: sum(getattr(row, name) for row in rows)
            for name in ("calls", "stored", "input_tokens", "output_tokens")
        }
        longest = max(row.minutes for row in rows)  # Models are asked at the same time.
        table.add_row(*_cells("all", Planned("all", **total, cost_usd=known, minutes=longest)))
    return table


def _cells(name: str, row: Planned) -> tuple[str, ...]:
    cost = "no price" if row.cost_usd is None else f"{row.cost_usd:.4g}"
    return (
        name,
        str(row.calls),
        str(row.stored),
        f"{row.input_tokens:.0f}",
        f"{row.output_tokens:.0f}",
        cost,
        f"{row.minutes:.2g}",
    )
