"""What no scheduler can beat: lower bounds of latency, of one query and of many.

Of one query, the largest of its critical path and, for every engine and every tail q,

    min head + work + min tail    over the engine's primitives whose tail is at least q

where a head is the longest way to a primitive, a tail the longest from its end to the result, and
work what they occupy the engine for in batches as full as can be. Of many queries, their mean is
also at least what one engine alone gives that serves the shortest remaining work first and may
interrupt: no order of one machine has a smaller mean (Schrage 1968).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.prim.graph import PREFILLS, Node, PrimitiveGraph
from flowir.sim.continuous import steps_of


@dataclass(frozen=True)
class Job:
    """What a query needs of one engine: not before `head`, so long, and so much after it.

    Attributes:
        nodes: the primitives that are meant.
    """

    head_s: float
    work_s: float
    tail_s: float
    nodes: tuple[int, ...]

    @property
    def latency_s(self) -> float:
        """Of the query, at least."""
        return self.head_s + self.work_s + self.tail_s


@dataclass(frozen=True)
class Bounds:
    """Of one query.

    Attributes:
        critical_path_s: its longest way.
        jobs: for each engine, the one that says most.
    """

    critical_path_s: float
    jobs: Mapping[str, Job]

    @property
    def latency_s(self) -> float:
        """At least."""
        return max([self.critical_path_s, *(job.latency_s for job in self.jobs.values())])


def query_bounds(
    graph: PrimitiveGraph,
    engines: Mapping[str, Engine],
    labels: Mapping[int, str] | None = None,
    *,
    together: int = 1,
    nested: bool = True,
) -> Bounds:
    """Bounds of one query.

    Args:
        labels: what its conditions say; of one that is not named it holds whatever it says.
        together: queries with which it may share batches and decode steps.
        nested: heads are bounds of the same kind, of what comes before; otherwise longest ways.
    """
    needed = _needed(graph, labels or {})
    heads = _heads(graph, engines, needed, together if nested else None)
    jobs = _jobs(graph, engines, needed, heads, _tails(graph, engines, needed), together)
    result = graph.result
    path = heads[result] + _least_s(graph.nodes[result], engines) if result in needed else 0.0
    return Bounds(path, jobs)


def _jobs(
    graph: PrimitiveGraph,
    engines: Mapping[str, Engine],
    nodes: Iterable[int],
    heads: Mapping[int, float],
    tails: Mapping[int, float],
    together: int,
) -> dict[str, Job]:
    """For each engine of the nodes, over all least tails, the job that says most."""
    by_engine: dict[str, list[int]] = {}
    for index in sorted(nodes):
        engine = graph.nodes[index].engine
        if engine is not None:
            by_engine.setdefault(engine, []).append(index)
    jobs = {}
    for name, mine in by_engine.items():
        mine.sort(key=lambda index: -tails[index])
        found = []
        for count in range(1, len(mine) + 1):
            if count < len(mine) and tails[mine[count]] == tails[mine[count - 1]]:
                continue
            chosen = tuple(mine[:count])
            work = work_s([graph.nodes[i] for i in chosen], engines[name], together)
            head = min(heads[index] for index in chosen)
            found.append(Job(head, work, tails[mine[count - 1]], chosen))
        jobs[name] = max(found, key=lambda job: job.latency_s)
    return jobs


def mean_latency_bound_s(
    arrivals_s: Sequence[float], bounds: Sequence[Bounds], engines: Mapping[str, Engine]
) -> float:
    """Of the mean latency of many queries, whose `bounds` share batches with all of them."""
    alone = sum(bound.latency_s for bound in bounds) / len(bounds)
    found = [alone]
    for name in engines:
        total = 0.0
        queue = []
        for arrival, bound in zip(arrivals_s, bounds, strict=True):
            job = bound.jobs.get(name)
            if job is None:
                total += bound.latency_s
            else:
                queue.append((arrival + job.head_s, job.work_s))
                total += job.tail_s - arrival
        total += sum(shortest_remaining_first(queue))
        found.append(total / len(bounds))
    return max(found)


def shortest_remaining_first(jobs: Sequence[tuple[float, float]]) -> list[float]:
    """When jobs (release, work) end on one machine that may interrupt; in order of ending."""
    waiting = sorted(jobs)
    here: list[float] = []
    now, at, ends = 0.0, 0, []
    while at < len(waiting) or here:
        if not here:
            now = max(now, waiting[at][0])
        while at < len(waiting) and waiting[at][0] <= now:
            heappush(here, waiting[at][1])
            at += 1
        remaining = heappop(here)
        until = waiting[at][0] if at < len(waiting) else math.inf
        if now + remaining <= until:
            now += remaining
            ends.append(now)
        else:
            heappush(here, remaining - (until - now))
            now = until
    return ends


def work_s(nodes: Sequence[Node], engine: Engine, together: int = 1) -> float:
    """Seconds that so many queries' nodes occupy the engine, per query, in the fullest batches."""
    if isinstance(engine, BatchEngine):
        items = sum(node.work.items for node in nodes)
        tokens = sum(node.work.input_tokens for node in nodes)
        largest = min(engine.largest_batch, engine.efficient_batch)
        batches = items / largest if together > 1 else math.ceil(items / largest)
        return (engine.base_s * batches + engine.per_item_s * items
                + engine.per_token_s * tokens) / engine.slots  # fmt: skip
    prefilled = [node.work.input_tokens for node in nodes if node.kind in PREFILLS]
    tokens = sum(prefilled)
    calls = tokens / max(engine.prefill_batch_tokens, max(prefilled, default=0.0), 1.0)
    if together == 1 and prefilled:
        calls = max(1.0, calls)
    seconds = engine.prefill_base_s * calls + engine.prefill_per_token_s * tokens
    decodes = [node for node in nodes if steps_of(node) and node.kind not in PREFILLS]
    shared = min(engine.slots, max(1, len(decodes)) * together)
    for node in decodes:
        steps = steps_of(node)
        context = steps * node.work.context_tokens + steps * (steps - 1) / 2
        seconds += steps * (engine.decode_base_s / shared + engine.decode_per_request_s)
        seconds += engine.decode_per_context_token_s * context
    return seconds


def _needed(graph: PrimitiveGraph, labels: Mapping[int, str]) -> set[int]:
    """Nodes that run for certain and on which the result waits."""
    awaited: set[int] = set()
    todo = [graph.result]
    while todo:
        index = todo.pop()
        if index not in awaited:
            awaited.add(index)
            todo += _needs(graph.nodes[index])
    # What a node that is skipped needs is awaited all the same, and may itself be skipped.
    return {
        index
        for index in awaited
        if all(labels.get(condition) == label for condition, label in graph.nodes[index].guards)
    }


def _needs(node: Node) -> tuple[int, ...]:
    return (*node.after, *(condition for condition, _ in node.guards))


def _least_s(node: Node, engines: Mapping[str, Engine]) -> float:
    """Seconds that the node takes at least, given that all it needs was done before it began."""
    if node.engine is None:
        return 0.0
    engine = engines[node.engine]
    if isinstance(engine, LanguageModelEngine):
        if node.kind in PREFILLS:
            return engine.prefill_s(node.work.input_tokens)
        return engine.decode_s(steps_of(node), node.work.context_tokens)
    items = node.work.items
    largest = min(engine.largest_batch, engine.efficient_batch)
    all_of_it = (engine.base_s * math.ceil(items / largest) + engine.per_item_s * items
                 + engine.per_token_s * node.work.input_tokens)  # fmt: skip
    return max(all_of_it / engine.slots, engine.base_s + engine.per_item_s)


def _step_s(nodes: Sequence[Node], before: int, after: int, engines: Mapping[str, Engine]) -> float:
    """From the end of one node to the end of another that needs it, at least."""
    node = nodes[after]
    least = _least_s(node, engines)
    if node.kv == before and node.kind in PREFILLS and nodes[before].kind in PREFILLS:
        engine = engines[node.engine or ""]
        if isinstance(engine, LanguageModelEngine):  # both may be one prefill
            return engine.prefill_per_token_s * node.work.input_tokens
    return least


def _heads(
    graph: PrimitiveGraph, engines: Mapping[str, Engine], needed: set[int], together: int | None
) -> dict[int, float]:
    """When each can begin at the earliest; of a prefill joined with one before, when that can.

    With `together`, a node that waits for several waits for what their engines have to do.
    """
    ends: dict[int, float] = {}
    heads: dict[int, float] = {}
    for index, node in enumerate(graph.nodes):
        mine = index in needed
        least = _least_s(node, engines) if mine else 0.0
        steps = {
            other: _step_s(graph.nodes, other, index, engines) if mine else 0.0
            for other in _needs(node)
        }
        end = max([least, *(ends[other] + step for other, step in steps.items())])
        if together is not None and len(steps) > 1:
            before = _tails(graph, engines, needed, index)
            jobs = _jobs(graph, engines, needed & before.keys() - {index}, heads, before, together)
            waits = max((job.latency_s for job in jobs.values()), default=0.0)
            end = max(end, waits + min(steps.values()))
        ends[index] = end
        heads[index] = max(0.0, end - least)
    return heads


def _tails(
    graph: PrimitiveGraph, engines: Mapping[str, Engine], needed: set[int], to: int | None = None
) -> dict[int, float]:
    """From the end of each to the result, or to the begin of node `to`, at least."""
    last = graph.result if to is None else to
    tails: dict[int, float] = {last: 0.0}
    for index in range(last, -1, -1):
        if index not in tails:
            continue
        takes = index in needed and index != to
        for other in _needs(graph.nodes[index]):
            step = _step_s(graph.nodes, other, index, engines) if takes else 0.0
            tails[other] = max(tails.get(other, 0.0), tails[index] + step)
    return tails
