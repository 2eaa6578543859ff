"""Reads the builder of a compiled graph, its objects, and the source of its functions.

Never the drawing (`get_graph()`): it leaves real edges out and invents others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx

from flowir.frontends.langgraph.facts import (
    END,
    NOWHERE,
    Branch,
    Edge,
    GraphFacts,
    GraphImportError,
    Join,
    Node,
    Via,
)
from flowir.frontends.langgraph.reading.certainty import as_digraph, begins, surely_runs
from flowir.frontends.langgraph.reading.functional import is_entrypoint, read_entrypoint
from flowir.frontends.langgraph.reading.functions import (
    Function,
    argument,
    calls_function,
    function_of,
)
from flowir.frontends.langgraph.reading.loops import Code, loops_of
from flowir.frontends.langgraph.reading.model_calls import model_calls
from flowir.frontends.langgraph.reading.models import chat_model, describe_model
from flowir.frontends.langgraph.reading.routing import answers, gotos, sends
from flowir.frontends.langgraph.reading.state import keys_written, state_reads


def read_graph(compiled: Any, name: str = "graph") -> GraphFacts:
    """All that can be known of a compiled graph without running it.

    Raises:
        GraphImportError: it is no compiled graph.
    """
    from langgraph.graph import StateGraph
    from langgraph.graph.state import CompiledStateGraph

    if isinstance(compiled, StateGraph):
        raise GraphImportError(f"{name} is a graph that is not compiled; give `{name}.compile()`")
    if is_entrypoint(compiled):
        return read_entrypoint(compiled, name)
    if not isinstance(compiled, CompiledStateGraph):
        raise GraphImportError(
            f"{name} is a {type(compiled).__name__}, not a compiled LangGraph graph"
        )
    reading = _Reading()
    reading.graph(compiled, "")
    edges = tuple(dict.fromkeys(reading.edges))
    return GraphFacts(
        name,
        tuple(reading.nodes),
        edges,
        tuple(_joins(edges, reading.branches, reading.waiting)),
        tuple(reading.branches),
        tuple(loops_of(edges, reading.code)),
        tuple(reading.unknown),
    )


def subgraph_of(runnable: Any) -> Any | None:
    """The compiled graph that a node is, or None."""
    from langgraph.graph.state import CompiledStateGraph

    return runnable if isinstance(runnable, CompiledStateGraph) else None


@dataclass
class _Reading:
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    waiting: list[Join] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    code: dict[str, Code] = field(default_factory=dict)

    def graph(self, compiled: Any, prefix: str) -> None:
        builder = compiled.builder
        reducers = {
            key: channel.operator
            for key, channel in builder.channels.items()
            if hasattr(channel, "operator")
        }
        for name, spec in builder.nodes.items():
            self.node(prefix, name, spec, builder, reducers)
        for start, end in sorted(builder.edges):
            self.edges.append(Edge(_at(prefix, start), _at(prefix, end), "plain", Via.BUILDER))
        for starts, end in sorted(builder.waiting_edges):
            sources = tuple(_at(prefix, start) for start in starts)
            target = _at(prefix, end)
            self.waiting.append(Join(sources, target, True, Via.BUILDER))
            self.edges += [Edge(start, target, "plain", Via.BUILDER) for start in sources]
        for start, routers in builder.branches.items():
            for name, spec in routers.items():
                self.router(prefix, start, name, spec, builder)

    def node(
        self, prefix: str, name: str, spec: Any, builder: Any, reducers: Mapping[str, Any]
    ) -> None:
        path = _at(prefix, name)
        attempts = _attempts(spec.retry_policy)
        if (inner := subgraph_of(spec.runnable)) is not None:
            place = NOWHERE
            self.nodes.append(Node(path, place, "subgraph", (), (), (), attempts, spec.defer))
            self.graph(inner, path)
            self.code[path] = Code(None, (), reducers)
            return
        function = function_of(spec.runnable)
        decides = (function,) if calls_function(function, "Command") is not None else ()
        self.code[path] = Code(function, decides, reducers)
        reads, listed = state_reads(function)
        writes, _ = keys_written(function)
        values = [model for _, model in model_calls(function)] or _captured(function)
        models = tuple(dict.fromkeys(describe_model(value) for value in values))
        self.nodes.append(
            Node(
                path,
                function.place,
                "opaque" if function.tree is None else "code",
                models,
                reads,
                writes,
                attempts,
                spec.defer,
                calls_function(function, "interrupt") is not None,
                function.tree is None or not listed,
            )
        )
        self.commands(prefix, name, function, spec, builder)

    def commands(self, prefix: str, name: str, function: Function, spec: Any, builder: Any) -> None:
        """Where a node goes by itself: declared on the builder, else written in its body."""
        path = _at(prefix, name)
        written, sure = gotos(function)
        declared = tuple(spec.ends) if spec.ends else ()
        parent = calls_function(function, "Command")
        if parent is not None and _to_parent(function):
            prefix = prefix.rpartition("/")[0]
        if declared and not written:
            targets, via = declared, Via.BUILDER
        else:
            targets, via = (written, Via.BUILDER if set(written) <= set(declared) else Via.AST)
            if not sure:
                targets, via = (declared, Via.BUILDER)
                if not declared:
                    self.unknown.append(f"{function.place}: node {path!r} goes to a computed place")
        kind = "send" if sends(function) else "command"
        targets = tuple(dict.fromkeys((*targets, *sends(function))))
        self.edges += [Edge(path, _at(prefix, end), kind, via) for end in targets]

    def router(self, prefix: str, start: str, name: str, spec: Any, builder: Any) -> None:
        function = function_of(spec.path)
        path = _at(prefix, start)
        code = self.code.get(path, Code(None, (), {}))
        self.code[path] = replace(code, deciders=(*code.deciders, function))
        sent = sends(function)
        found, sure = answers(function)
        if sent:
            pairs, via, kind = [(end, end) for end in sent], Via.AST, "send"
            pairs += [(str(a), str(a)) for a in found if a in builder.nodes or a == END]
        elif spec.ends is not None:
            pairs, via, kind = [(str(k), v) for k, v in spec.ends.items()], Via.BUILDER, "branch"
        else:
            pairs, via, kind = [(str(a), str(a)) for a in found], Via.AST, "branch"
            if not sure:
                self.unknown.append(f"{function.place}: router {name!r} answers a computed place")
        targets = tuple(dict.fromkeys((answer, _at(prefix, end)) for answer, end in pairs))
        reads, listed = state_reads(function)
        everything = function.tree is None or not listed
        place = function.place
        self.branches.append(Branch(path, name, targets, kind, via, place, reads, everything))
        for _, end in targets:
            of = "send" if end.removeprefix(f"{prefix}/") in sent else "branch"
            self.edges.append(Edge(path, end, of, via))


def _attempts(policies: Any) -> int:
    """The most tries that a node's retry policy, or one of several, allows."""
    several = [policies] if hasattr(policies, "max_attempts") else policies or ()
    return max((policy.max_attempts for policy in several), default=1)


def _at(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def _to_parent(function: Function) -> bool:
    call = calls_function(function, "Command")
    graph = None if call is None else argument(call, "graph", 0)
    return graph is not None and function.resolve(graph) == "__parent__"


def _captured(function: Function) -> list[Any]:
    """Chat models a function names without calling them in a form that is understood."""
    import ast

    found: dict[int, Any] = {}
    for node in function.walk():
        if isinstance(node, ast.Name):
            model = chat_model(function.names.get(node.id))
            if model is not None:
                found[id(model)] = model
    code = getattr(function.value, "__code__", None)
    if function.tree is None and code is not None:
        for name in (*code.co_names, *code.co_freevars):
            if (model := chat_model(function.names.get(name))) is not None:
                found[id(model)] = model
    return list(found.values())


def _joins(
    edges: tuple[Edge, ...], branches: Sequence[Branch], waiting: Iterable[Join]
) -> Iterable[Join]:
    """AND-joins as declared, and nodes to which plain edges lead from several that run together.

    Such a node runs once for each step at which one of those ends.
    """
    declared = list(waiting)
    yield from declared
    waited = {(start, join.target) for join in declared for start in join.sources}
    sure, graph = surely_runs(edges, branches, declared), as_digraph(edges)
    plain: dict[str, list[str]] = {}
    for edge in edges:
        ends = edge.target.rpartition("/")[2] == END
        if edge.kind == "plain" and not ends and edge.pair not in waited:
            plain.setdefault(edge.target, []).append(edge.source)
    for target, sources in plain.items():
        sources = [name for name in sources if not nx.has_path(graph, target, name)]
        for begin in begins(edges):
            together = tuple(name for name in sources if name in sure[begin] and begin != name)
            if len(together) > 1:
                yield Join(together, target, False, Via.BUILDER)
                break
