"""Writes races: lanes as functions, handed to the helper that cancels the losers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowir.backends.asyncio.layout import Expression, Group, call, collection, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.scope import Scope
from flowir.backends.asyncio.tree import Body, Node
from flowir.dialects import flow

if TYPE_CHECKING:
    from flowir.backends.asyncio.body import BodyWriter


class Races:
    """Writes through the writer of the body around."""

    def __init__(self, writer: BodyWriter) -> None:
        self._to = writer
        self._calls = writer.expressions
        self._program = writer.program

    def race(self, node: Node, scope: Scope) -> Group:
        """The coroutine of a race."""
        op = node.op
        assert isinstance(op, flow.JoinOp)
        values = self._program.tree.values(op.inputs)
        candidates = list(dict.fromkeys(values))
        lanes = collection([self._lane(body, scope) for _, body in node.bodies])
        options: list[Expression] = []
        if op.mode.data is not flow.JoinMode.FIRST:
            places = [candidates.index(value) for value in values]
            if places != list(range(len(places))):
                options.append(prefixed("places=", collection([str(p) for p in places])))
            if op.key is not None:
                tool = quoted(op.key.root_reference.data)
                value = scope.inner(True).new("vote", "vote")
                asked = call("use_tool", "ctx", tool, "object", value)
                options.append(prefixed(f"key=lambda {value}: ", asked))
            return call("vote_at_quorum", lanes, *options)
        delays = [op.delays[values.index(candidate)] for candidate in candidates]
        if any(delays):
            options.append(prefixed("after=", collection([repr(d) for d in delays])))
        if op.until is not None:
            value = scope.inner(True).new("candidate", "candidate")
            judged = self._calls.judging(node, value, scope, "checker_accepts")
            options.append(prefixed(f"accepts=lambda {value}: ", judged))
        return call("race", lanes, *options)

    def _lane(self, body: Body, scope: Scope) -> Expression:
        """A function that starts a lane: of one call, or one of its own."""
        match body.nodes:
            case ():
                return call("lambda: ready", scope.read(body.result))
            case (node,) if isinstance(node.op, flow.CallOp) and node.output is body.result:
                return prefixed("lambda: ", self._calls.call(node, scope))
            case _:
                name = self._program.value_name(body.nodes[-1])
                function = scope.new(f"make_{name}", f"function {name}")
                self._to.function(function, (), body, scope)
                return function
