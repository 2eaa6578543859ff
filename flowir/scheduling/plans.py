"""What a scheduler knows of a graph before it runs: priorities, needs, KV chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowir.engines.engine import Engine, LanguageModelEngine
from flowir.errors import SchedulingError, nearest
from flowir.prim.graph import PrimitiveGraph, alone_s
from flowir.scheduling.policies import Order


@dataclass(frozen=True)
class Plan:
    """One graph; lists are by node.

    Attributes:
        needs: those that come before it, its conditions included.
        rank: smaller is served first; all 0 where the order is that of becoming ready.
        kv_children: those that continue its KV cache.
    """

    graph: PrimitiveGraph
    needs: tuple[frozenset[int], ...]
    successors: tuple[tuple[int, ...], ...]
    rank: tuple[float, ...]
    kv_children: tuple[tuple[int, ...], ...]


def plan(graph: PrimitiveGraph, engines: Mapping[str, Engine], order: Order) -> Plan:
    """Look at a graph once.

    Raises:
        SchedulingError: a node's engine is missing, of the wrong kind, or too small for it.
    """
    _check(graph, engines)
    children: list[list[int]] = [[] for _ in graph.nodes]
    for index, node in enumerate(graph.nodes):
        if node.kv is not None:
            children[node.kv].append(index)
    successors = graph.successors()
    return Plan(
        graph,
        tuple(
            frozenset((*node.after, *(condition for condition, _ in node.guards)))
            for node in graph.nodes
        ),
        successors,
        _rank(graph, engines, successors, order),
        tuple(map(tuple, children)),
    )


def depths(graph: PrimitiveGraph) -> tuple[int, ...]:
    """Of each node: primitives on the longest way from it to the end, itself counted.

    Those that run on no engine take no time, and count for nothing.
    """
    weights = [0 if node.engine is None else 1 for node in graph.nodes]
    return tuple(int(depth) for depth in _longest(graph.successors(), weights))


def longest_paths_s(graph: PrimitiveGraph, engines: Mapping[str, Engine]) -> tuple[float, ...]:
    """Of each node: seconds on the longest way from its start to the end, on idle engines."""
    return tuple(_longest(graph.successors(), [alone_s(node, engines) for node in graph.nodes]))


def _rank(
    graph: PrimitiveGraph,
    engines: Mapping[str, Engine],
    successors: tuple[tuple[int, ...], ...],
    order: Order,
) -> tuple[float, ...]:
    match order:
        case "ready":
            return (0.0,) * len(graph.nodes)
        case "depth":
            weights = [0.0 if node.engine is None else 1.0 for node in graph.nodes]
            return tuple(-depth for depth in _longest(successors, weights))
        case "longest path":
            seconds = [alone_s(node, engines) for node in graph.nodes]
            return tuple(-path for path in _longest(successors, seconds))
        case "shortest path":
            seconds = [alone_s(node, engines) for node in graph.nodes]
            return tuple(_longest(successors, seconds))


def _longest(
    successors: tuple[tuple[int, ...], ...], weights: list[float] | list[int]
) -> list[float]:
    found = [0.0] * len(weights)
    for index in reversed(range(len(weights))):
        found[index] = weights[index] + max(
            (found[after] for after in successors[index]), default=0
        )
    return found


def _check(graph: PrimitiveGraph, engines: Mapping[str, Engine]) -> None:
    for node in graph.nodes:
        if node.engine is None:
            continue
        if node.engine not in engines:
            raise SchedulingError(
                f"primitive {node.name} runs on engine {node.engine!r}, which is not there"
                f"{nearest(node.engine, engines)}; engines: {', '.join(engines) or 'none'}"
            )
        try:
            alone_s(node, engines)
        except TypeError as error:
            raise SchedulingError(f"{error}; give it an engine of the other kind") from None
        engine, work = engines[node.engine], node.work
        if not isinstance(engine, LanguageModelEngine):
            if work.items < 1:
                raise SchedulingError(
                    f"primitive {node.name} has {work.items} items; give at least 1"
                )
            continue
        tokens = work.context_tokens + work.input_tokens + work.output_tokens
        if tokens > engine.kv_tokens:
            raise SchedulingError(
                f"primitive {node.name} needs {tokens:g} tokens of KV cache, engine {engine.name} "
                f"has {engine.kv_tokens}; shorten the prompt or take a larger engine"
            )
