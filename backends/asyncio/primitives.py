"""Emits a graph of primitives as one Python file that runs on `flowir.runtime.primitives`."""

from __future__ import annotations

from typing import Any

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.layout import (
    INDENT,
    Expression,
    Group,
    call,
    collection,
    lines,
    prefixed,
)
from flowir.backends.asyncio.literals import (
    assigned,
    docstring,
    escaped_lines,
    expression,
    quoted,
)
from flowir.backends.asyncio.names import Names
from flowir.dialects import flow, prim
from flowir.dialects.flow_checks import module_symbols
from flowir.engines.engine import BatchEngine
from flowir.prim.from_ir import find_graph, tool_engines
from flowir.prim.graph import Node, Work
from flowir.runtime.primitives.from_ir import program_of
from flowir.runtime.primitives.program import (
    Agent,
    Aggregate,
    CallTool,
    Condition,
    Decode,
    Embed,
    Find,
    Ingest,
    Item,
    Piece,
    Prefill,
    Rerank,
    Source,
    Step,
)

LONGEST_PIECE = 48
"""Characters of a piece of a prompt that stands where it is used; a longer one gets a name."""

RESERVED = ("g", "main", "written", "system", "sys")


def emit_primitives(module: ModuleOp, name: str | None = None) -> str:
    """One Python file that runs a graph of primitives.

    Args:
        module: left as it is.
        name: of the graph, where there are several.

    Raises:
        PrimError: there is no such graph, or it cannot be run.
    """
    text = _Writer(find_graph(module, name)).text()
    compile(text, "<emitted>", "exec")
    return text


class _Writer:
    """Names of what a file has, and its parts."""

    def __init__(self, graph: prim.GraphOp) -> None:
        self.graph = graph
        self.program = program_of(graph)
        self.names = Names(RESERVED)
        self.function = self.names.new(self.program.name)
        self.agents: dict[str, str] = {}
        self.agent_lines: list[str] = []
        self.texts: dict[str, str] = {}
        self.text_lines: list[str] = []
        self._name_constants()
        inner = self.names.inner()
        self.inputs = [inner.new(given.name) for given in self.program.inputs]
        self.values: dict[Source, str] = {
            Source(-1, place): found for place, found in enumerate(self.inputs)
        }
        self.inner = inner
        self.ops = list(graph.primitives)
        self.places: dict[Any, Source] = {
            value: Source(-1, place) for place, value in enumerate(graph.body.block.args)
        }
        for node, op in enumerate(self.ops):
            self.places.update({r: Source(node, place) for place, r in enumerate(op.results)})

    def _name_constants(self) -> None:
        """Before any value has a name, for none may hide them."""
        for step in self.program.steps:
            if isinstance(step, Prefill | Decode):
                self._agent(step.agent)
            if isinstance(step, Prefill):
                for piece in step.pieces:
                    if isinstance(piece.content, str):
                        self._literal(piece.content, step.agent)

    def text(self) -> str:
        """The whole file."""
        body = self._function()
        engines = self._engines()
        parts = [
            *([self.text_lines] if self.text_lines else []),
            self.agent_lines,
            self._tools(),
            engines,
        ]
        constants = "\n\n".join("\n".join(part) for part in parts if part)
        kinds = [f"{quoted(one.name)}: {quoted(one.kind)}" for one in self.program.inputs]
        options: list[Expression] = [self.function, collection(kinds, "{}")]
        if self.function != self.program.name:
            options.append(f"name={quoted(self.program.name)}")
        program = lines(prefixed("PROGRAM = ", call("written", *options)), 0)
        options = ["PROGRAM", "__doc__"]
        options += ["tools=TOOLS"] if self._tools() else []
        options += ["engines=ENGINES"] if engines else []
        end = ['if __name__ == "__main__":', *lines(call("sys.exit", call("main", *options)), 1)]
        code = "\n\n\n".join(
            filter(None, [constants, "\n".join(body), "\n".join(program), "\n".join(end)])
        )
        head = [*self._docstring(), "", "from __future__ import annotations", ""]
        return "\n".join([*head, *self._imports(code), "", code.rstrip(), ""])

    def _docstring(self) -> list[str]:
        given = " ".join(
            "--corpus DIR" if one.kind == "list[text]" else f"--{one.name} …"
            for one in self.program.inputs
        )
        name = self.program.name
        text = [
            f"The workflow {name} as primitives, compiled by flowir.",
            "",
            f"{len(self.program.graph.nodes)} primitives, each of which starts as soon as the "
            "values it reads are there.",
            "From a shell (--help says more), or from Python, with parts of your own:",
            "",
            f"{INDENT}python {self.function}.py {given} --base-url http://localhost:8000/v1",
            f"{INDENT}async with Executor(engines, parts) as executor:",
            f"{INDENT}{INDENT}answer = await executor.run(PROGRAM, "
            "{" + ", ".join(f"{quoted(one.name)}: …" for one in self.program.inputs) + "})",
        ]
        return escaped_lines(text)

    def _imports(self, code: str) -> list[str]:
        wanted = [name for name in ("Agent", "Piece", "Source") if f"{name}(" in code]
        wanted = sorted({*wanted, "Source"})
        writing = ["Graph", *(["system"] if "system(" in code else []), "written"]
        found = ["import sys", ""]
        if "BatchEngine(" in code:
            found.append("from flowir.engines.engine import BatchEngine")
        if "Work(" in code:
            found.append("from flowir.prim.graph import Work")
        return [
            *found,
            "from flowir.runtime.primitives.command_line import main",
            f"from flowir.runtime.primitives.program import {', '.join(wanted)}",
            f"from flowir.runtime.primitives.writing import {', '.join(writing)}",
        ]

    def _tools(self) -> list[str]:
        """Where the tools are."""
        symbols = module_symbols(self.graph) or {}
        called = [step.tool for step in self.program.steps if isinstance(step, CallTool)]
        found = [
            f"{quoted(name)}: {quoted(tool.impl.data)}"
            for name in dict.fromkeys(called)
            if isinstance(tool := symbols.get(name), flow.ToolOp)
        ]
        return lines(prefixed("TOOLS = ", collection(found, "{}")), 0) if found else []

    def _engines(self) -> list[str]:
        """Engines of tools, as the workflow declares them."""
        found: list[Expression] = []
        for name, engine in tool_engines(self.graph).items():
            assert isinstance(engine, BatchEngine)
            fields = [
                f"base_s={engine.base_s!r}",
                "largest_batch=1",
                "efficient_batch=1",
                f"slots={engine.slots}",
            ]
            made = call("BatchEngine", quoted(name), *fields)
            found.append(prefixed(f"{quoted(name)}: ", made))
        return lines(prefixed("ENGINES = ", collection(found, "{}")), 0) if found else []

    def _function(self) -> list[str]:
        parameters = ["g: Graph", *(f"{name}: Source" for name in self.inputs)]
        head = Group(f"def {self.function}(", tuple(parameters), ") -> Source")
        found = [*lines(head, 0, ":"), *docstring("Notes what is to be done.", 1)]
        for node in range(len(self.program.steps)):
            found += lines(self._statement(node), 1)
        return [*found, f"{INDENT}return {self.values[self.program.result]}"]

    def _statement(self, node: int) -> Expression:
        """`name = g.primitive(…)`"""
        step = self.program.steps[node]
        primitive = self.program.graph.nodes[node]
        op = self.ops[node]
        method = op.name.removeprefix("prim.")
        arguments: list[Expression] = [*self._arguments(step, node)]
        arguments += self._common(node, primitive, op)
        names = self._results(node, op)
        made = call(f"g.{method}", *arguments)
        return prefixed(f"{names} = ", made) if names else made

    def _results(self, node: int, op: prim.PrimitiveOp) -> str:
        """Names of what it gives; empty where nobody reads it."""
        if not any(result.uses for result in op.results):
            return ""
        found = []
        for place, result in enumerate(op.results):
            name = "_"
            if result.uses:
                name = self.inner.new(result.name_hint or op.name.removeprefix("prim."))
                self.values[Source(node, place)] = name
            found.append(name)
        alone = isinstance(op, prim.ConditionOp) and len(found) == 1
        return ", ".join(found) + ("," if alone else "")

    def _arguments(self, step: Step, node: int) -> list[Expression]:
        """What a method takes beside what all take."""
        value = self.values
        match step:
            case Embed(texts, part):
                return [value[texts], *_part(part)]
            case Ingest(embedded, part):
                return [value[embedded], *_part(part)]
            case Find(index, queries, top, part):
                return [value[index], value[queries], f"top={top}", *_part(part)]
            case Rerank(query, texts, top):
                return [value[query], value[texts], f"top={top}"]
            case Prefill(agent, pieces, continued):
                before = [] if continued is None else [value[continued]]
                shown = collection([self._piece(piece, agent) for piece in pieces])
                return [self._agent(agent), *before, shown]
            case Decode(agent, before, labels, part):
                words = [prefixed("labels=", expression([*labels]))] if labels else []
                return [self._agent(agent), value[before], *_part(part), *words]
            case CallTool(tool, inputs, writes):
                told = ["writes=True"] if writes else []
                return [quoted(tool), *(value[one] for one in inputs), *told]
            case Item(items, place, last):
                return [value[items], str(place), *(["last=True"] if last else [])]
            case Aggregate(mode, values):
                return [quoted(mode), *(value[one] for one in values)]
            case Condition(test, on, _):
                odds = self.program.graph.odds[node]
                shown = collection([f"{quoted(k)}: {chance!r}" for k, chance in odds.items()], "{}")
                return [quoted(test), value[on], shown]

    def _common(self, node: int, primitive: Node, op: prim.PrimitiveOp) -> list[Expression]:
        site = self.program.sites[node]
        called = primitive.name.rsplit(": ", 1)[0]
        found: list[Expression] = []
        if site:
            found.append(f"at={quoted(site)}")
        elif called != str(node):
            found.append(f"called={quoted(called)}")
        if primitive.engine is not None:
            found.append(f"engine={quoted(primitive.engine)}")
        if primitive.work != Work():
            found.append(prefixed("work=", _work(primitive.work)))
        if op.guard is not None:
            found.append(f"guard={self.values[self.places[op.guard]]}")
        if op.after:
            waits = [self.values[self.places[value]] for value in op.after]
            if waits:
                found.append(prefixed("after=", collection(list(dict.fromkeys(waits)))))
        if node in self.program.ahead:
            found.append("ahead=True")
        return found

    def _agent(self, agent: Agent) -> str:
        """The name of an agent's constant."""
        key = repr(agent)
        if key not in self.agents:
            name = self.names.new(agent.name.upper())
            fields: list[Expression] = [quoted(agent.name), quoted(agent.model)]
            if agent.params:
                fields.append(prefixed("params=", expression(dict(agent.params))))
            blank = Agent(agent.name, agent.model)
            fields += [
                f"{field}={quoted(getattr(agent, field))}"
                for field in ("parser", "gives")
                if getattr(agent, field) != getattr(blank, field)
            ]
            self.agents[key] = name
            self.agent_lines += lines(prefixed(f"{name} = ", call("Agent", *fields)), 0)
        return self.agents[key]

    def _piece(self, piece: Piece, agent: Agent) -> Expression:
        content = (
            self.values[piece.content]
            if isinstance(piece.content, Source)
            else self._literal(piece.content, agent)
        )
        kind = [] if piece.kind == "text" else [quoted(piece.kind)]
        if piece.role == "system":
            return call("system", content, *kind)
        return call("Piece", content, *kind) if kind else content

    def _literal(self, text: str, agent: Agent) -> str:
        """A text where it is used, or the name of one that is long."""
        if len(quoted(text)) <= LONGEST_PIECE:
            return quoted(text)
        if text not in self.texts:
            self.texts[text] = self.names.new(f"{agent.name}_prompt".upper())
            self.text_lines += assigned(self.texts[text], text)
        return self.texts[text]


def _part(part: Any) -> list[Expression]:
    return [] if part is None else [f"part=({part.number}, {part.count})"]


def _work(work: Work) -> Expression:
    blank = Work()
    fields = []
    for name in ("items", "input_tokens", "output_tokens", "context_tokens"):
        amount = getattr(work, name)
        if amount != getattr(blank, name):
            shown = int(amount) if amount == int(amount) else amount
            fields.append(f"{name}={shown!r}")
    return call("Work", *fields)
