"""The calls in the coroutine of a workflow, as expressions."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, SSAValue

from flowir.backends.asyncio.layout import Expression, Group, call, comprehension
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.program import Program, config_name, runtime_type
from flowir.backends.asyncio.scope import Scope
from flowir.backends.asyncio.tree import Node
from flowir.dialects import flow
from flowir.runtime.choices import decision_key


class Expressions:
    """The calls of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def call(self, node: Node, scope: Scope) -> Group:
        """The coroutine of a call, without `await`."""
        op = node.op
        assert isinstance(op, flow.CallOp)
        values = self.program.tree.values(op.inputs)
        name = op.callee.root_reference.data
        if isinstance(self.program.symbols[name], flow.ToolOp):
            kind = runtime_type(op.output.type)
            return call("use_tool", "ctx", quoted(name), kind, *map(scope.read, values))
        return self.ask(node, self.program.sites[op], [self.shown(v, scope) for v in values])

    def ask(self, node: Node, site: str, shown: Sequence[Expression]) -> Group:
        """The coroutine that asks the agent of a node."""
        role, key = self.program.role(node), decision_key(node.op, self.program.symbols)
        assert role is not None
        assert key is not None
        agent = self.program.agents[key[0], role]
        config = config_name(key)
        options = () if config == agent.default else (f"config={quoted(config)}",)
        return call(agent.name, "ctx", quoted(site), *shown, *options)

    def shown(self, value: SSAValue, scope: Scope) -> Expression:
        """A value as text for a prompt."""
        return shown_as(value.type, scope.read(value))

    def says_why(self, node: Node) -> bool:
        """Whether the checker of a node is an agent that gives a verdict, not just a bool."""
        checker = self.program.symbols[flow.called_symbol(node.op) or ""]
        return isinstance(checker, flow.AgentOp) and self.program.role(node) == "judges"

    def accepted(self, node: Node, variable: str, scope: Scope) -> Group:
        """The call that says whether the checker of a node accepts a variable."""
        return self.judged(node, variable, scope, "checker_accepts")

    def judged(self, node: Node, variable: str, scope: Scope, how: str) -> Group:
        """What the checker of a node says of a variable; `how` asks a tool."""
        return self.judging(node, variable, scope, how).before("await ")

    def judging(self, node: Node, variable: str, scope: Scope, how: str) -> Group:
        """The coroutine that gives what the checker of a node says of a variable."""
        op = node.op
        assert isinstance(op, flow.FallbackOp | flow.RefineOp | flow.JoinOp)
        assert op.until is not None
        context = self.program.tree.values(op.context)
        name = op.until.root_reference.data
        if isinstance(self.program.symbols[name], flow.ToolOp):
            return call(how, "ctx", quoted(name), *map(scope.read, context), variable)
        shown = [self.shown(value, scope) for value in context]
        shown.append(shown_as(node.output.type, variable))
        return self.ask(node, f"{self.program.sites[op]}.check", shown)


def shown_as(kind: Attribute, expression: str) -> Expression:
    """A value of a type as text for a prompt."""
    match kind:
        case flow.TextType() | flow.LabelType():
            return expression
        case flow.ListType(element=flow.TextType() | flow.LabelType()):
            return call("numbered", expression)
        case flow.ListType(element=flow.ListType(element=flow.TextType() | flow.LabelType())):
            return call("numbered", f"map(numbered, {expression})")
        case flow.ListType(element=flow.ListType()):
            inner = shown_as(kind.element, "item")
            return call("numbered", comprehension(inner, f"for item in {expression}"))
        case flow.ListType():
            return call("numbered", f"map(as_json, {expression})")
        case _:
            return call("as_json", expression)
