"""Writes fallbacks and refines: loops and tiers that a checker ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowir.backends.asyncio.layout import INDENT, WIDTH, Expression, flat, prefixed
from flowir.backends.asyncio.scope import Scope, Sink
from flowir.backends.asyncio.tree import Body, Node
from flowir.dialects import flow

if TYPE_CHECKING:
    from flowir.backends.asyncio.body import BodyWriter


class Loops:
    """Writes through the writer of the body around."""

    def __init__(self, writer: BodyWriter) -> None:
        self._to = writer
        self._calls = writer.expressions
        self._program = writer.program

    def fallback(self, node: Node, sink: Sink, scope: Scope) -> None:
        op = node.op
        assert isinstance(op, flow.FallbackOp)
        first, *rest = (body for _, body in node.bodies)
        if node.tiers == 1:
            self._to.body(first, sink, scope)
            return
        variable = sink.free or scope.variable(node.output, self._program.value_name(node))
        if op.bound.data == 1:
            self._tiers(node, [first, *rest], variable, sink, scope)
        elif rest:
            self._attempts_then(node, variable, sink, scope)
        else:
            self._attempts(node, variable, scope)
        if not (sink.returns and rest):
            self._to.deliver(sink, variable, scope)

    def _tiers(
        self, node: Node, bodies: Sequence[Body], variable: str, sink: Sink, scope: Scope
    ) -> None:
        """Tier after tier: in sequence where an accepted value returns, else nested."""
        for body in bodies[:-1]:
            self._to.body(body, Sink(variable), scope)
            word = "if" if sink.returns else "if not"
            self._check(word, node, variable, scope)
            if sink.returns:
                self._to.line(f"return {variable}", scope.inner())
            else:
                scope = scope.inner()
        self._to.body(bodies[-1], sink if sink.returns else Sink(variable), scope)

    def _attempts(self, node: Node, variable: str, scope: Scope) -> None:
        """One tier, repeated; the last attempt is not checked."""
        op = node.op
        assert isinstance(op, flow.FallbackOp)
        ((_, body),) = node.bodies
        bound = op.bound.data
        attempt = scope.new("attempt", "int")
        attempted = self._to.outlined(node, body, scope)
        self._to.open(f"for {attempt} in range(1, {bound + 1})", scope)
        inner = scope.inner()
        if attempted is None:
            self._to.body(body, Sink(variable), inner)
        else:
            self._to.line(f"{variable} = await {attempted}()", inner)
        test = self._calls.accepted(node, variable, inner)
        together = f"if {attempt} == {bound} or {flat(test)}"
        short = len(INDENT * inner.depth + together) < WIDTH
        if short and not self._calls.says_why(node):
            self._to.open(together, inner)
        else:
            self._to.open(f"if {attempt} == {bound}", inner)
            self._to.line("break", inner.inner())
            self._check("if", node, variable, inner)
        self._to.line("break", inner.inner())

    def _attempts_then(self, node: Node, variable: str, sink: Sink, scope: Scope) -> None:
        """One tier, repeated, and another one if no attempt is accepted."""
        op = node.op
        assert isinstance(op, flow.FallbackOp)
        (_, first), (_, last) = node.bodies
        attempted = self._to.outlined(node, first, scope)
        otherwise = None if sink.returns else self._to.outlined(node, last, scope)
        self._to.open(f"for _ in range({op.bound.data})", scope)
        inner = scope.inner()
        if attempted is None:
            self._to.body(first, Sink(variable), inner)
        else:
            self._to.line(f"{variable} = await {attempted}()", inner)
        self._check("if", node, variable, inner)
        self._to.line(f"return {variable}" if sink.returns else "break", inner.inner())
        if sink.returns:
            self._to.body(last, sink, scope)
        else:
            self._to.open("else", scope)
            if otherwise is None:
                self._to.block(last, Sink(variable), scope)
            else:
                self._to.line(f"{variable} = await {otherwise}()", inner)

    def refine(self, node: Node, sink: Sink, scope: Scope) -> None:
        op = node.op
        assert isinstance(op, flow.RefineOp)
        ((_, body),) = node.bodies
        value, feedback = body.arguments
        variable = sink.free or scope.variable(node.output, self._program.value_name(node))
        refined = self._to.outlined(node, body, scope)
        self._to.line(f"{variable} = {scope.read(self._program.tree.value(op.initial))}", scope)
        self._to.open(f"for _ in range({op.bound.data})", scope)
        inner = scope.inner()
        inner.values[value] = variable
        if feedback in body.reads():
            verdict = inner.new("verdict", "verdict")
            inner.values[feedback] = f"{verdict}.feedback"
            judged = self._calls.judged(node, variable, inner, "ask_checker")
            self._to.statement(prefixed(f"{verdict} = ", judged), inner)
            self._to.open(f"if {verdict}.accepted", inner)
        else:
            self._check("if", node, variable, inner)
        self._to.line("break", inner.inner())
        if refined is None:
            self._to.body(body, Sink(variable, held=True), inner)
        else:
            given = [inner.values[v] for v in body.arguments if v in body.reads()]
            self._to.line(f"{variable} = await {refined}({', '.join(given)})", inner)
        self._to.deliver(sink, variable, scope)

    def _check(self, word: str, node: Node, variable: str, scope: Scope) -> None:
        """An `if` or `if not` the checker of a node accepts a variable."""
        test: Expression = self._calls.accepted(node, variable, scope)
        if self._calls.says_why(node):
            verdict = scope.new("verdict", "verdict")
            self._to.statement(prefixed(f"{verdict} = ", test), scope)
            test = f"{verdict}.accepted"
        self._to.open(prefixed(f"{word} ", test), scope)
