"""Loops of a graph, those inside others among them, and the turns that their guards allow."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from flowir.frontends.langgraph.facts import START, Edge, Loop, Via
from flowir.frontends.langgraph.reading.certainty import as_digraph
from flowir.frontends.langgraph.reading.functions import Function, local_value, returned
from flowir.frontends.langgraph.reading.state import keys_written, read_key, update_of


@dataclass(frozen=True)
class Code:
    """The functions of one node.

    Attributes:
        body: what the node runs; None of a subgraph.
        deciders: what says where it goes: its routers, and its body where that does.
        reducers: of the keys of its state that have one.
    """

    body: Function | None
    deciders: tuple[Function, ...]
    reducers: Mapping[str, Any]


def loops_of(edges: Sequence[Edge], code: Mapping[str, Code]) -> Iterable[Loop]:
    """Strongly connected parts, and what still loops in each without its header.

    The header is the member that is reached from outside first.
    """
    graph = as_digraph(edges)
    order = {name: place for place, name in enumerate(dict.fromkeys(_breadth_first(graph)))}
    return _loops(graph, order, code)


def _loops(graph: nx.DiGraph, order: Mapping[str, int], code: Mapping[str, Code]) -> Iterator[Loop]:
    far = len(order)
    parts = [
        tuple(sorted(part, key=lambda name: (order.get(name, far), name)))
        for part in nx.strongly_connected_components(graph)
        if len(part) > 1 or graph.has_edge(*(list(part) * 2))
    ]
    for members in sorted(parts, key=lambda names: (order.get(names[0], far), names)):
        inside = graph.subgraph(members)
        bound = _bound(inside, members[0], code)
        via = Via.BUILDER if bound is None else Via.AST
        yield Loop(members[0], members, bound, via)
        yield from _loops(graph.subgraph(members[1:]), order, code)


def _bound(loop: nx.DiGraph, header: str, code: Mapping[str, Code]) -> int | None:
    """The largest number that a guard compares a counter of the turns with."""
    counters: set[str] = set()
    for name in loop:
        if name in code and not _returns(loop, header, name):
            counters |= counted(code[name])
    for name in loop:  # what anybody writes in another way counts nothing
        if name in code and (body := code[name].body) is not None:
            counters -= set(keys_written(body)[0]) - counted(code[name])
    found = [
        limit
        for name in loop
        if name in code
        for decider in code[name].deciders
        for limit in _limits(decider, counters)
    ]
    return max(found, default=None)


def _returns(loop: nx.DiGraph, header: str, without: str) -> bool:
    """Whether a turn may come back to the header without passing a node."""
    if without == header:
        return False
    rest = loop.subgraph([name for name in loop if name != without])
    return any(nx.has_path(rest, after, header) for after in rest.successors(header))


def counted(code: Code) -> set[str]:
    """Keys that a node adds one to, or items, whenever it runs.

    `{"n": state.get("n", 0) + 1}`, or `{"n": 1}` and `{"log": [x]}` where a reducer adds.
    """
    if code.body is None:
        return set()
    found: list[set[str]] = []
    for tree in returned(code.body):
        update = update_of(tree)
        if not isinstance(update, ast.Dict):
            return set()
        found.append(
            {
                str(key.value)
                for key, value in zip(update.keys, update.values, strict=True)
                if isinstance(key, ast.Constant) and _grows(code, str(key.value), value)
            }
        )
    return set.intersection(*found) if found else set()


def _grows(code: Code, key: str, value: ast.expr) -> bool:
    assert code.body is not None
    if isinstance(value, ast.Name) and (given := local_value(code.body, value.id)) is not None:
        value = given
    adds = code.reducers.get(key) is operator.add
    match value:
        case ast.Constant(int(step)):
            return adds and step == 1
        case ast.List([_, *_]):
            return adds
        case ast.BinOp(left, ast.Add(), ast.Constant(int(step))) | ast.BinOp(
            ast.Constant(int(step)), ast.Add(), left
        ):
            return step == 1 and read_key(left, code.body.state) == key and not adds
        case _:
            return False


def _limits(function: Function, counters: set[str]) -> Iterator[int]:
    """Numbers that the function compares counters with, where such a comparison decides alone."""
    if function.tree is not None:
        for node in ast.walk(function.tree):
            if isinstance(node, ast.If | ast.IfExp):
                yield from _deciding(function, node.test, counters)
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Compare | ast.BoolOp):
                yield from _deciding(function, node.value, counters)


def _deciding(function: Function, test: ast.expr, counters: set[str]) -> Iterator[int]:
    """`n >= 3 or done` ends at three turns whatever else is so; `n >= 3 and done` does not."""
    if isinstance(test, ast.BoolOp):
        high = isinstance(test.op, ast.Or)
        for part in test.values:
            if isinstance(part, ast.Compare) and _true_when_high(part) in (high, None):
                yield from _compared(function, part, counters)
    elif isinstance(test, ast.Compare):
        yield from _compared(function, test, counters)


def _true_when_high(test: ast.Compare) -> bool | None:
    """Whether `counter op limit` holds of large counters; None where the limit is on the left."""
    if isinstance(test.left, ast.Constant):
        return None
    return isinstance(test.ops[0], ast.Gt | ast.GtE | ast.Eq)


def _compared(function: Function, test: ast.Compare, counters: set[str]) -> Iterator[int]:
    if len(test.comparators) != 1:
        return
    if not isinstance(test.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE | ast.Eq):
        return
    sides = (test.left, test.comparators[0])
    for counter, limit in (sides, sides[::-1]):
        value: Any = limit.value if isinstance(limit, ast.Constant) else function.resolve(limit)
        known = isinstance(value, int) and not isinstance(value, bool)
        skips = isinstance(counter, ast.Call) and isinstance(test.ops[0], ast.Eq)
        key = read_key(_unwrapped(function, counter), function.state)
        if known and not skips and key in counters:
            yield value


def _unwrapped(function: Function, tree: ast.expr) -> ast.expr:
    """What `len(…)` counts, what a local was given, what one was added to; or the expression."""
    match tree:
        case ast.Call(ast.Name("len"), [inner]) | ast.BinOp(inner, ast.Add(), ast.Constant(1)):
            return _unwrapped(function, inner)
        case ast.Name(name) if (given := local_value(function, name)) is not None:
            return _unwrapped(function, given)
        case _:
            return tree


def _breadth_first(graph: nx.DiGraph) -> Iterable[str]:
    starts = sorted(name for name in graph if name.rpartition("/")[2] == START)
    for start in starts:
        yield start
        for _, name in nx.bfs_edges(graph, start, sort_neighbors=sorted):
            yield name
