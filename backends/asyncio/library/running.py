"""One run of the workflow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowir.backends.asyncio.library.calls import LLM, Context
from flowir.backends.asyncio.library.errors import InputError, RunTimeoutError, WorkflowError
from flowir.backends.asyncio.library.selection import point_of
from flowir.backends.asyncio.library.tracing import run_span
from flowir.backends.asyncio.library.usage import Usage
from flowir.backends.asyncio.library.written import INPUTS, Inputs, Point, workflow


@dataclass(frozen=True)
class Result:
    """What a run gave, after how many seconds, and what it used: in total, and site by site."""

    value: Any
    point: Point
    seconds: float
    usage: Usage
    sites: Mapping[str, Usage]


async def run(
    inputs: Inputs,
    *,
    point: Point | int | None = None,
    llm: LLM,
    tools: Mapping[str, Callable[..., Any]] | None = None,
    timeout: float | None = None,
    call_timeout: float | None = None,
    max_concurrency: int | asyncio.Semaphore | None = None,
    retries: int = 3,
) -> Result:
    """Run the workflow once.

    Args:
        point: one of POINTS, or its number; today's if None.
        llm: the model client.
        tools: used instead of what TOOLS names; functions or coroutine functions.
        timeout: seconds for the whole run.
        call_timeout: seconds for one request.
        max_concurrency: how many requests may be open at the same time, or a semaphore that
            several runs share.
        retries: how often a request that fails for a passing reason is repeated.

    Raises:
        WorkflowError: see its subclasses; it has the usage until then, as a result has.
    """
    check_inputs(inputs)
    slots = contextlib.nullcontext() if max_concurrency is None else max_concurrency
    if isinstance(slots, int):
        if slots < 1:
            raise InputError(f"max_concurrency must be 1 or more, and is {slots}")
        slots = asyncio.Semaphore(slots)
    ctx = Context(point_of(point), llm, tools or {}, call_timeout, retries, slots)
    clock = asyncio.get_running_loop().time
    start = clock()
    try:
        with run_span(ctx.point.number, inputs):
            async with asyncio.timeout(timeout):
                value = await workflow(ctx)
    except TimeoutError as error:
        raise charged(RunTimeoutError(f"no result after {timeout} s"), ctx) from error
    except WorkflowError as error:
        charged(error, ctx)
        raise
    # <parallel>
    except ExceptionGroup as group:
        first = charged(first_of(group), ctx)
        raise first from first.__cause__
    # </parallel>
    sites = ctx.used()
    return Result(value, ctx.point, clock() - start, sum(sites.values(), Usage()), sites)


def charged(error: BaseException, ctx: Context) -> BaseException:
    """The error that a run ends with; it knows what the run has used."""
    if isinstance(error, WorkflowError):
        error.sites = ctx.used()
        error.usage = sum(error.sites.values(), Usage())
    return error


def check_inputs(inputs: Mapping[str, object]) -> None:
    """Raise InputError unless the inputs are those of the workflow."""
    if inputs.keys() != INPUTS.keys():
        wanted, given = (", ".join(names) or "nothing" for names in (INPUTS, inputs))
        raise InputError(f"the workflow takes {wanted}, and was given {given}")
    for name, kind in INPUTS.items():
        if not isinstance(inputs[name], kind):
            found = type(inputs[name]).__name__
            raise InputError(f"input {name} must be {kind.__name__}, and is {found}")


def first_of(group: BaseException) -> BaseException:
    """The first of the errors that concurrent calls ended with."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
