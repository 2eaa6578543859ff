"""How IR and graphs show themselves in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from xdsl.dialects.builtin import ModuleOp


@dataclass(frozen=True, eq=False)
class ShownModule:
    """A module that prints as IR and draws itself: `module` is xDSL's own."""

    module: ModuleOp

    def __str__(self) -> str:
        return str(self.module) + "\n"  # its format() is the debugging form

    def mermaid(self) -> str:
        """A Mermaid flowchart."""
        from flowir.backends.drawing.graph import drawing
        from flowir.backends.mermaid.target import mermaid_text

        return mermaid_text(drawing(self.module))

    def dot(self) -> str:
        """A graph for Graphviz."""
        from flowir.backends.dot.target import dot_text
        from flowir.backends.drawing.graph import drawing

        return dot_text(drawing(self.module))

    def svg(self) -> str | None:
        """The graph as SVG where Graphviz is installed, else None."""
        try:
            import pygraphviz  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            return None
        graph = pygraphviz.AGraph(string=self.dot())
        return bytes(graph.draw(format="svg", prog="dot")).decode()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {
            "text/plain": str(self),
            "text/html": self._repr_html_(),
            "text/vnd.mermaid": self.mermaid(),
        }
