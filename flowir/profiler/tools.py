"""The tools of a workflow: which of them it uses, and their functions."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from flowir.dialects import flow
from flowir.dialects.flow_checks import module_symbols
from flowir.errors import ProfilerError
from flowir.profiler.workflow import Subject


def tool_paths(subject: Subject, *, may_write: bool = False) -> dict[str, str]:
    """Where the functions of the tools are that a workflow uses: `module:function` by name.

    Raises:
        ProfilerError: one writes to the world and that is not allowed.
    """
    used = {
        symbol.root_reference.data
        for op in subject.workflow.walk()
        for name in ("callee", "until", "key")
        if (symbol := op.properties.get(name)) is not None and hasattr(symbol, "root_reference")
    }
    found: dict[str, str] = {}
    for name, tool in (module_symbols(subject.workflow) or {}).items():
        if name not in used or not isinstance(tool, flow.ToolOp):
            continue
        if tool.effect.data is flow.Effect.WRITES and not may_write:
            raise ProfilerError(
                f"tool @{name} writes to the world, and runs of the workflow would use it; give "
                "--allow-writes if that is meant"
            )
        found[name] = tool.impl.data
    return found


def import_tools(paths: Mapping[str, str]) -> dict[str, Callable[..., Any]]:
    """The functions; plain ones run in a thread.

    Raises:
        ProfilerError: one cannot be imported.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    found: dict[str, Callable[..., Any]] = {}
    for name, path in paths.items():
        module, _, function = path.partition(":")
        try:
            found[name] = _in_thread(getattr(importlib.import_module(module), function))
        except (ImportError, AttributeError, ValueError) as error:
            raise ProfilerError(
                f"tool @{name}: {path} cannot be imported ({error}); put its folder on PYTHONPATH"
            ) from None
    return found


def _in_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    async def use(*values: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*values)
        given = await asyncio.to_thread(function, *values)
        return await given if inspect.isawaitable(given) else given

    return use
