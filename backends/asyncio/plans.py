"""Writes plans: planner and joiner as functions, handed to what runs plans as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowir.backends.asyncio.layout import Expression, Group, call, collection, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.planned import streamed_call
from flowir.backends.asyncio.scope import Scope
from flowir.backends.asyncio.tree import Body, Node
from flowir.dialects import flow
from flowir.dialects.flow_plan import MOST_TASKS

if TYPE_CHECKING:
    from flowir.backends.asyncio.body import BodyWriter


class Plans:
    """Writes through the writer of the body around."""

    def __init__(self, writer: BodyWriter) -> None:
        self._to = writer
        self._calls = writer.expressions
        self._program = writer.program

    def plan(self, node: Node, scope: Scope) -> Group:
        """The coroutine of a plan."""
        op = node.op
        assert isinstance(op, flow.PlanOp)
        (_, planner), (_, joiner) = node.bodies
        options: list[Expression] = []
        if op.max_replans.data:
            options.append(f"max_replans={op.max_replans.data}")
        if op.max_tasks.data != MOST_TASKS:
            options.append(f"max_tasks={op.max_tasks.data}")
        return call(
            "run_plan",
            "ctx",
            quoted(self._program.sites[op]),
            self._writes(planner, scope),
            self._joins(joiner, scope),
            collection([quoted(name) for name in op.tool_names]),
            *options,
        )

    def _writes(self, body: Body, scope: Scope) -> Expression:
        """A function that gives the text of a plan in pieces."""
        if streamed_call(body, self._program.symbols) is not None:
            return self._lambda(body, scope)
        function = self._function(body, scope, "write_plan")
        inner = scope.inner(True)
        names = [inner.new(name, "text") for name in ("tools", "history")]
        given = call(function, *self._read(body, names))
        return prefixed(f"lambda {', '.join(names)}: ", call("whole", given))

    def _joins(self, body: Body, scope: Scope) -> Expression:
        """A function that gives what the joiner says."""
        match body.nodes:
            case (node,) if isinstance(node.op, flow.CallOp) and node.output is body.result:
                return self._lambda(body, scope)
            case _:
                function = self._function(body, scope, "join_plan")
                inner = scope.inner(True)
                names = [inner.new("history", "text")]
                given = call(function, *self._read(body, names))
                return prefixed(f"lambda {', '.join(names)}: ", given)

    def _lambda(self, body: Body, scope: Scope) -> Expression:
        """The one call of a body, as a function of what the body is given."""
        inner = scope.inner(True)
        for value in body.arguments:
            inner.values[value] = inner.variable(value, value.name_hint or "given")
        names = ", ".join(inner.values[value] for value in body.arguments)
        return prefixed(f"lambda {names}: ", self._calls.call(body.nodes[0], inner))

    def _function(self, body: Body, scope: Scope, name: str) -> str:
        """A nested function of a body; it takes those of its arguments that it reads."""
        function = scope.new(name, f"function {name}")
        read = [value for value in body.arguments if value in body.reads()]
        self._to.function(function, read, body, scope)
        return function

    @staticmethod
    def _read(body: Body, names: list[str]) -> Iterator[str]:
        read = body.reads()
        return (n for value, n in zip(body.arguments, names, strict=True) if value in read)
