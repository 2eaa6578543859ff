"""The LangGraph importer. `flowir import` imports a graph from a module, in a process of its own.

    from flowir.frontends.langgraph import from_langgraph

    imported = from_langgraph(graph)

Importing this package does not import LangGraph; `Recorder`, which records runs of a graph, does
import LangChain's callbacks.
"""

from typing import TYPE_CHECKING, Any

from flowir.frontends.langgraph.facts import GraphImportError
from flowir.frontends.langgraph.importing import Imported, from_langgraph
from flowir.frontends.langgraph.loading import Loaded, load_graph

if TYPE_CHECKING:
    from flowir.frontends.langgraph.runs.recorder import Recorder

__all__ = ["GraphImportError", "Imported", "Loaded", "Recorder", "from_langgraph", "load_graph"]


def __getattr__(name: str) -> Any:
    if name == "Recorder":
        from flowir.frontends.langgraph.runs.recorder import Recorder

        return Recorder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
