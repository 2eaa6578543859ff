"""Plans of tool calls that a model writes: what they are run with here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from flowir.backends.asyncio.library.calls import (
    Context,
    account,
    ask,
    chat,
    failure,
    patience,
    settings_of,
)
from flowir.backends.asyncio.library.errors import CallError, WorkflowError
from flowir.backends.asyncio.library.tools import imported, invoke
from flowir.backends.asyncio.library.tracing import call_span, record, tool_span
from flowir.backends.asyncio.library.written import PLANNED, log
from flowir.plan.reader import Limits
from flowir.runtime.fetching import PlanTool
from flowir.runtime.replanning import Request, Round, solve


async def run_plan(
    ctx: Context,
    site: str,
    planner: Callable[[str, str], AsyncIterator[str]],
    joiner: Callable[[str], Awaitable[str]],
    tools: Sequence[str],
    *,
    max_replans: int = 0,
    max_tasks: int = 1000,
) -> str:
    """What the joiner finishes with: plans are run as they are written, until it does.

    Args:
        planner: writes a plan, given the tools and the history.
        joiner: says `Finish(…)` or `Replan(…)`, given the history.

    Raises:
        WorkflowError: a tool is not there, or the joiner does not finish.
    """

    def write(request: Request) -> AsyncIterator[str]:
        return planner(request.tools, request.for_planner)

    async def join(request: Request) -> str:
        return await joiner(request.for_joiner)

    def tell(done: Round) -> None:
        counts = [o.outcome for o in done.fetched.observations]
        failed = len(counts) - counts.count("done")
        log.info("%s: %d tasks, %d failed: %s", site, len(counts), failed, done.decision.action)

    solution = await solve(
        "",
        planner=write,
        joiner=join,
        tools={tool: planned_tool(ctx, tool) for tool in tools},
        max_replans=max_replans,
        limits=Limits(tasks=max_tasks),
        told=tell,
    )
    return solution.answer


def planned_tool(ctx: Context, tool: str) -> PlanTool:
    """A tool as plans call it."""
    function = ctx.tools.get(tool) or imported(tool)
    signature, concurrency, timeout_s = PLANNED[tool]

    async def call(**arguments: Any) -> Any:
        with tool_span(tool):
            return await invoke(function, **arguments)

    return PlanTool(signature, call, concurrency, timeout_s)


async def whole(text: Coroutine[Any, Any, str]) -> AsyncIterator[str]:
    """A text that is there only when all of it is."""
    yield await text


async def pieces_of(
    ctx: Context, site: str, config: str, prompt: str, system: str | None = None
) -> AsyncIterator[str]:
    """The text of a model's answer as it is written; at once where the client cannot tell.

    A request is repeated only as long as nothing of its answer has been read.

    Raises:
        CallError: see `request`.
    """
    pieces = getattr(ctx.llm, "pieces", None)
    if pieces is None:
        yield await ask(ctx, site, config, prompt, system)
        return
    chosen = ctx.point.configs[config]
    params = settings_of(chosen)
    clock = asyncio.get_running_loop().time
    failures = 0
    begun = False
    with call_span(ctx.llm, site, config, chosen) as current:
        while True:
            try:
                async with ctx.slots:
                    start = clock()
                    end = None if ctx.call_timeout is None else start + ctx.call_timeout
                    ctx.begun[site] += 1
                    answers = pieces(site, chat(prompt, system), model=chosen.model, **params)
                    async with contextlib.aclosing(answers):
                        while True:
                            async with asyncio.timeout_at(end):
                                piece = await anext(answers)
                            if not isinstance(piece, str):
                                break
                            begun = True
                            yield piece
                    ctx.begun[site] -= 1
                    seconds = clock() - start
                    break
            except WorkflowError:
                ctx.begun[site] -= 1
                raise
            except Exception as error:
                ctx.begun[site] -= 1
                failures += 1
                retries = 0 if begun else ctx.retries
                wait = patience(site, chosen.model, error, failures, retries)
                if wait is None:
                    raise CallError(f"{site}: {chosen.model} {failure(error, failures)}") from error
            await asyncio.sleep(wait)
        if current is not None:
            record(current, piece, seconds)
        account(ctx, site, chosen.model, piece, seconds)
