"""A query as the upper tier sees it: what is done, what is ready, and what goes together."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowir.scheduling.plans import Plan
from flowir.scheduling.queues import Bucket, Entry


@dataclass(slots=True, eq=False)
class Query:
    """A query that has arrived and has not ended.

    Attributes:
        unmet: of each node, how many of its needs are not done.
        kv_left: of each node, how many that continue its KV cache are not done.
        finished: by node, a byte each.
        left: nodes that are not done.
        labels: what conditions said.
        items: of each node on a batch engine that is ready and not done, its items not done.
        held: tasks that wait for the query's window at an engine.
        early: prefills that wait for the model to be idle.
        within: how many tasks it has at an engine, queued or running, of those its window counts.
    """

    plan: Plan
    bucket: Bucket
    unmet: list[int]
    kv_left: list[int]
    finished: bytearray
    left: int
    labels: dict[int, str | None] = field(default_factory=dict)
    items: dict[int, int] = field(default_factory=dict)
    held: dict[str, list[tuple[float, int, Entry]]] = field(default_factory=dict)
    early: dict[int, Entry] = field(default_factory=dict)
    within: dict[str, int] = field(default_factory=dict)

    @classmethod
    def arrived(cls, plan: Plan, bucket: Bucket) -> Query:
        """Nothing of it is done."""
        nodes = len(plan.graph.nodes)
        return cls(
            plan,
            bucket,
            [len(needs) for needs in plan.needs],
            [len(children) for children in plan.kv_children],
            bytearray(nodes),
            nodes,
        )

    def wanted(self, node: int) -> bool:
        """Whether every condition gave the label that the node runs for."""
        guards = self.plan.graph.nodes[node].guards
        return all(self.labels.get(condition) == label for condition, label in guards)

    def is_early(self, node: int) -> bool:
        """Whether it is a prefill that only others continue, all of which wait for more."""
        children = self.plan.kv_children[node]
        if self.plan.graph.nodes[node].kind != "partial prefilling" or not children:
            return False
        if len(self.plan.successors[node]) > len(children):
            return False
        mine = 0 if self.finished[node] else 1
        return all(
            not self.finished[child] and (self.unmet[child] > mine or self.is_early(child))
            for child in children
        )

    def stretch(self, head: int, capacity: float) -> tuple[tuple[int, ...], float]:
        """A node and those that go on from it at once, needing nothing that is not there.

        Also gives the tokens of KV cache they need together, at most the capacity.
        """
        nodes = self.plan.graph.nodes
        work = nodes[head].work
        tokens = work.context_tokens + work.input_tokens + work.output_tokens
        found, inside, node = [head], {head}, head
        while len(self.plan.kv_children[node]) == 1:
            node = self.plan.kv_children[node][0]
            work = nodes[node].work
            more = work.input_tokens + work.output_tokens
            if self.unmet[node] > len(self.plan.needs[node] & inside) or not self.wanted(node):
                break
            if nodes[node].engine != nodes[head].engine or tokens + more > capacity:
                break
            tokens += more
            inside.add(node)
            found.append(node)
        return tuple(found), tokens
