"""Graphs inside a node of another."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from langgraph.graph.state import CompiledStateGraph


async def run_inside(graph: CompiledStateGraph[Any, Any, Any, Any], state: Any) -> dict[str, Any]:
    """What a graph gives. Once cancelled it waits for all of the graph to end.

    LangGraph cancels the nodes beside one that fails twice. The second time would reach the graph
    in the middle of its own cancelling, and leave calls behind that nobody waits for.
    """
    task = asyncio.create_task(graph.ainvoke(state))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise
    found: dict[str, Any] = task.result()
    return found
