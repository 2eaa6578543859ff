"""The LangGraph importer. `flowir import` imports a graph from a module, in a process of its own.

Importing this package does not import LangGraph.
"""

from flowir.frontends.langgraph.facts import GraphImportError
from flowir.frontends.langgraph.importing import Imported, from_langgraph
from flowir.frontends.langgraph.loading import Loaded, load_graph

__all__ = ["GraphImportError", "Imported", "Loaded", "from_langgraph", "load_graph"]
