"""Which configurations of a workflow are still open to a request.

A set is a decision diagram: one level per stage, one edge per choice, equal rests shared. So the
size grows with how entangled the stages are, not with the number of configurations, and a legal
choice never leads to an empty set: a node without a configuration does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from flowir.errors import ServingError, nearest

UNREACHED: Final = -1
"""The choice at a stage that a configuration does not reach."""

REMEMBERED = 1024
"""Sets that :class:`Subsets` keeps at most."""

SMALL = 32
"""Rows of a part of a diagram whose subsets it keeps."""


class Node:
    """What may follow at one level. Equal nodes are the same object.

    Attributes:
        edges: (choice, next level's node) in ascending order of choices; none at the end.
        count: configurations below.
    """

    __slots__ = ("__weakref__", "count", "edges")

    edges: tuple[tuple[int, Node], ...]
    count: int

    def child(self, choice: int) -> Node | None:
        """The node a choice leads to; None where it is not open."""
        return next((node for c, node in self.edges if c == choice), None)


_known: WeakValueDictionary[tuple[tuple[int, Node], ...], Node] = WeakValueDictionary()


def _node(edges: tuple[tuple[int, Node], ...], count: int | None = None) -> Node:
    """The one node with these edges; its key keeps what it leads to alive as long as itself."""
    found = _known.get(edges)
    if found is None:
        found = Node()
        found.edges = edges
        found.count = sum(node.count for _, node in edges) if count is None else count
        _known[edges] = found
    return found


END: Final = _node((), 1)


class ConfigurationSet:
    """Configurations of a workflow, of which at least one is open. A value.

    Attributes:
        stages: decisions of the workflow in topological order.
        root: the diagram.
    """

    __slots__ = ("_open", "root", "stages")

    def __init__(self, stages: Sequence[str], root: Node) -> None:
        self.stages: tuple[str, ...] = tuple(stages)
        self.root = root
        self._open: dict[str, tuple[int, ...]] = {}

    @staticmethod
    def of(stages: Sequence[str], rows: Iterable[Sequence[int]]) -> ConfigurationSet:
        """The set of some configurations, each a choice per stage.

        Raises:
            ServingError: there is none, or one of another length.
        """
        distinct = sorted({tuple(int(c) for c in row) for row in rows})
        if not distinct:
            raise ServingError("a set of configurations is empty; at least one must stay open")
        if wrong := next((row for row in distinct if len(row) != len(stages)), None):
            raise ServingError(
                f"configuration {wrong} has {len(wrong)} choices for {len(stages)} stages "
                f"({', '.join(stages)})"
            )
        return ConfigurationSet(stages, _of_sorted(distinct, 0, len(distinct), 0, len(stages)))

    @staticmethod
    def product(choices: Mapping[str, Sequence[int]]) -> ConfigurationSet:
        """Every combination of the choices at each stage.

        Raises:
            ServingError: a stage without a choice.
        """
        node = END
        for stage in reversed(tuple(choices)):
            if not choices[stage]:
                raise ServingError(f"stage {stage} has no choice")
            node = _node(tuple((c, node) for c in sorted(set(choices[stage]))))
        return ConfigurationSet(tuple(choices), node)

    def __len__(self) -> int:
        return self.root.count

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConfigurationSet):
            return NotImplemented
        return self.root is other.root and self.stages == other.stages

    def __hash__(self) -> int:
        return hash((self.stages, id(self.root)))

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        """Configurations in ascending order."""
        return _paths(self.root)

    def __contains__(self, row: object) -> bool:
        if not isinstance(row, Sequence) or len(row) != len(self.stages):
            return False
        node: Node | None = self.root
        for choice in row:
            node = None if node is None else node.child(choice)
        return node is not None

    def __repr__(self) -> str:
        opened = ", ".join(f"{stage}: {list(self.open(stage))}" for stage in self.stages)
        return f"ConfigurationSet({len(self)} of {{{opened}}})"

    def level(self, stage: str) -> int:
        """Where a stage stands in topological order.

        Raises:
            ServingError: the workflow has no such stage.
        """
        try:
            return self.stages.index(stage)
        except ValueError:
            raise ServingError(f"no stage {stage}{nearest(stage, self.stages)}") from None

    def open(self, stage: str) -> tuple[int, ...]:
        """Choices that some open configuration makes at a stage, ascending."""
        found = self._open.get(stage)
        if found is None:
            nodes = self._at(self.level(stage))
            found = tuple(sorted({choice for node in nodes for choice, _ in node.edges}))
            self._open[stage] = found
        return found

    def restrict(self, stage: str, choice: int) -> ConfigurationSet:
        """The configurations that make this choice at this stage.

        Raises:
            ServingError: none does, or there is no such stage.
        """
        if choice not in self.open(stage):
            raise ServingError(
                f"choice {choice} is not open at {stage}; open are {list(self.open(stage))}"
            )
        if len(self.open(stage)) == 1:
            return self
        level = self.level(stage)

        def keep(node: Node) -> Node | None:
            child = node.child(choice)
            return None if child is None else _node(((choice, child),))

        root = _rebuilt(self.root, level, keep, {})
        assert root is not None  # the choice is open
        return ConfigurationSet(self.stages, root)

    def intersection(self, other: ConfigurationSet) -> ConfigurationSet:
        """The configurations in both.

        Raises:
            ServingError: there is none, or the stages differ.
        """
        if self.stages != other.stages:
            raise ServingError(
                f"sets of different stages: {', '.join(self.stages)}; {', '.join(other.stages)}"
            )
        root = _both(self.root, other.root, {})
        if root is None:
            raise ServingError("the two sets of configurations have none in common")
        return ConfigurationSet(self.stages, root)

    def nodes(self) -> int:
        """How many nodes the diagram has: what it takes to keep it."""
        return sum(len(self._at(level)) for level in range(len(self.stages) + 1))

    def _at(self, level: int) -> list[Node]:
        """The distinct nodes of a level, in order of first appearance."""
        layer = [self.root]
        for _ in range(level):
            layer = list(dict.fromkeys(node for above in layer for _, node in above.edges))
        return layer


def intersections(sets: Iterable[ConfigurationSet]) -> ConfigurationSet:
    """The configurations in all of several sets, of which there must be one.

    Raises:
        ServingError: as :meth:`ConfigurationSet.intersection`.
    """
    return reduce(ConfigurationSet.intersection, sets)


class Subsets:
    """Sets of some of a workflow's configurations, for who makes one per request.

    What a set is made of is made once: the diagram of all, and small parts that were met before.

    Args:
        rows: [C, L] choices of each configuration.
    """

    def __init__(self, stages: Sequence[str], rows: npt.NDArray[np.int64]) -> None:
        self._stages = tuple(stages)
        distinct, place = np.unique(rows, axis=0, return_inverse=True)
        self._place = place.reshape(-1)
        self._count = len(distinct)
        self._whole = _tree([tuple(row) for row in distinct.tolist()], 0, len(distinct), 0)
        self._parts: dict[tuple[int, int, bytes], Node] = {}
        self._met: dict[bytes, ConfigurationSet] = {}

    def of(self, kept: npt.NDArray[np.bool_]) -> ConfigurationSet:
        """The set of those that are kept [C], of which there must be one.

        Raises:
            ServingError: there is none.
        """
        among = np.zeros(self._count, dtype=np.bool_)
        among[self._place[kept]] = True
        key = among.tobytes()
        found = self._met.get(key)
        if found is None:
            totals = np.concatenate([[0], np.cumsum(among)]).tolist()
            if not totals[-1]:
                raise ServingError("a set of configurations is empty; at least one must stay open")
            whole = totals[-1] == self._count
            root = self._whole.node if whole else self._pick(self._whole, totals, key)
            if len(self._met) >= REMEMBERED or len(self._parts) >= 32 * REMEMBERED:
                self._met.clear()
                self._parts.clear()
            found = self._met[key] = ConfigurationSet(self._stages, root)
        return found

    def _pick(self, tree: _Tree, totals: Sequence[int], among: bytes) -> Node:
        """What is left of a diagram of which some rows, and not all, are kept."""
        part = tree.start, tree.level, among[tree.start : tree.stop]
        small = tree.stop - tree.start <= SMALL or not tree.below
        if small and (found := self._parts.get(part)) is not None:
            return found
        edges = []
        if tree.below:
            for choice, child in tree.below:
                kept = totals[child.stop] - totals[child.start]
                if kept == child.stop - child.start:
                    edges.append((choice, child.node))
                elif kept:
                    edges.append((choice, self._pick(child, totals, among)))
        else:
            edges = [edge for edge, is_in in zip(tree.node.edges, part[-1], strict=True) if is_in]
        node = _node(tuple(edges))
        if small:
            self._parts[part] = node
        return node


class _Tree:
    """Rows start:stop, which agree before a level, as a diagram.

    Attributes:
        below: by choice at this level; none at the last, where each row is an edge of the node.
    """

    __slots__ = ("below", "level", "node", "start", "stop")

    def __init__(
        self, start: int, stop: int, level: int, node: Node, below: Sequence[tuple[int, _Tree]]
    ) -> None:
        self.start, self.stop, self.level = start, stop, level
        self.node, self.below = node, below


def _tree(rows: Sequence[tuple[int, ...]], start: int, stop: int, level: int) -> _Tree:
    """Of sorted distinct rows[start:stop]."""
    if level == len(rows[start]) - 1:
        node = _node(tuple((row[-1], END) for row in rows[start:stop]))
        return _Tree(start, stop, level, node, ())
    below: list[tuple[int, _Tree]] = []
    at = start
    while at < stop:
        end = at
        while end < stop and rows[end][level] == rows[at][level]:
            end += 1
        below.append((rows[at][level], _tree(rows, at, end, level + 1)))
        at = end
    return _Tree(start, stop, level, _node(tuple((c, one.node) for c, one in below)), below)


def _of_sorted(
    rows: Sequence[tuple[int, ...]], start: int, stop: int, level: int, levels: int
) -> Node:
    """The diagram of distinct rows[start:stop], which agree before `level`."""
    if level == levels:
        return END
    edges = []
    while start < stop:
        choice = rows[start][level]
        end = start
        while end < stop and rows[end][level] == choice:
            end += 1
        edges.append((choice, _of_sorted(rows, start, end, level + 1, levels)))
        start = end
    return _node(tuple(edges))


def _rebuilt(
    node: Node, level: int, change: Callable[[Node], Node | None], seen: dict[Node, Node | None]
) -> Node | None:
    """The diagram with the nodes `level` levels down changed; None where nothing is left."""
    if node not in seen:
        if level == 0:
            seen[node] = change(node)
        else:
            below = ((c, _rebuilt(child, level - 1, change, seen)) for c, child in node.edges)
            edges = tuple((c, child) for c, child in below if child is not None)
            seen[node] = _node(edges) if edges else None
    return seen[node]


def _both(one: Node, other: Node, seen: dict[tuple[Node, Node], Node | None]) -> Node | None:
    if one is other:
        return one
    if (one, other) not in seen:
        children = dict(other.edges)
        edges = tuple(
            (choice, both)
            for choice, child in one.edges
            if choice in children and (both := _both(child, children[choice], seen)) is not None
        )
        seen[one, other] = _node(edges) if edges else None
    return seen[one, other]


def _paths(node: Node) -> Iterator[tuple[int, ...]]:
    if not node.edges:
        yield ()
    for choice, child in node.edges:
        for rest in _paths(child):
            yield (choice, *rest)
