"""Writes the coroutine of a workflow, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xdsl.ir import Attribute, Operation, SSAValue

from flowir.backends.asyncio.layout import (
    INDENT,
    WIDTH,
    Expression,
    Group,
    call,
    collection,
    flat,
    lines,
    prefixed,
)
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.names import Names
from flowir.backends.asyncio.program import (
    Program,
    config_name,
    is_used,
    python_type,
    runtime_type,
)
from flowir.backends.asyncio.schedule import Segment, Task, schedule
from flowir.backends.asyncio.tree import Body, Node
from flowir.dialects import flow
from flowir.runtime.choices import decision_key
from flowir.runtime.interpreter import is_identity


@dataclass(frozen=True)
class Sink:
    """Where the value of a body goes: to a variable, to the caller (`Sink()`), or nowhere.

    Attributes:
        variable: its name, None for `return`.
        held: the variable still holds a value that the body reads.
        wanted: False where nobody reads the value.
    """

    variable: str | None = None
    held: bool = False
    wanted: bool = True

    @property
    def returns(self) -> bool:
        return self.wanted and self.variable is None

    @property
    def free(self) -> str | None:
        """The variable, where it may be written at any time."""
        return None if self.held else self.variable


RETURN = Sink()
NOWHERE = Sink(wanted=False)


@dataclass
class Scope:
    """What is known at a place of the code.

    Attributes:
        depth: of indentation.
        names: local names that are taken.
        values: the expression of every value that is there.
        tasks: the task of every value that may not be there yet.
        kinds: for every local name of the function what it is, since a name that means two
            things, even in two cases of a branch, is one too many for a type checker.
    """

    depth: int
    names: Names
    values: dict[SSAValue, str] = field(default_factory=dict)
    tasks: dict[SSAValue, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    groups: int = 0

    def inner(self, function: bool = False) -> Scope:
        """A scope for an indented block, or for the body of a nested function."""
        kinds = {} if function else self.kinds
        return Scope(self.depth + 1, self.names.inner(), dict(self.values), dict(self.tasks), kinds)

    def new(self, name: str, kind: str, suffix: str = "") -> str:
        """A local name for something of a kind."""
        while True:
            found = self.names.new(name, suffix)
            if self.kinds.setdefault(found, kind) == kind:
                return found

    def read(self, value: SSAValue) -> str:
        """The expression that gives a value."""
        if value in self.tasks:
            return f"await {self.tasks[value]}"
        return self.values[value]


class BodyWriter:
    """Writes the bodies of one program into `lines`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lines: list[str] = []
        self._opened = 0

    def body(self, body: Body, sink: Sink, scope: Scope) -> None:
        """The statements of a body, and what brings its value to the sink."""
        segments = schedule(body, self._is_call)
        delivered = False
        for segment in segments:
            last = segment.steps[-1]
            in_line = isinstance(last, Node)
            final = in_line and segment is segments[-1] and last.output is body.result
            if segment.parallel:
                delivered = self._parallel(body, segment, sink if final else None, scope)
            else:
                assert isinstance(last, Node)
                self._node(body, last, sink if final else None, scope)
                delivered = final
        if not delivered:
            self._deliver(sink, scope.read(body.result), scope)

    def _block(self, body: Body, sink: Sink, scope: Scope) -> None:
        """A body indented by one, under a line that ends in a colon."""
        before = len(self.lines)
        self.body(body, sink, scope.inner())
        if len(self.lines) == before:
            self._line("pass", scope.inner())

    def _parallel(self, body: Body, segment: Segment, sink: Sink | None, scope: Scope) -> bool:
        """A task group; gives whether the value of the body has been delivered."""
        scope.groups += 1
        group = "group" if scope.groups == 1 else f"group_{scope.groups}"
        self._open(f"async with asyncio.TaskGroup() as {group}:", scope)
        scope.depth += 1
        delivered = False
        started = []
        for step in segment.steps:
            if isinstance(step, Task):
                started.append(step.output)
                self._task(body, step, group, scope)
            elif sink is not None and step is segment.steps[-1] and sink.free is not None:
                self._node(body, step, sink, scope)
                delivered = True
            else:
                self._node(body, step, None, scope)
        scope.depth -= 1
        scope.groups -= 1
        for value in started:
            if value in scope.tasks:
                scope.values[value] = f"{scope.tasks.pop(value)}.result()"
        return delivered

    def _task(self, body: Body, task: Task, group: str, scope: Scope) -> None:
        """Start a task, of a function of its own where one call does not do."""
        (*_, node) = task.nodes
        name = self.program.value_name(node)
        kind = python_type(node.output.type)
        ready = not any(value in scope.tasks for value in node.uses)
        coroutine: Expression
        if len(task.nodes) == 1 and ready and self._is_call(node):
            coroutine = self._call(node, scope)
        elif len(task.nodes) == 1 and ready and isinstance(node.op, flow.MapOp):
            coroutine = self._map(node, scope)
        else:
            function = scope.new(f"make_{name}", f"function {name}")
            part = Body(task.nodes, (), node.output)
            self._function(f"async def {function}()", kind, part, scope.inner(True), scope)
            coroutine = f"{function}()"
        started = call(f"{group}.create_task", coroutine)
        if is_used(body, node.output):
            variable = scope.new(name, f"task of {kind}", _suffix(node.output.type))
            scope.tasks[node.output] = variable
            self._statement(prefixed(f"{variable} = ", started), scope)
        else:
            self._statement(started, scope)

    def _function(self, head: str, kind: str, body: Body, inner: Scope, scope: Scope) -> None:
        """A nested function, with empty lines around it."""
        first = len(self.lines) == self._opened and self.lines[-1].lstrip().startswith("async def")
        comment = self.lines[-1].lstrip().startswith("#")
        if not first and self.lines[-1]:
            self.lines.insert(len(self.lines) - comment, "")
        self._open(f"{head} -> {kind}:", scope)
        self.body(body, RETURN, inner)
        self.lines.append("")

    def _node(self, body: Body, node: Node, sink: Sink | None, scope: Scope) -> None:
        """One node, in line. Without a sink its value gets a variable, if anything uses it."""
        if is_identity(node.op):
            (value,) = node.uses
            scope.values[node.output] = scope.read(value)
            if sink is not None:
                self._deliver(sink, scope.read(value), scope)
            return
        if sink is None:
            if not is_used(body, node.output):
                sink = NOWHERE
            else:
                sink = Sink(self._variable(node, scope))
        writers: dict[type[Operation], Callable[[Node, Sink, Scope], None]] = {
            flow.AlternativesOp: self._alternatives,
            flow.BranchOp: self._branch,
            flow.FallbackOp: self._fallback,
            flow.RefineOp: self._refine,
        }
        write = writers.get(type(node.op), self._expression)
        if not isinstance(node.op, flow.AlternativesOp) and node.bodies:
            self._settle(node, scope)
        write(node, sink, scope)
        if sink.variable is not None:
            scope.values[node.output] = sink.variable

    def _settle(self, node: Node, scope: Scope) -> None:
        """Wait for every value that a node with regions uses."""
        for value in sorted(node.uses & scope.tasks.keys(), key=list(scope.tasks).index):
            task = scope.tasks.pop(value)
            name = scope.new(f"{task}_done", python_type(value.type))
            self._line(f"{name} = await {task}", scope)
            scope.values[value] = name

    def _expression(self, node: Node, sink: Sink, scope: Scope) -> None:
        """A node that is one expression."""
        match node.op:
            case flow.CallOp():
                expression = prefixed("await ", self._call(node, scope))
            case flow.MapOp():
                expression = prefixed("await ", self._map(node, scope))
            case flow.JoinOp():
                if not sink.wanted and node.op.by is None and node.op.key is None:
                    return
                expression = self._join(node.op, scope)
            case _:
                raise NotImplementedError(node.op.name)
        if sink.wanted:
            target = "return " if sink.returns else f"{sink.variable} = "
            expression = prefixed(target, expression)
        self._statement(expression, scope)

    def _is_call(self, node: Node) -> bool:
        return isinstance(node.op, flow.CallOp)

    def _call(self, node: Node, scope: Scope) -> Group:
        """The coroutine of a call, without `await`."""
        op = node.op
        assert isinstance(op, flow.CallOp)
        values = self.program.tree.values(op.inputs)
        name = op.callee.root_reference.data
        if isinstance(self.program.symbols[name], flow.ToolOp):
            kind = runtime_type(op.output.type)
            return call("use_tool", "ctx", quoted(name), kind, *map(scope.read, values))
        return self._ask(node, self.program.sites[op], [self._shown(v, scope) for v in values])

    def _ask(self, node: Node, site: str, shown: Sequence[str]) -> Group:
        """The coroutine that asks the agent of a node."""
        role, key = self.program.role(node), decision_key(node.op, self.program.symbols)
        assert role is not None
        assert key is not None
        agent = self.program.agents[key[0], role]
        config = config_name(key)
        options = () if config == agent.default else (f"config={quoted(config)}",)
        return call(agent.name, "ctx", quoted(site), *shown, *options)

    def _shown(self, value: SSAValue, scope: Scope) -> str:
        """A value as text for a prompt."""
        return shown_as(value.type, scope.read(value))

    def _join(self, op: flow.JoinOp, scope: Scope) -> Expression:
        values = self.program.tree.values(op.inputs)
        items = collection([scope.read(value) for value in values])
        match op.mode.data:
            case flow.JoinMode.ALL | flow.JoinMode.ANY:
                return items
            case flow.JoinMode.CONCAT:
                return call(r'"\n\n".join', items)
            case flow.JoinMode.VOTE if op.key is None:
                return call("plurality", items)
            case flow.JoinMode.VOTE:
                votes = self._candidates("votes", items, values[0].type, scope)
                assert op.key is not None
                tool = quoted(op.key.root_reference.data)
                return call("plurality", votes, call("await keys_of", "ctx", tool, votes))
            case flow.JoinMode.SELECT:
                candidates = self._candidates("candidates", items, values[0].type, scope)
                shown = [self._shown(v, scope) for v in self.program.tree.values(op.context)]
                shown.append(shown_as(flow.ListType(values[0].type), candidates))
                node = Node(op, op.output, (), frozenset(), frozenset())
                asked = self._ask(node, self.program.sites[op], shown)
                return call("pick_candidate", prefixed("await ", asked), candidates)

    def _candidates(self, name: str, items: Expression, kind: Attribute, scope: Scope) -> str:
        """A variable that holds the operands of a join."""
        variable = scope.new(name, f"list[{python_type(kind)}]")
        self._statement(prefixed(f"{variable} = ", items), scope)
        return variable

    def _map(self, node: Node, scope: Scope) -> Group:
        """The coroutine of a map; writes the function for one item."""
        op = node.op
        assert isinstance(op, flow.MapOp)
        ((_, body),) = node.bodies
        (item,) = body.arguments
        inner = scope.inner(True)
        name = self.program.value_name(node)
        function = scope.new(f"{name}_item", f"function {name}")
        argument = inner.new(item.name_hint or "item", python_type(item.type), "item")
        inner.values[item] = argument
        head = f"async def {function}({argument}: {python_type(item.type)})"
        self._function(head, python_type(body.result.type), body, inner, scope)
        source = scope.read(self.program.tree.value(op.source))
        site = quoted(self.program.sites[op])
        return call("each", site, function, source, f"at_most={op.bound.data}")

    def _alternatives(self, node: Node, sink: Sink, scope: Scope) -> None:
        assert isinstance(node.op, flow.AlternativesOp)
        choice = f"ctx.point.{self.program.choices[node.op.choice.data]}"
        *cases, (last, body) = node.bodies
        tests = [(f"{choice} == {quoted(label or '')}", inner) for label, inner in cases]
        self._cases(tests, body, sink, scope, f"# {quoted(last or '')}")

    def _branch(self, node: Node, sink: Sink, scope: Scope) -> None:
        op = node.op
        assert isinstance(op, flow.BranchOp)
        label = scope.read(self.program.tree.value(op.on))
        tests = [(f"{label} == {quoted(name)}", body) for name, body in node.bodies if name]
        otherwise = next((body for name, body in node.bodies if name is None), None)
        self._cases(tests, otherwise, sink, scope)
        if otherwise is None:
            depth = scope if sink.returns else scope.inner()
            if not sink.returns:
                self._open("else:", scope)
            site = quoted(self.program.sites[op])
            self._line(f"raise unknown_label({site}, {label})", depth)

    def _cases(
        self,
        tests: Sequence[tuple[str, Body]],
        otherwise: Body | None,
        sink: Sink,
        scope: Scope,
        comment: str = "",
    ) -> None:
        """`if`, `elif` and `else`; only `if` where every case returns."""
        for number, (test, body) in enumerate(tests):
            word = "elif" if number and not sink.returns else "if"
            self._open(f"{word} {test}:", scope)
            self._block(body, sink, scope)
        if otherwise is None:
            return
        if sink.returns or not tests:
            if comment:
                self._line(comment, scope)
            self.body(otherwise, sink, scope)
        else:
            self._open(f"else:  {comment}".rstrip(), scope)
            self._block(otherwise, sink, scope)

    def _fallback(self, node: Node, sink: Sink, scope: Scope) -> None:
        op = node.op
        assert isinstance(op, flow.FallbackOp)
        first, *rest = (body for _, body in node.bodies)
        if self.program.tiers(node) == 1:
            self.body(first, sink, scope)
            return
        variable = sink.free or self._variable(node, scope)
        if op.bound.data == 1:
            self._tiers(node, [first, *rest], variable, sink, scope)
        elif rest:
            self._attempts_then(node, variable, sink, scope)
        else:
            self._attempts(node, variable, scope)
        if not (sink.returns and rest):
            self._deliver(sink, variable, scope)

    def _tiers(
        self, node: Node, bodies: Sequence[Body], variable: str, sink: Sink, scope: Scope
    ) -> None:
        """Tier after tier: in sequence where an accepted value returns, else nested."""
        for body in bodies[:-1]:
            self.body(body, Sink(variable), scope)
            word = "if" if sink.returns else "if not"
            self._check(word, node, variable, scope)
            if sink.returns:
                self._line(f"return {variable}", scope.inner())
            else:
                scope = scope.inner()
        self.body(bodies[-1], sink if sink.returns else Sink(variable), scope)

    def _attempts(self, node: Node, variable: str, scope: Scope) -> None:
        """One tier, repeated; the last attempt is not checked."""
        op = node.op
        assert isinstance(op, flow.FallbackOp)
        ((_, body),) = node.bodies
        bound = op.bound.data
        attempt = scope.new("attempt", "int")
        self._open(f"for {attempt} in range(1, {bound + 1}):", scope)
        inner = scope.inner()
        self.body(body, Sink(variable), inner)
        test = self._accepted(node, variable, inner)
        together = f"if {attempt} == {bound} or {flat(test)}:"
        if not self._says_why(node) and len(INDENT * inner.depth + together) <= WIDTH:
            self._open(together, inner)
        else:
            self._open(f"if {attempt} == {bound}:", inner)
            self._line("break", inner.inner())
            self._check("if", node, variable, inner)
        self._line("break", inner.inner())

    def _attempts_then(self, node: Node, variable: str, sink: Sink, scope: Scope) -> None:
        """One tier, repeated, and another one if no attempt is accepted."""
        op = node.op
        assert isinstance(op, flow.FallbackOp)
        (_, first), (_, last) = node.bodies
        self._open(f"for _ in range({op.bound.data}):", scope)
        inner = scope.inner()
        self.body(first, Sink(variable), inner)
        self._check("if", node, variable, inner)
        self._line(f"return {variable}" if sink.returns else "break", inner.inner())
        if sink.returns:
            self.body(last, sink, scope)
        else:
            self._open("else:", scope)
            self._block(last, Sink(variable), scope)

    def _refine(self, node: Node, sink: Sink, scope: Scope) -> None:
        op = node.op
        assert isinstance(op, flow.RefineOp)
        ((_, body),) = node.bodies
        value, feedback = body.arguments
        variable = sink.free or self._variable(node, scope)
        self._line(f"{variable} = {scope.read(self.program.tree.value(op.initial))}", scope)
        self._open(f"for _ in range({op.bound.data}):", scope)
        inner = scope.inner()
        inner.values[value] = variable
        if is_used(body, feedback):
            verdict = inner.new("verdict", "verdict")
            inner.values[feedback] = f"{verdict}.feedback"
            judged = self._judged(node, variable, inner, "ask_checker")
            self._statement(prefixed(f"{verdict} = ", judged), inner)
            self._open(f"if {verdict}.accepted:", inner)
        else:
            self._check("if", node, variable, inner)
        self._line("break", inner.inner())
        self.body(body, Sink(variable, held=True), inner)
        self._deliver(sink, variable, scope)

    def _check(self, word: str, node: Node, variable: str, scope: Scope) -> None:
        """An `if` or `if not` the checker of a node accepts a variable."""
        test: Expression = self._accepted(node, variable, scope)
        if self._says_why(node):
            verdict = scope.new("verdict", "verdict")
            self._statement(prefixed(f"{verdict} = ", test), scope)
            test = f"{verdict}.accepted"
        self.lines += lines(prefixed(f"{word} ", test), scope.depth, ":")
        self._opened = len(self.lines)

    def _says_why(self, node: Node) -> bool:
        """Whether the checker of a node is an agent that gives a verdict, not just a bool."""
        checker = self.program.symbols[flow.called_symbol(node.op) or ""]
        return isinstance(checker, flow.AgentOp) and self.program.role(node) == "judges"

    def _accepted(self, node: Node, variable: str, scope: Scope) -> Group:
        """The call that says whether the checker of a node accepts a variable."""
        return self._judged(node, variable, scope, "checker_accepts")

    def _judged(self, node: Node, variable: str, scope: Scope, how: str) -> Group:
        """What the checker of a node says of a variable; `how` asks a tool."""
        op = node.op
        assert isinstance(op, flow.FallbackOp | flow.RefineOp)
        context = self.program.tree.values(op.context)
        name = op.until.root_reference.data
        if isinstance(self.program.symbols[name], flow.ToolOp):
            return call(f"await {how}", "ctx", quoted(name), *map(scope.read, context), variable)
        shown = [self._shown(value, scope) for value in context]
        shown.append(shown_as(node.output.type, variable))
        return self._ask(node, f"{self.program.sites[op]}.check", shown).before("await ")

    def _variable(self, node: Node, scope: Scope) -> str:
        """A new local variable for the value of a node."""
        kind = node.output.type
        return scope.new(self.program.value_name(node), python_type(kind), _suffix(kind))

    def _deliver(self, sink: Sink, value: str, scope: Scope) -> None:
        """Bring a value to a sink."""
        if sink.returns:
            self._line(f"return {value}", scope)
        elif sink.wanted and value != sink.variable:
            self._line(f"{sink.variable} = {value}", scope)

    def _statement(self, expression: Expression, scope: Scope) -> None:
        self.lines += lines(expression, scope.depth)

    def _line(self, text: str, scope: Scope) -> None:
        self.lines.append(INDENT * scope.depth + text)

    def _open(self, text: str, scope: Scope) -> None:
        """A line that opens a block."""
        self._line(text, scope)
        self._opened = len(self.lines)


def shown_as(kind: Attribute, expression: str) -> str:
    """A value of a type as text for a prompt."""
    match kind:
        case flow.TextType() | flow.LabelType():
            return expression
        case flow.ListType(element=flow.TextType() | flow.LabelType()):
            return f"numbered({expression})"
        case flow.ListType():
            return f"numbered([{shown_as(kind.element, 'item')} for item in {expression}])"
        case _:
            return f"as_json({expression})"


def _suffix(kind: Attribute) -> str:
    """What is added to a name that is taken already."""
    match kind:
        case flow.LabelType():
            return "label"
        case flow.ListType():
            return "list"
        case flow.JsonType():
            return "data"
        case flow.BoolType():
            return "verdict"
        case _:
            return "text"
