"""Tools and checkers."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from flowir.backends.asyncio.library.calls import Context
from flowir.backends.asyncio.library.errors import AnswerError, ToolError
from flowir.backends.asyncio.library.tracing import tool_span
from flowir.backends.asyncio.library.values import T, Verdict, read_verdict
from flowir.backends.asyncio.library.written import TOOLS


async def use_tool(ctx: Context, tool: str, kind: type[T], *values: object) -> T:
    """What a tool gives.

    Raises:
        ToolError: it is not there, or failed.
        AnswerError: it gave something of another type.
    """
    function = ctx.tools.get(tool) or imported(tool)
    try:
        with tool_span(tool):
            given = await invoke(function, *values)
    except Exception as error:
        raise ToolError(f"tool {tool}: {type(error).__name__}: {error}") from error
    if not isinstance(given, kind):
        raise AnswerError(f"tool {tool} gave {type(given).__name__}, not {kind.__name__}")
    return given


async def invoke(function: Callable[..., Any], *values: object, **named: object) -> Any:
    """What a function gives. Coroutine functions run here, all others in a thread of their own."""
    if inspect.iscoroutinefunction(function):
        return await function(*values, **named)
    given = await asyncio.to_thread(function, *values, **named)
    return await given if inspect.isawaitable(given) else given


async def keys_of(ctx: Context, tool: str, values: Sequence[object]) -> list[object]:
    """What a tool makes of every value, all at the same time."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(use_tool(ctx, tool, object, value)) for value in values]
    return [task.result() for task in tasks]


def imported(tool: str) -> Callable[..., Any]:
    """The function at the place that TOOLS has for a tool, found as Python finds modules.

    Raises:
        ToolError: it is not there.
    """
    module, _, name = TOOLS[tool].partition(":")
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ToolError(
            f"tool {tool}: {TOOLS[tool]} cannot be imported ({error}); put its folder on the path, "
            f"or pass the function to run, as tools={{{tool!r}: …}}"
        ) from error
    return function


async def ask_checker(ctx: Context, tool: str, *values: object) -> Verdict:
    """What a checker says: a bool, (bool, feedback), or a text as `read_verdict` reads it."""
    match await use_tool(ctx, tool, object, *values):
        case bool(accepted):
            return Verdict(accepted)
        case (bool(accepted), str(feedback)):
            return Verdict(accepted, feedback)
        case str(text):
            return read_verdict(text)
        case other:
            raise AnswerError(f"checker {tool} gave {other!r}, which is no verdict")


async def checker_accepts(ctx: Context, tool: str, *values: object) -> bool:
    """Whether a checker accepts a value."""
    return (await ask_checker(ctx, tool, *values)).accepted
