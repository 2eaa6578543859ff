"""Reads a workflow of LangGraph's functional API: an entry point that calls tasks.

Tasks are nodes; there is an edge where what one task gave goes into the call of another. Order that
only control flow makes is no edge.
"""

from __future__ import annotations

import ast
from typing import Any

from flowir.frontends.langgraph.facts import END, START, Edge, GraphFacts, Join, Loop, Node, Via
from flowir.frontends.langgraph.reading.functions import Function, calls_function, function_of
from flowir.frontends.langgraph.reading.model_calls import model_calls
from flowir.frontends.langgraph.reading.models import describe_model


def is_entrypoint(compiled: Any) -> bool:
    """Whether an object is what `@entrypoint` makes."""
    from langgraph.pregel import Pregel

    return isinstance(compiled, Pregel) and not hasattr(compiled, "builder")


def entry_function(compiled: Any) -> Function:
    """The function under `@entrypoint`."""
    (node,) = compiled.nodes.values()
    return function_of(node.bound)


def read_entrypoint(compiled: Any, name: str) -> GraphFacts:
    """Tasks, and which uses what of which."""
    entry = entry_function(compiled)
    reading = _Uses(entry)
    if entry.tree is not None:
        reading.block(entry.tree.body)
    nodes = []
    for task, value in reading.tasks.items():
        function = function_of(value)
        models = tuple(dict.fromkeys(describe_model(m) for _, m in model_calls(function)))
        stops = calls_function(function, "interrupt") is not None
        nodes.append(Node(task, function.place, "task", models, interrupts=stops))
    edges = [Edge(a, b, "plain", Via.AST) for a, b in reading.edges]
    joins = []
    for task in reading.tasks:
        sources = tuple(a for a, b in reading.edges if b == task and a not in (START, task))
        if len(sources) > 1 and task not in reading.looped:
            joins.append(Join(sources, task, True, Via.AST))
    return GraphFacts(name, tuple(nodes), tuple(edges), tuple(joins), (), tuple(reading.loops))


class _Uses:
    """Follows locals from the tasks that made them to the tasks that take them."""

    def __init__(self, entry: Function) -> None:
        self._entry = entry
        self.tasks: dict[str, Any] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.loops: list[Loop] = []
        self._made: dict[str, frozenset[str]] = {}

    @property
    def looped(self) -> set[str]:
        """Tasks that are called in loops: what they take may come from their last turn."""
        return {name for loop in self.loops for name in loop.members}

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets, value):
                made = self._expression(value)
                for target in targets:
                    self._bind(target, made)
            case ast.AnnAssign(target, _, value) if value is not None:
                self._bind(target, self._expression(value))
            case ast.Return(value) if value is not None:
                for task in sorted(self._expression(value)):
                    self.edges[task, END] = None
            case ast.If(test, body, orelse):
                self._expression(test)
                self.block(body)
                self.block(orelse)
            case ast.For(target, over, body, orelse):
                self._bind(target, self._expression(over))
                self._loop(body, _range_bound(over))
                self.block(orelse)
            case ast.While(test, body, orelse):
                self._expression(test)
                self._loop(body, None)
                self.block(orelse)
            case ast.Expr(value) | ast.AugAssign(_, _, value):
                made = self._expression(value)
                self._grow(statement, made)
            case ast.With(_, body) | ast.AsyncWith(_, body) | ast.Try(body):
                self.block(body)
            case _:
                pass

    def _grow(self, statement: ast.stmt, made: frozenset[str]) -> None:
        """`xs.append(task(x))` and `xs += …`: the list comes from the tasks too."""
        match statement:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), _))):
                self._made[name] = self._made.get(name, frozenset()) | made
            case ast.AugAssign(ast.Name(name)):
                self._made[name] = self._made.get(name, frozenset()) | made
            case _:
                pass

    def _loop(self, body: list[ast.stmt], bound: int | None) -> None:
        """Twice, so that what one turn makes is seen by the next."""
        self.block(body)
        self.block(body)
        called = [self._task(node) for s in body for node in ast.walk(s)]
        members = tuple(dict.fromkeys(name for name in called if name is not None))
        loop = Loop(members[0], members, bound, Via.AST) if members else None
        if loop is not None and loop not in self.loops:
            self.loops.append(loop)

    def _bind(self, target: ast.expr, made: frozenset[str]) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self._made[node.id] = made

    def _task(self, node: ast.AST) -> str | None:
        if not isinstance(node, ast.Call):
            return None
        value = self._entry.resolve(node.func)
        if value is None or type(value).__name__ not in ("_TaskFunction", "TaskFunction"):
            return None
        name = getattr(value, "name", None) or value.func.__name__
        self.tasks.setdefault(name, value.func)
        return str(name)

    def _expression(self, tree: ast.expr) -> frozenset[str]:
        """The tasks whose results an expression is made of."""
        if isinstance(tree, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            for part in tree.generators:
                self._bind(part.target, self._expression(part.iter))
        if (task := self._task(tree)) is not None:
            assert isinstance(tree, ast.Call)
            given = [*tree.args, *(keyword.value for keyword in tree.keywords)]
            sources = frozenset[str]().union(*map(self._expression, given))
            for before in sorted(sources) or [START]:
                self.edges[before, task] = None
            return frozenset({task})
        if isinstance(tree, ast.Name):
            return self._made.get(tree.id, frozenset())
        inside = [c for c in ast.iter_child_nodes(tree) if isinstance(c, ast.expr)]
        return frozenset[str]().union(*map(self._expression, inside))


def _range_bound(over: ast.expr) -> int | None:
    match over:
        case ast.Call(ast.Name("range"), [*_, ast.Constant(int(count))]):
            return count
        case _:
            return None
