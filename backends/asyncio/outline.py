"""The workflow and its front in words, for the docstring of an emitted file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from xdsl.ir import Attribute, Operation, SSAValue

from flowir.backends.asyncio.program import Program
from flowir.backends.asyncio.tree import Body, Node
from flowir.dialects import flow
from flowir.runtime.planning import is_identity
from flowir.search.front import difference

TABLE_WIDTH = 92
"""Characters of a line of a table."""


class Outline:
    """The workflow as indented lines, one for every operation."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._names: dict[SSAValue, str] = {}
        self._taken: set[str] = set()

    def lines(self) -> list[str]:
        """The signature and what follows it."""
        program = self._program
        takes = []
        for name, value in program.inputs.items():
            takes.append(f"{self._name(value, name)}: {_type(value.type)}")
        gives = program.workflow.function_type.outputs.data[0]
        head = f"{program.workflow.sym_name.data}({', '.join(takes)}) -> {_type(gives)}"
        return [head, *("    " + line for line in self._body(program.tree.body, "return"))]

    def _name(self, value: SSAValue, name: str) -> str:
        """The name of a value: its own, or numbered where that is taken."""
        if value not in self._names:
            found, number = name, 1
            while found in self._taken:
                number += 1
                found = f"{name}_{number}"
            self._taken.add(found)
            self._names[value] = found
        return self._names[value]

    def _read(self, *values: SSAValue) -> str:
        return ", ".join(self._names[value] for value in self._program.tree.values(values))

    def _body(self, body: Body, give: str) -> Iterator[str]:
        *nodes, last = body.nodes or (None,)
        for node in nodes:
            yield from self._node(node)
        if last is not None and last.output is body.result:
            yield from self._node(last, give)
            return
        if last is not None:
            yield from self._node(last)
        yield f"{give} {self._read(body.result)}"

    def _node(self, node: Node, give: str = "") -> Iterator[str]:
        """A node, as an assignment or as what is given."""
        name = self._program.value_name(node)
        if node.races:
            for _, lane in node.bodies:
                for inner in lane.nodes:
                    yield from self._node(inner)
            node = replace(node, bodies=())
        match node.op:
            case flow.CallOp() as op:
                what = f"{op.callee.root_reference.data}({self._read(*op.inputs)})"
            case flow.JoinOp() as op if is_identity(op):
                what = self._read(op.inputs[0])
            case flow.JoinOp() as op:
                what = f"{op.mode.data} of {self._read(*op.inputs)}"
                if op.by is not None:
                    what += f" by {op.by.root_reference.data}({self._read(*op.context)})"
                if op.key is not None:
                    what += f" by {op.key.root_reference.data}"
                if op.quorum is not None:
                    what += ", until it is decided"
                if op.until is not None:
                    what += f" that {self._checker(op)} accepts"
                if op.after is not None:
                    what += f", started after {', '.join(f'{d:g}' for d in op.delays)} s"
            case flow.BranchOp() as op:
                what = f"depends on {self._read(op.on)}"
            case flow.AlternativesOp() as op:
                what = f"by the point's {self._program.choices[op.choice.data]}"
            case flow.FallbackOp() as op:
                tries = f"at most {op.bound.data} tries" if op.bound.data > 1 else "tiers"
                what = f"{tries} until {self._checker(op)} accepts"
            case flow.RefineOp() as op:
                what = (
                    f"{self._read(op.initial)}, refined at most {op.bound.data} times until "
                    f"{self._checker(op)} accepts"
                )
            case flow.MapOp() as op:
                what = f"for each of {self._read(op.source)} (at most {op.bound.data})"
            case flow.PlanOp() as op:
                what = f"plans of {', '.join(op.tool_names)}"
                if op.max_replans.data:
                    what += f", at most {op.max_replans.data + 1}"
            case _:
                raise NotImplementedError(node.op.name)
        inside = list(self._inside(node))
        to = f"{give} " if give else f"{self._name(node.output, name)} = "
        yield f"{to}{what}{':' if inside else ''}"
        yield from ("    " + line for line in inside)

    def _checker(self, op: flow.FallbackOp | flow.RefineOp | flow.JoinOp) -> str:
        assert op.until is not None
        context = self._read(*op.context)
        return op.until.root_reference.data + (f"({context}, it)" if context else "")

    def _inside(self, node: Node) -> Iterator[str]:
        """The regions of a node, each under what it is for."""
        for number, (label, body) in enumerate(node.bodies):
            for argument in body.arguments:
                self._name(argument, argument.name_hint or "it")
            head = self._head(node.op, label, number, body)
            inner = list(self._body(body, "give"))
            if not head:
                yield from inner
            elif len(inner) == 1:
                yield f"{head} {inner[0]}"
            else:
                yield head
                yield from ("    " + line for line in inner)

    def _head(self, op: Operation, label: str | None, number: int, body: Body) -> str:
        match op:
            case flow.AlternativesOp() | flow.BranchOp():
                return "else:" if label is None else f'"{label}":'
            case flow.FallbackOp() if len(op.tiers) > 1:
                return "first:" if number == 0 else "else:"
            case flow.RefineOp():
                return f"with {' and '.join(self._names[value] for value in body.arguments)}:"
            case flow.PlanOp():
                return ("planner:", "joiner:")[number]
            case flow.MapOp():
                return f"with {self._names[body.arguments[0]]}:"
            case _:
                return ""


def _type(kind: Attribute) -> str:
    match kind:
        case flow.ListType():
            return f"list of {_type(kind.element)}"
        case _:
            return kind.name.removeprefix("flow.")


def table(program: Program) -> list[str]:
    """The points, one a line: means, against today's, and what they choose."""
    front, known = program.front, program.fields
    if not known:
        return []
    head = ["point", *known]
    rows = [[*head, *(["against today's"] if front else []), *program.choices.values()]]
    for number, (estimates, choices) in enumerate(
        zip(program.estimates, program.points, strict=True)
    ):
        row = [str(number), *(f"{estimates[q].mean:.3g}" for q in known)]
        if front is not None:
            point, today = front.points[number], front.points[front.baseline]
            row.append("(today's)" if point.baseline else str(difference(point, today)))
        rows.append([*row, *(choices.labels.get(name, "-") for name in program.choices)])
    return _aligned(rows)


def configurations(program: Program) -> list[str]:
    """What the sub-agents of every point run on; nothing where a table would be too wide."""
    chosen = list(program.configurations())
    used = (name for agent in program.agents.values() for name in agent.configs)
    names = list(dict.fromkeys(used))
    if not names:
        return []
    rows = [["point", *names]]
    for number, point in enumerate(chosen):
        rows.append([str(number), *(str(point.get(name, "-")) for name in names)])
    found = _aligned(rows)
    return found if max(map(len, found)) <= TABLE_WIDTH else []


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
