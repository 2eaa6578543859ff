"""The target `dot` of `flowir-opt`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from flowir.backends.drawing.graph import Cluster, Drawing, Edge, Node, Shape, drawing
from flowir.backends.drawing.labels import cut

SHAPES: dict[Shape, str] = {
    "end": "oval",
    "agent": "box",
    "tool": "component",
    "workflow": "box3d",
    "join": "invtrapezium",
    "check": "diamond",
    "route": "diamond",
    "pass": "plaintext",
}

HEAD = (
    'graph [fontname="sans-serif", fontsize=11, compound=true, style="rounded", color="gray60"]',
    'node [fontname="sans-serif", fontsize=11]',
    'edge [fontname="sans-serif", fontsize=9]',
)


@dataclass(frozen=True)
class DotTarget(Target):
    """A drawing for Graphviz: `-t dot`.

    Attributes:
        workflow: the one to draw; by default all.
        point: draw it as it is at this point of its front.
    """

    name = "dot"

    workflow: str | None = None
    point: int | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(dot_text(drawing(module, self.workflow, self.point)))


def dot_text(picture: Drawing) -> str:
    """A digraph with a cluster for every region."""
    lines = ["digraph workflow {", *("  " + line for line in HEAD)]
    for cluster in picture.clusters:
        lines += _cluster(cluster, "  ")
    lines += ["  " + _edge(edge) for edge in picture.edges]
    return "\n".join([*lines, "}", ""])


def _cluster(cluster: Cluster, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph cluster_{cluster.id} {{"
    yield f"{indent}  label={_label(cluster.lines)}"
    for part in cluster.parts:
        if isinstance(part, Node):
            yield f"{indent}  {_node(part)}"
        else:
            yield from _cluster(part, indent + "  ")
    yield f"{indent}}}"


def _node(node: Node) -> str:
    hint = f", tooltip={quoted(node.hint)}" if node.hint else ""
    return f"{node.id} [shape={SHAPES[node.shape]}, label={_label(node.lines)}{hint}]"


def _edge(edge: Edge) -> str:
    attributes = [f"label={_label([edge.label])}"] if edge.label else []
    if edge.back:
        attributes.append("style=dashed")
    return f"{edge.start} -> {edge.end}" + (f" [{', '.join(attributes)}]" if attributes else "")


def _label(lines: Sequence[str]) -> str:
    # Graphviz as a library frees what it never laid out where the first line of a label is empty.
    return '"' + "\\n".join(quoted(line)[1:-1] or " " for line in lines) + '"'


def quoted(text: str) -> str:
    """A string that means the text, where backslashes and ampersands would mean something else."""
    escaped = cut(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
