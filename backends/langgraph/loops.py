"""Lowers fallbacks and refines: `Command` loops with a counter in the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xdsl.ir import SSAValue

from flowir.backends.asyncio.expressions import Expressions
from flowir.backends.asyncio.layout import INDENT, Expression, call, flat, lines, prefixed
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.scope import Scope
from flowir.backends.asyncio.tree import Node
from flowir.backends.langgraph.targets import GraphNode, Target
from flowir.backends.langgraph.wiring import as_dict, going_to
from flowir.dialects import flow

if TYPE_CHECKING:
    from flowir.backends.langgraph.graph import GraphWriter


class Loops:
    """Lowers through the writer of the graph around."""

    def __init__(self, writer: GraphWriter) -> None:
        self._to = writer
        self._calls = Expressions(writer.program)

    def refine(self, node: Node, then: Target) -> Target:
        """Check and, while rejected, run the body: check → body → check → …"""
        op = node.op
        assert isinstance(op, flow.RefineOp)
        to, state = self._to, self._to.state
        ((_, body),) = node.bodies
        value, feedback = body.arguments
        key, name = state.key(node.output), to.program.value_name(node)
        rounds = state.declare(f"{name}_rounds", "int")
        state.alias(value, key)
        hears = feedback in body.reads()
        if hears:
            state.add(feedback, f"{name}_feedback")
        check = to.name(node, "check")
        accepted = self._exit(then)
        inside = to.body(body, key, Target((check,)), held=True)
        rejected = self._exit(inside)
        count = f"state[{quoted(rounds)}]"
        own: dict[SSAValue, str] = {}
        scope = to.scope(frozenset(to.program.tree.values(op.context)) | {value})
        if hears:
            verdict = scope.new("verdict", "verdict")
            own = {feedback: f"{verdict}.feedback"}
            state_feedback = {state.key(feedback): own[feedback]}
        else:
            state_feedback = {}
        again = {rounds: f"{count} + 1", **state_feedback}
        text = self._check(
            node,
            scope,
            state.read(value),
            f"{count} == {op.bound.data}",
            "verdict" if hears else None,
            self._command(accepted, {}, {}),
            self._command(rejected, again, own),
        )
        what = f"Refine {to.program.sites[op]}: at most {op.bound.data} rounds."
        place = len(to.functions), len(to.nodes)
        self._insert(place, check, what, text, node, (accepted, rejected))
        initial = to.program.tree.value(op.initial)
        return Target((check,)).after(f"start_{name}", (key, initial), (rounds, "0"))

    def fallback(self, node: Node, then: Target) -> Target:
        """Tier after tier, with a check behind each but the last."""
        op = node.op
        assert isinstance(op, flow.FallbackOp)
        to = self._to
        key, name = to.state.key(node.output), to.program.value_name(node)
        bound = op.bound.data
        first, *rest = (body for _, body in node.bodies)
        accepted = self._exit(then)
        following: Target | None = None
        if rest:
            following = to.body(rest[-1], key, then)
            for body in reversed(rest[:-1]):
                check = to.name(node, "check")
                place = len(to.functions), len(to.nodes)
                self._tier(node, check, place, accepted, self._exit(following))
                following = to.body(body, key, Target((check,)))
        check = to.name(node, "check")
        place = len(to.functions), len(to.nodes)
        if bound == 1:
            assert following is not None
            self._tier(node, check, place, accepted, self._exit(following))
            return to.body(first, key, Target((check,)))
        attempts = to.state.declare(f"{name}_attempts", "int")
        count = f"state[{quoted(attempts)}]"
        # The check has to stand behind the body, and to know how the body begins.
        inside = to.body(first, key, Target((check,)))
        again = self._exit(inside)
        scope = self._scope(node)
        read = to.state.read(node.output)
        repeat = self._command(again, {attempts: f"{count} + 1"}, {})
        over = f"{count} == {bound}"
        what = f"Fallback {to.program.sites[op]}: at most {bound} tries."
        exits: tuple[Target, ...] = (accepted, again)
        if following is None:
            text = self._check(
                node, scope, read, over, None, self._command(accepted, {}, {}), repeat
            )
        else:
            end = self._exit(following)
            exits = (accepted, end, again)
            text = self._check(node, scope, read, None, None, self._command(accepted, {}, {}), ())
            text += [
                f"{INDENT}if {over}:",
                *lines(prefixed("return ", self._command(end, {}, {})[0]), 2),
                *lines(prefixed("return ", repeat[0]), 1),
            ]
        self._insert(place, check, what, text, node, exits)
        return inside.after(f"start_{name}", (attempts, "1"))

    def _tier(
        self, node: Node, check: str, place: tuple[int, int], accepted: Target, rejected: Target
    ) -> None:
        """The check behind a tier that another tier follows."""
        to = self._to
        text = self._check(
            node,
            self._scope(node),
            to.state.read(node.output),
            None,
            None,
            self._command(accepted, {}, {}),
            self._command(rejected, {}, {}),
        )
        what = f"Fallback {to.program.sites[node.op]}: go on until a tier is accepted."
        self._insert(place, check, what, text, node, (accepted, rejected))

    def _scope(self, node: Node) -> Scope:
        assert isinstance(node.op, flow.FallbackOp)
        return self._to.scope(frozenset(self._to.program.tree.values(node.op.context)))

    def _exit(self, target: Target) -> Target:
        """A target that a Command can go to: it writes, but has no router."""
        return target if target.router is None else self._to.hop(target)

    def _command(
        self, target: Target, written: Mapping[str, str], own: Mapping[SSAValue, str]
    ) -> tuple[Expression, ...]:
        """What goes to a target."""
        update = self._to.update(target, written, own)
        goto = prefixed("goto=", going_to(target.nodes))
        options = [prefixed("update=", as_dict(update))] if update else []
        return (call("Command", *options, goto),)

    def _check(
        self,
        node: Node,
        scope: Scope,
        value: str,
        over: str | None,
        verdict: str | None,
        accepted: Sequence[Expression],
        rejected: Sequence[Expression],
    ) -> list[str]:
        """The body of a check: no question where it is over, else by what the checker says."""
        says_why = self._calls.says_why(node)
        text: list[str] = []
        if verdict is not None or says_why:
            how = "ask_checker" if verdict is not None else "checker_accepts"
            if over is not None:
                text += [f"{INDENT}if {over}:", *lines(prefixed("return ", accepted[0]), 2)]
            name = verdict or scope.new("verdict", "verdict")
            text += lines(prefixed(f"{name} = ", self._calls.judged(node, value, scope, how)), 1)
            test: Expression = f"{name}.accepted"
        else:
            test = self._calls.accepted(node, value, scope)
            if over is not None:
                together = f"{over} or {flat(test)}"
                if len(INDENT + f"if {together}:") <= 100:
                    test = together
                else:
                    text += [f"{INDENT}if {over}:", *lines(prefixed("return ", accepted[0]), 2)]
        text += lines(prefixed("if ", test), 1, ":")
        text += lines(prefixed("return ", accepted[0]), 2)
        for expression in rejected:
            text += lines(prefixed("return ", expression), 1)
        return text

    def _insert(
        self,
        place: tuple[int, int],
        name: str,
        what: str,
        text: Sequence[str],
        node: Node,
        exits: Sequence[Target],
    ) -> None:
        """The function and the node of a check, in their place."""
        to = self._to
        site = quoted(f"{to.program.sites[node.op]}.check")
        ends = dict.fromkeys(end for target in exits for end in target.nodes)
        to.functions.insert(place[0], to.text(name, " -> Command[str]", what, text))
        to.nodes.insert(place[1], GraphNode(name, {"flowir.site": site}, tuple(ends)))
