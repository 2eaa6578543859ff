"""What runs in any case: plain edges are followed all, of a router's answers one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import networkx as nx

from flowir.frontends.langgraph.facts import START, Branch, Edge, Join


def as_digraph(edges: Iterable[Edge]) -> nx.DiGraph:
    """The edges as a graph."""
    graph = nx.DiGraph()
    graph.add_edges_from(edge.pair for edge in edges)
    return graph


def surely_runs(
    edges: Sequence[Edge], branches: Sequence[Branch], joins: Sequence[Join]
) -> Mapping[str, frozenset[str]]:
    """For every node, those that run in any case once it does, itself among them.

    All that plain edges lead to, and of a router what all of its answers lead to.
    """
    names = dict.fromkeys(name for edge in edges for name in edge.pair)
    found = {name: frozenset({name}) for name in names}
    waits = {join.target: join.sources for join in joins if join.waits}
    changed = True
    while changed:
        changed = False
        for name in names:
            plain = [e.target for e in edges if e.source == name and e.kind == "plain"]
            runs = found[name].union(*(found[t] for t in plain if t not in waits))
            choices = [
                [t for _, t in b.targets]
                for b in branches
                if b.source == name and b.kind == "branch" and b.targets
            ]
            for targets in choices:
                runs |= frozenset.intersection(*(found[t] for t in targets))
            for target, sources in waits.items():
                if set(sources) <= runs:
                    runs |= found[target]
            if runs != found[name]:
                found[name], changed = runs, True
    return found


def begins(edges: Sequence[Edge]) -> list[str]:
    """Where a run may be: the start and whatever a router leads to."""
    starts = [name for name in (e.source for e in edges) if name.rpartition("/")[2] == START]
    return list(dict.fromkeys([*starts, *(e.target for e in edges if e.kind == "branch")]))
