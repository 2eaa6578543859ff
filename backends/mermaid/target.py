"""The target `mermaid` of `flowir-opt`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from flowir.backends.drawing.graph import Cluster, Drawing, Edge, Node, Shape, drawing
from flowir.backends.drawing.labels import cut

SHAPES: dict[Shape, tuple[str, str]] = {
    "end": ("([", "])"),
    "agent": ("[", "]"),
    "tool": ("{{", "}}"),
    "workflow": ("[[", "]]"),
    "join": ("[/", "\\]"),
    "check": ("{", "}"),
    "route": ("{", "}"),
    "pass": (">", "]"),
}

_PLAIN = frozenset(" .,:+-*=/()[]_$…×−")
"""What may stand in a quoted label as it is, besides letters and digits."""


@dataclass(frozen=True)
class MermaidTarget(Target):
    """A flowchart that GitHub, GitLab and many editors draw: `-t mermaid`.

    Attributes:
        workflow: the one to draw; by default all.
        point: draw it as it is at this point of its front.
    """

    name = "mermaid"

    workflow: str | None = None
    point: int | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(mermaid_text(drawing(module, self.workflow, self.point)))


def mermaid_text(picture: Drawing) -> str:
    """A flowchart with a subgraph for every region."""
    lines = ["flowchart TD"]
    for cluster in picture.clusters:
        lines += _cluster(cluster, "  ")
    lines += ["  " + _edge(edge) for edge in picture.edges]
    return "\n".join([*lines, ""])


def _cluster(cluster: Cluster, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph {cluster.id}[{_label(cluster.lines)}]"
    for part in cluster.parts:
        if isinstance(part, Node):
            opening, closing = SHAPES[part.shape]
            yield f"{indent}  {part.id}{opening}{_label(part.lines)}{closing}"
        else:
            yield from _cluster(part, indent + "  ")
    yield f"{indent}end"


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.back else "-->"
    label = f"|{_label([edge.label])}|" if edge.label else ""
    return f"{edge.start} {arrow}{label} {edge.end}"


def _label(lines: Sequence[str]) -> str:
    return '"' + "<br/>".join(map(escaped, lines)) + '"'


def escaped(text: str) -> str:
    """The text within a quoted label: whatever could be markup is written by its number."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in cut(text)) or " "
