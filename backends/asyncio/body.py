"""Writes the coroutine of a workflow, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from xdsl.ir import Attribute, Operation, SSAValue

from flowir.backends.asyncio.expressions import Expressions, shown_as
from flowir.backends.asyncio.layout import (
    INDENT,
    Expression,
    Group,
    call,
    collection,
    lines,
    prefixed,
)
from flowir.backends.asyncio.literals import quoted
from flowir.backends.asyncio.loops import Loops
from flowir.backends.asyncio.plans import Plans
from flowir.backends.asyncio.program import Program, python_type
from flowir.backends.asyncio.races import Races
from flowir.backends.asyncio.schedule import (
    Segment,
    Task,
    arranged,
    awaited,
    needs_functions,
    schedule,
)
from flowir.backends.asyncio.scope import NOWHERE, RETURN, Scope, Sink, type_word
from flowir.backends.asyncio.tree import Body, Node
from flowir.dialects import flow
from flowir.runtime.planning import is_identity


class BodyWriter:
    """Writes the bodies of one program into `lines`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.expressions = Expressions(program)
        self.lines: list[str] = []
        self._function_opened = -1

    def body(self, body: Body, sink: Sink, scope: Scope) -> None:
        """The statements of a body, and what brings its value to the sink."""
        read = body.reads(sink.wanted)
        body = arranged(body, sink.wanted)
        kept = read | awaited(body, read)
        segments = schedule(body, is_call)
        delivered = False
        for segment in segments:
            last = segment.steps[-1]
            in_line = isinstance(last, Node)
            final = in_line and segment is segments[-1] and last.output is body.result
            if segment.parallel:
                delivered = self._parallel(segment, sink if final else None, read, kept, scope)
            else:
                assert isinstance(last, Node)
                self._node(last, sink if final else None, read, scope)
                delivered = final
        if sink.wanted and not delivered:
            self.deliver(sink, scope.read(body.result), scope)

    def block(self, body: Body, sink: Sink, scope: Scope) -> None:
        """A body indented by one, under a line that ends in a colon."""
        before = len(self.lines)
        self.body(body, sink, scope.inner())
        if len(self.lines) == before:
            self.line("pass", scope.inner())

    def _parallel(
        self,
        segment: Segment,
        sink: Sink | None,
        read: Set[SSAValue],
        kept: Set[SSAValue],
        scope: Scope,
    ) -> bool:
        """A task group; gives whether the value of the body has been delivered.

        Args:
            kept: the values whose tasks need a name: they are read, or only waited for.
        """
        scope.groups += 1
        group = "group" if scope.groups == 1 else f"group_{scope.groups}"
        self.open(f"async with asyncio.TaskGroup() as {group}", scope)
        scope.depth += 1
        delivered = False
        outer = set(scope.tasks)
        for step in segment.steps:
            if isinstance(step, Task):
                self._task(step, group, read, kept, scope)
            elif sink is not None and step is segment.steps[-1] and sink.free is not None:
                self._node(step, sink, read, scope)
                delivered = True
            else:
                self._node(step, None, read, scope)
        scope.depth -= 1
        scope.groups -= 1
        for value in scope.tasks.keys() - outer:
            scope.values[value] = f"{scope.tasks.pop(value)}.result()"
        return delivered

    def _task(
        self, task: Task, group: str, read: Set[SSAValue], kept: Set[SSAValue], scope: Scope
    ) -> None:
        """Start a task, of a function of its own where one call does not do."""
        (*_, node) = task.nodes
        name = self.program.value_name(node)
        wanted = node.output in read
        kind = python_type(node.output.type)
        ready = not any(value in scope.tasks for value in node.uses)
        coroutine: Expression
        if len(task.nodes) == 1 and ready and is_call(node):
            coroutine = self.expressions.call(node, scope)
        elif len(task.nodes) == 1 and ready and isinstance(node.op, flow.MapOp):
            coroutine = self._map(node, scope)
        else:
            function = scope.new(f"make_{name}", f"function {name}")
            part = Body(task.nodes, (), node.output)
            self.function(function, (), part, scope, RETURN if wanted else NOWHERE)
            kind = kind if wanted else "None"
            coroutine = f"{function}()"
        started = call(f"{group}.create_task", coroutine)
        if node.output in kept:
            variable = scope.new(name, f"task of {kind}", type_word(node.output.type))
            scope.tasks[node.output] = variable
            self.statement(prefixed(f"{variable} = ", started), scope)
        else:
            self.statement(started, scope)

    def function(
        self,
        name: str,
        arguments: Sequence[SSAValue],
        body: Body,
        scope: Scope,
        sink: Sink = RETURN,
    ) -> None:
        """A nested function that takes values and gives what a body gives, if that is wanted."""
        inner = scope.inner(True)
        parameters = []
        for value in arguments:
            kind = python_type(value.type)
            inner.values[value] = inner.variable(value, value.name_hint or "item")
            parameters.append(f"{inner.values[value]}: {kind}")
        kind = python_type(body.result.type) if sink.wanted else "None"
        head = Group(f"async def {name}(", tuple(parameters), f") -> {kind}")
        if len(self.lines) != self._function_opened and self.lines[-1]:
            comment = self.lines[-1].lstrip().startswith("#")
            self.lines.insert(len(self.lines) - comment, "")
        self.open(head, scope)
        self._function_opened = len(self.lines)
        self.body(body, sink, inner)
        if len(self.lines) == self._function_opened:
            self.line("pass", inner)
        self.lines.append("")

    def outlined(self, node: Node, body: Body, scope: Scope) -> str | None:
        """The function that a loop calls instead of having the body inside; None if it need not.

        A function inside a loop would see the loop's variables change.
        """
        if not needs_functions(body, is_call):
            return None
        name = self.program.value_name(node)
        function = scope.new(f"make_{name}", f"function {name}")
        arguments = [value for value in body.arguments if value in body.reads()]
        self.function(function, arguments, body, scope)
        return function

    def _node(self, node: Node, sink: Sink | None, read: Set[SSAValue], scope: Scope) -> None:
        """One node, in line. Without a sink its value gets a variable, if anything uses it."""
        if is_identity(node.op):
            (value,) = node.uses
            known = scope.tasks if value in scope.tasks else scope.values
            known[node.output] = known[value]
            if sink is not None:
                self.deliver(sink, scope.read(value), scope)
            return
        if sink is None:
            if node.output not in read:
                sink = NOWHERE
            else:
                sink = Sink(scope.variable(node.output, self.program.value_name(node)))
        writers: dict[type[Operation], Callable[[Node, Sink, Scope], None]] = {
            flow.AlternativesOp: self._alternatives,
            flow.BranchOp: self._branch,
            flow.FallbackOp: Loops(self).fallback,
            flow.RefineOp: Loops(self).refine,
        }
        write = writers.get(type(node.op), self._expression)
        if not isinstance(node.op, flow.AlternativesOp) and node.bodies:
            self._settle(node, node.reads(sink.wanted), scope)
        write(node, sink, scope)
        if sink.variable is not None:
            scope.values[node.output] = sink.variable

    def _settle(self, node: Node, read: Set[SSAValue], scope: Scope) -> None:
        """Wait for every value that a node with regions uses, and keep what is read."""
        for value in sorted(node.uses & scope.tasks.keys(), key=list(scope.tasks).index):
            task = scope.tasks.pop(value)
            if value not in read:
                self.line(f"await {task}", scope)
                scope.values[value] = f"{task}.result()"
                continue
            name = scope.new(f"{task}_done", python_type(value.type))
            self.line(f"{name} = await {task}", scope)
            scope.values[value] = name

    def _expression(self, node: Node, sink: Sink, scope: Scope) -> None:
        """A node that is one expression."""
        match node.op:
            case flow.CallOp():
                expression = prefixed("await ", self.expressions.call(node, scope))
            case flow.MapOp():
                expression = prefixed("await ", self._map(node, scope))
            case flow.PlanOp():
                expression = prefixed("await ", Plans(self).plan(node, scope))
            case flow.JoinOp() if node.races:
                expression = prefixed("await ", Races(self).race(node, scope))
            case flow.JoinOp():
                if not sink.wanted and node.op.by is None and node.op.key is None:
                    return
                expression = self._join(node.op, scope)
            case _:
                raise NotImplementedError(node.op.name)
        if sink.wanted:
            target = "return " if sink.returns else f"{sink.variable} = "
            expression = prefixed(target, expression)
        self.statement(expression, scope)

    def _join(self, op: flow.JoinOp, scope: Scope) -> Expression:
        values = self.program.tree.values(op.inputs)
        items = collection([scope.read(value) for value in values])
        match op.mode.data:
            case flow.JoinMode.FIRST:
                raise NotImplementedError("races are written by Races")
            case flow.JoinMode.ALL | flow.JoinMode.ANY:
                return items
            case flow.JoinMode.CONCAT:
                return call("paragraphs", items)
            case flow.JoinMode.VOTE if op.key is None:
                return call("plurality", items)
            case flow.JoinMode.VOTE:
                votes = self._candidates("votes", items, values[0].type, scope)
                assert op.key is not None
                tool = quoted(op.key.root_reference.data)
                return call("plurality", votes, call("await keys_of", "ctx", tool, votes))
            case flow.JoinMode.SELECT:
                candidates = self._candidates("candidates", items, values[0].type, scope)
                shown = [
                    self.expressions.shown(v, scope) for v in self.program.tree.values(op.context)
                ]
                shown.append(shown_as(flow.ListType(values[0].type), candidates))
                node = Node(op, op.output, (), frozenset(), frozenset())
                asked = self.expressions.ask(node, self.program.sites[op], shown)
                return call("pick_candidate", prefixed("await ", asked), candidates)

    def _candidates(self, name: str, items: Expression, kind: Attribute, scope: Scope) -> str:
        """A variable that holds the operands of a join."""
        variable = scope.new(name, f"list[{python_type(kind)}]")
        self.statement(prefixed(f"{variable} = ", items), scope)
        return variable

    def _map(self, node: Node, scope: Scope) -> Group:
        """The coroutine of a map; writes the function for one item."""
        op = node.op
        assert isinstance(op, flow.MapOp)
        ((_, body),) = node.bodies
        name = self.program.value_name(node)
        function = scope.new(f"{name}_item", f"function {name}")
        self.function(function, body.arguments, body, scope)
        source = scope.read(self.program.tree.value(op.source))
        site = quoted(self.program.sites[op])
        return call("each", site, function, source, f"at_most={op.bound.data}")

    def _alternatives(self, node: Node, sink: Sink, scope: Scope) -> None:
        assert isinstance(node.op, flow.AlternativesOp)
        choice = f"ctx.point.{self.program.choices[node.op.choice.data]}"
        *cases, (last, body) = node.bodies
        self._cases(_tests(choice, cases, sink), body, sink, scope, f"# {quoted(last or '')}")

    def _branch(self, node: Node, sink: Sink, scope: Scope) -> None:
        op = node.op
        assert isinstance(op, flow.BranchOp)
        label = scope.read(self.program.tree.value(op.on)) if op.labels.data else ""
        named = [(name, body) for name, body in node.bodies if name is not None]
        otherwise = next((body for name, body in node.bodies if name is None), None)
        self._cases(_tests(label, named, sink), otherwise, sink, scope)
        if otherwise is None:
            depth = scope if sink.returns else scope.inner()
            if not sink.returns:
                self.open("else", scope)
            site = quoted(self.program.sites[op])
            self.line(f"raise unknown_label({site}, {label})", depth)

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
            self.open(f"{word} {test}", scope)
            self.block(body, sink, scope)
        if otherwise is None:
            return
        if sink.returns or not tests:
            if comment:
                self.line(comment, scope)
            self.body(otherwise, sink, scope)
        else:
            self.open("else", scope)
            if comment:
                self.lines[-1] += f"  {comment}"
            self.block(otherwise, sink, scope)

    def deliver(self, sink: Sink, value: str, scope: Scope) -> None:
        """Bring a value to a sink."""
        if sink.returns:
            self.line(f"return {value}", scope)
        elif sink.wanted and value != sink.variable:
            self.line(f"{sink.variable} = {value}", scope)

    def statement(self, expression: Expression, scope: Scope) -> None:
        self.lines += lines(expression, scope.depth)

    def line(self, text: str, scope: Scope) -> None:
        self.lines.append(INDENT * scope.depth + text)

    def open(self, head: Expression, scope: Scope) -> None:
        """What opens a block, but for the colon."""
        self.lines += lines(head, scope.depth, ":")


def _tests(
    subject: str, cases: Sequence[tuple[str | None, Body]], sink: Sink
) -> list[tuple[str, Body]]:
    """A condition for every case; neighbours that do nothing but give the same share one."""
    merged: list[tuple[list[str], Body]] = []
    for label, body in cases:
        before = merged[-1][1] if merged else None
        if before is not None and _same(before, body, sink.wanted):
            merged[-1][0].append(quoted(label or ""))
        else:
            merged.append(([quoted(label or "")], body))
    return [
        (f"{subject} == {names[0]}" if len(names) == 1 else f"{subject} in ({', '.join(names)})", b)
        for names, b in merged
    ]


def _same(one: Body, other: Body, wanted: bool) -> bool:
    """Whether two bodies do nothing, and give the same if that is wanted."""
    if arranged(one, wanted).nodes or arranged(other, wanted).nodes:
        return False
    return not wanted or one.result is other.result


def is_call(node: Node) -> bool:
    """Whether a node is a single coroutine call."""
    return isinstance(node.op, flow.CallOp)
