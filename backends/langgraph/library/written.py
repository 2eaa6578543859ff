"""Stand-ins for what the emitter writes anew for every workflow."""

from __future__ import annotations

from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer


def build(checkpointer: Checkpointer = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph of the workflow."""
    raise NotImplementedError


graph: CompiledStateGraph[Any, Any, Any, Any]
