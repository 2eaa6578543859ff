"""The shape of one graph level: where ways meet, what loops, and whether joins fire once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx as nx

from flowir.frontends.langgraph.facts import END, START, GraphFacts, Join, Loop


@dataclass(frozen=True)
class Rotation:
    """A loop that is left at one node, for one other.

    Attributes:
        last: the member at which it is left.
        leaves: the node after the loop.
    """

    members: tuple[str, ...]
    last: str
    leaves: str


class Shape:
    """One level of the graph that was read, under names without its prefix."""

    def __init__(self, facts: GraphFacts, prefix: str, keys: Iterable[str]) -> None:
        self._keys_of_state = tuple(keys)
        self._facts, self._prefix = facts, f"{prefix}/" if prefix else ""
        inside = [e for e in facts.edges if self._own(e.source) and self._own(e.target)]
        self._edges = [(self.short(e.source), self.short(e.target), e.kind) for e in inside]
        self.graph = nx.DiGraph()
        self.graph.add_node(START)
        self.graph.add_edges_from((a, b) for a, b, _ in self._edges)
        for name in list(self.graph):
            if name != END and not self.graph.out_degree(name):
                self.graph.add_edge(name, END)

    def _own(self, name: str) -> bool:
        return name.startswith(self._prefix) and "/" not in name[len(self._prefix) :]

    def short(self, name: str) -> str:
        """A name as it is at this level."""
        return name[len(self._prefix) :]

    def plain(self, name: str) -> list[str]:
        """Where plain edges lead, in the order in which LangGraph applies what they write."""
        return sorted(b for a, b, kind in self._edges if a == name and kind == "plain")

    def commands(self, name: str) -> list[str]:
        """Where a node may go by `Command`."""
        return [b for a, b, kind in self._edges if a == name and kind == "command"]

    @cached_property
    def _meetings(self) -> dict[str, str]:
        reached = self.graph.reverse()
        if END not in reached:
            return {}
        return dict(nx.immediate_dominators(reached, END))

    def meeting(self, name: str) -> str:
        """The first node that every way from `name` to the end comes through."""
        return self._meetings.get(name, END)

    def common_meeting(self, starts: Sequence[str], last: str) -> str:
        """The first node that every way from any of some nodes comes through, `last` at most."""
        ways = []
        for name in starts:
            way = [name]
            while way[-1] not in (last, END):
                way.append(self.meeting(way[-1]))
            ways.append(way)
        return next(name for name in ways[0] if all(name in way for way in ways))

    def rotation(self, loop: Loop) -> Rotation | None:
        """How a loop is turned into a check at its end; None where it is left in several ways.

        It is entered at its header alone, left at one node for one other, and cannot come back to
        its header without passing that node.
        """
        header, members = self.short(loop.header), {self.short(name) for name in loop.members}
        out = [(a, b) for a, b in self.graph.edges if a in members and b not in members]
        into = {b for a, b in self.graph.edges if a not in members and b in members}
        if len({a for a, _ in out}) != 1 or len({b for _, b in out}) != 1 or into != {header}:
            return None
        ((last, leaves),) = set(out)
        kinds = {kind for a, _, kind in self._edges if a == last}
        if not kinds <= {"branch", "command"} or len(kinds) != 1:
            return None
        rest = self.graph.subgraph(members - {last})
        returns = header in rest and any(
            nx.has_path(rest, successor, header) for successor in rest.successors(header)
        )
        return None if returns else Rotation(tuple(sorted(members)), last, leaves)

    def loop_of(self, name: str) -> Loop | None:
        """The loop that a node is the header of."""
        for loop in self._facts.loops:
            if loop.header == self._prefix + name:
                return loop
        return None

    def exit_of(self, header: str) -> str | None:
        """The one node after a loop; None where there are several."""
        loop = self.loop_of(header)
        members = {self.short(m) for m in loop.members} if loop is not None else set()
        exits = {b for a in sorted(members) for b in self.graph.successors(a)} - members
        return exits.pop() if len(exits) == 1 else None

    def _between(self, start: str, stop: str) -> list[str]:
        """Nodes from `start` on that come before `stop`."""
        seen, todo = {start: None}, [start]
        while todo:
            for name in sorted(self.graph.successors(todo.pop())):
                if name not in seen and name not in (stop, END):
                    seen[name] = None
                    todo.append(name)
        return list(seen)

    def written_by(self, name: str) -> set[str]:
        """Keys that a node or what is inside it may write."""
        path = self._prefix + name
        found: set[str] = set()
        for node in self._facts.nodes:
            if node.name == path or node.name.startswith(f"{path}/"):
                found |= set(node.writes)
        return found & set(self._keys_of_state)  # a subgraph has keys of its own

    def writes_between(self, start: str, stop: str) -> list[str]:
        """Keys that may be written from `start` on, before `stop`."""
        names = self._between(start, stop)
        return sorted(set[str]().union(*(self.written_by(name) for name in names)))

    def live(self, start: str) -> set[str]:
        """Keys that some node or router may read from `start` on."""
        if start == END:
            return set()
        return set[str]().union(*(self.read_by(name) for name in self._between(start, END)))

    def read_by(self, name: str) -> set[str]:
        """Keys that a node, what is inside it, or its router may read."""
        path = self._prefix + name
        found: set[str] = set()
        for node in self._facts.nodes:
            if node.name == path or node.name.startswith(f"{path}/"):
                found |= self._everything if node.reads_all else set(node.reads)
        for branch in self._facts.branches:
            if branch.source == path or branch.source.startswith(f"{path}/"):
                found |= self._everything if branch.reads_all else set(branch.reads)
        return found

    @cached_property
    def _everything(self) -> set[str]:
        named = [key for node in self._facts.nodes for key in (*node.reads, *node.writes)]
        return {*named, *self._keys_of_state}

    def same_step(self, targets: list[str], join: str, key: str) -> bool:
        """Whether a key is written by each way at the same step and read by none of them."""
        steps: set[int] = set()
        for target in targets:
            lengths = nx.single_source_shortest_path_length(self.graph, target)
            for name in self._between(target, join):
                if key in self.read_by(name):
                    return False
                if key in self.written_by(name):
                    steps.add(lengths[name])
        return len(steps) <= 1

    def join_problem(self, name: str, targets: list[str], join: str) -> str | None:
        """Why the node where parallel ways meet does not run exactly once; None if it does."""
        seen: set[str] = set()
        for target in targets:
            inside = set(self._between(target, join))
            if both := sorted(seen & inside):
                return f"starts ways that run at once and share {both[0]!r}, not always to its end"
            seen |= inside
        if join == END:
            return None
        joins = [j for j in self._facts.joins if j.target == self._prefix + join]
        waiting = next((j for j in joins if j.waits), None)
        if waiting is not None:
            return self._never(waiting, targets)
        lengths = {n for target in targets for n in self._lengths(target, join)}
        if None in lengths:
            return "is reached by ways one of which loops; wait for all with a list edge"
        if len(lengths) > 1:
            return "fires twice: the ways to it differ in length; wait for all with a list edge"
        return None

    def _never(self, waiting: Join, targets: list[str]) -> str | None:
        """A source of an AND-join that may be passed by, in words."""
        sources = {self.short(source) for source in waiting.sources}
        join = self.short(waiting.target)
        for target in targets:
            last = {n for n in self._between(target, join) if self.graph.has_edge(n, join)}
            if not last <= sources:
                return "fires twice: one way comes to it without being waited for"
            if len(last) != 1 and not self._all_parallel(target, last):
                return "never fires where a branch passes one of its sources by"
        reached = {n for target in targets for n in self._between(target, join)}
        return (
            None if sources <= reached else "never fires: it waits for a node that is not started"
        )

    def _all_parallel(self, target: str, last: set[str]) -> bool:
        """Whether several ends of one way are all reached: no router in between."""
        inside = self._between(target, END)
        return not any(a in inside and kind != "plain" for a, _, kind in self._edges)

    def _lengths(self, start: str, stop: str) -> set[int | None]:
        """Lengths of the ways between two nodes; None stands for a way that loops."""
        inside = self.graph.subgraph([*self._between(start, stop), stop])
        if not nx.is_directed_acyclic_graph(inside):
            return {None}
        return {len(path) for path in nx.all_simple_paths(inside, start, stop)} or {1}
