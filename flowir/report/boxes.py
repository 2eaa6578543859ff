"""A drawing as boxes in rows: what may happen at the same time stands side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowir.backends.drawing.graph import Cluster, Drawing, Node


@dataclass(frozen=True)
class Box:
    """A node, or a region with rows of boxes.

    Attributes:
        id: of a node; edges name it.
        kind: the shape of a node, `region` of a region.
        lines: what is written in it.
        hint: what hovering tells.
        rows: of a region; each row begins when the one before has given what it needs.
    """

    id: str
    kind: str
    lines: tuple[str, ...]
    hint: str = ""
    rows: tuple[tuple[Box, ...], ...] = ()


def boxes(drawing: Drawing) -> tuple[Box, ...]:
    """The workflows of a drawing."""
    return tuple(_region(cluster, drawing) for cluster in drawing.clusters)


def sentences(drawing: Drawing) -> list[str]:
    """The edges in words: a text alternative of the arrows."""
    names = {
        node.id: " ".join(node.lines) for cluster in drawing.clusters for node in cluster.nodes()
    }
    return [
        f"{names[edge.start]} → {names[edge.end]}{f' ({edge.label})' if edge.label else ''}"
        for edge in drawing.edges
    ]


def _box(part: Node | Cluster, drawing: Drawing) -> Box:
    if isinstance(part, Node):
        return Box(part.id, part.shape, part.lines, part.hint)
    return _region(part, drawing)


def _region(cluster: Cluster, drawing: Drawing) -> Box:
    """A region, its parts in rows by the longest way to each from those that need none."""
    inside = {node: place for place, part in enumerate(cluster.parts) for node in _ids(part)}
    depth = [0] * len(cluster.parts)
    for _ in cluster.parts:
        before = list(depth)
        for edge in drawing.edges:
            start, end = inside.get(edge.start), inside.get(edge.end)
            if not edge.back and start is not None and end is not None and start != end:
                depth[end] = max(depth[end], depth[start] + 1)
        if depth == before:
            break
    rows = [
        tuple(
            _box(part, drawing)
            for part, own in zip(cluster.parts, depth, strict=True)
            if own == level
        )
        for level in sorted(set(depth))
    ]
    return Box(cluster.id, "region", cluster.lines, rows=tuple(rows))


def _ids(part: Node | Cluster) -> Iterator[str]:
    nodes = [part] if isinstance(part, Node) else part.nodes()
    return (node.id for node in nodes)
