"""How IR and graphs show themselves in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from xdsl.dialects.builtin import ModuleOp


@dataclass(frozen=True, eq=False)
class ShownModule:
    """A module that prints as IR: `module` is xDSL's own."""

    module: ModuleOp

    def __str__(self) -> str:
        return str(self.module) + "\n"  # its format() is the debugging form

    def graph(self, workflow: str | None = None) -> Graph:
        """A workflow of the module as a drawing; all of them where none is named."""
        return Graph(self.module, workflow)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": f"<pre>{escape(str(self))}</pre>"}


@dataclass(frozen=True, eq=False)
class Graph:
    """The drawing of a workflow: a notebook shows it as SVG, or as Mermaid where it can."""

    module: ModuleOp
    workflow: str | None = None

    def __str__(self) -> str:
        return self.mermaid()

    def mermaid(self) -> str:
        """A Mermaid flowchart."""
        from flowir.backends.drawing.graph import drawing
        from flowir.backends.mermaid.target import mermaid_text

        return mermaid_text(drawing(self.module, self.workflow))

    def dot(self) -> str:
        """A graph for Graphviz."""
        from flowir.backends.dot.target import dot_text
        from flowir.backends.drawing.graph import drawing

        return dot_text(drawing(self.module, self.workflow))

    def svg(self) -> str | None:
        """The graph as SVG; None where pygraphviz, which brings Graphviz along, is missing."""
        try:
            import pygraphviz  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            return None
        graph = pygraphviz.AGraph(string=self.dot())
        return bytes(graph.draw(format="svg", prog="dot")).decode()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        bundle = {"text/plain": self.mermaid(), "text/vnd.mermaid": self.mermaid()}
        if (svg := self.svg()) is not None:
            bundle["image/svg+xml"] = svg
        return bundle
