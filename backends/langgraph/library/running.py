"""One run of the workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from flowir.backends.asyncio.library.calls import LLM
from flowir.backends.asyncio.library.errors import RunTimeoutError, WorkflowError
from flowir.backends.asyncio.library.running import Result, charged, check_inputs, first_of
from flowir.backends.asyncio.library.tracing import run_span
from flowir.backends.asyncio.library.usage import Usage
from flowir.backends.asyncio.library.written import Inputs, Point
from flowir.backends.langgraph.library.settings import new_context
from flowir.backends.langgraph.library.written import graph


async def run(
    inputs: Inputs,
    *,
    point: Point | int | None = None,
    llm: LLM | None = None,
    tools: Mapping[str, Callable[..., Any]] | None = None,
    timeout: float | None = None,
    call_timeout: float | None = None,
    max_concurrency: int | asyncio.Semaphore | None = None,
    retries: int = 3,
) -> Result:
    """Run the workflow once.

    Args:
        point: one of POINTS, or its number; today's if None.
        llm: the model client; chat models of the langchain package if None.
        tools: used instead of what TOOLS names; functions or coroutine functions.
        timeout: seconds for the whole run.
        call_timeout: seconds for one request.
        max_concurrency: how many requests may be open at the same time, or a semaphore that
            several runs share.
        retries: how often a request that fails for a passing reason is repeated.

    Raises:
        WorkflowError: see its subclasses.
    """
    check_inputs(inputs)
    ctx = new_context(
        point=point,
        llm=llm,
        tools=tools,
        call_timeout=call_timeout,
        max_concurrency=max_concurrency,
        retries=retries,
    )
    context: Any = ctx  # Settings are what the graph says it takes; a Context has all of them.
    clock = asyncio.get_running_loop().time
    start = clock()
    try:
        with run_span(ctx.point.number, inputs):
            async with asyncio.timeout(timeout):
                final = await graph.ainvoke(inputs, context=context)
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
    total = sum(sites.values(), Usage())
    return Result(final["result"], ctx.point, clock() - start, total, sites)
