"""What is legal in LangGraph and hardly meant, each with its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import networkx as nx

from flowir.frontends.langgraph.facts import END, NOWHERE, START, GraphFacts, Lint, Place
from flowir.frontends.langgraph.reading.certainty import as_digraph, begins, surely_runs


def lints(facts: GraphFacts) -> list[Lint]:
    """All lints of a graph, in the order of its nodes."""
    sure = surely_runs(facts.edges, facts.branches, facts.joins)
    found = [
        *_joins(facts, sure),
        *_loops(facts),
        *_serial(facts),
        *_stalls(facts, sure),
        *_clients(facts),
    ]
    return list(dict.fromkeys(found))


def _place(facts: GraphFacts, name: str) -> Place:
    return next((node.place for node in facts.nodes if node.name == name), NOWHERE)


def _joins(facts: GraphFacts, sure: Mapping[str, frozenset[str]]) -> Iterator[Lint]:
    graph = as_digraph(facts.edges)
    surely = {begin: _surely_with(graph, begin, sure) for begin in begins(facts.edges)}
    for join in facts.joins:
        place = _place(facts, join.target)
        sources = ", ".join(join.sources)
        for begin in begins(facts.edges):
            runs = [name for name in join.sources if name in sure[begin]]
            missing = [name for name in join.sources if name not in surely[begin]]
            if join.waits and runs and missing:
                yield Lint(
                    "join-never-fires",
                    place,
                    f"{join.target!r} waits for {sources}, but a branch may pass {missing[0]!r} "
                    "by; lead every way through it, or use defer=True",
                )
                break
            if not join.waits and len(runs) > 1:
                steps = {nx.shortest_path_length(graph, begin, name) for name in runs}
                if len(steps) > 1:
                    yield Lint(
                        "join-fires-twice",
                        place,
                        f"{join.target!r} runs once for each of {sources}, which end at different "
                        f"steps; wait for all with add_edge([{sources}], {join.target!r})",
                    )
                    break


def _surely_with(
    graph: nx.DiGraph, begin: str, sure: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """What runs in any case where a node does: also what was started on every way to it."""
    level = begin.rpartition("/")[0]
    start = f"{level}/{START}" if level else START
    before = nx.immediate_dominators(graph, start) if start in graph else {}
    runs, name = sure[begin], begin
    while name != start and name in before:
        name = before[name]
        runs |= sure[name]
    return runs


def _loops(facts: GraphFacts) -> Iterator[Lint]:
    for loop in facts.loops:
        if loop.bound is None:
            yield Lint(
                "unbounded-loop",
                _place(facts, loop.header),
                f"nothing bounds the loop of {', '.join(loop.members)} but the recursion limit; "
                "count the turns in the state",
            )


def _serial(facts: GraphFacts) -> Iterator[Lint]:
    """Two model calls one after the other, of which the second uses nothing of the first."""
    for edge in facts.edges:
        if edge.kind != "plain" or START in edge.source or edge.target.endswith(END):
            continue
        first, second = facts.node(edge.source), facts.node(edge.target)
        if len(facts.successors(first.name)) > 1 or not (first.models and second.models):
            continue
        if first.writes and second.reads and not set(first.writes) & set(second.reads):
            yield Lint(
                "serial-chain",
                second.place,
                f"{second.name!r} reads nothing that {first.name!r} writes; "
                "they could run at the same time",
            )


def _stalls(facts: GraphFacts, sure: Mapping[str, frozenset[str]]) -> Iterator[Lint]:
    """Ways beside each other with several steps: each step waits for the slowest of all ways."""
    for name in dict.fromkeys(edge.source for edge in facts.edges):
        plain = [e.target for e in facts.edges if e.source == name and e.kind == "plain"]
        if len(plain) < 2:
            continue
        common = frozenset.intersection(*(sure[target] for target in plain))
        ways = {
            t: [n for n in facts.nodes if n.name in sure[t] - common and n.models] for t in plain
        }
        long = [target for target in plain if len(ways[target]) > 1]
        busy = [target for target in plain if ways[target]]
        if long and len(busy) > 1:
            others = ", ".join(target for target in busy if target != long[0])
            yield Lint(
                "superstep-stall",
                _place(facts, long[0]),
                f"the steps after {long[0]!r} wait for {others} to finish the "
                "step before; make each way one node or a subgraph",
            )


def _clients(facts: GraphFacts) -> Iterator[Lint]:
    for node in facts.nodes:
        for model in node.models:
            if node.attempts > 1 and model.retries:
                total = node.attempts * (model.retries + 1)
                yield Lint(
                    "nested-retries",
                    node.place,
                    f"{node.name!r} is tried {node.attempts} times and its client repeats "
                    f"{model.retries} times: up to {total} requests; set max_retries=0",
                )
            if model.elsewhere and not model.streams_usage:
                yield Lint(
                    "no-stream-usage",
                    node.place,
                    f"{node.name!r} streams from a base_url of its own without token counts; "
                    "set stream_usage=True",
                )
