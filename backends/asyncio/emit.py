"""Puts an emitted file together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio import endpoints, extract, points
from flowir.backends.asyncio.agents import AgentWriter
from flowir.backends.asyncio.body import BodyWriter
from flowir.backends.asyncio.extract import Definition, Library
from flowir.backends.asyncio.layout import INDENT, Group, call, collection, lines, prefixed
from flowir.backends.asyncio.literals import docstring, escaped_lines, quoted
from flowir.backends.asyncio.outline import Outline, configurations, table
from flowir.backends.asyncio.planned import planned
from flowir.backends.asyncio.program import Program, program_of, python_type, runtime_type
from flowir.backends.asyncio.scope import RETURN, Scope
from flowir.errors import EmissionError
from flowir.profile.prices import Prices

SECTIONS = {
    "Points: what to run, and what to expect of it": ("points", "selection"),
    "Running the workflow": ("running", "errors"),
    "Model calls": ("usage", "calls"),
    "Tracing": ("tracing",),
    "Tools": ("tools",),
    "Values and answers": ("values",),
    "Races": ("races",),
    "Plans": ("plan",),
    "OpenAI-compatible endpoints": ("openai_client",),
    "Command line": ("command_line",),
}
"""The modules of the library in every section."""

_BLOCKS = ("def ", "async def ", "class ", "@", "if ")
CONSTANT = re.compile(r"(T|U|[A-Z_]+_S) = .*")
"""Constants of the library that stand together."""

WRITTEN_FIRST = {
    "running": ("Inputs", "INPUTS"),
    "calls": ("PRICES",),
    "tracing": ("WORKFLOW",),
    "openai_client": ("PROVIDERS", "REASONING"),
}
WRITTEN_LAST = {"points": ("Point", "POINTS"), "plan": ("PLANNED",)}
"""What is written anew, before and after the definitions of a module."""


def emit(module: ModuleOp, workflow: str | None = None, prices: Prices | None = None) -> str:
    """One Python file that runs a workflow, at any point of its front.

    Args:
        module: left as it is.
        workflow: its name; by default the workflow that no other calls.
        prices: what runs are said to cost; by default the prices it was explored with.

    Raises:
        EmissionError: the workflow cannot be written in Python.
        FlowirError: what else is wrong with the workflow or its front.
    """
    return checked(File(program_of(module, workflow), prices))


def checked(file: File) -> str:
    """The text of a file.

    Raises:
        EmissionError: Python cannot read it.
    """
    try:
        text = file.text()
        compile(text, "<emitted>", "exec")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise EmissionError(
            f"flow.workflow @{file.program.workflow.sym_name.data}: it nests too deeply for Python "
            f"({error}); split it where it is deepest"
        ) from error
    return text


class File:
    """The parts of an emitted file; the LangGraph back end puts other things in some places."""

    sections: Mapping[str, Sequence[str]] = SECTIONS
    written_first: Mapping[str, Sequence[str]] = WRITTEN_FIRST
    needs = "needs nothing but Python"
    client = "openai_llm()"
    starts: tuple[str, ...] = ("run", "main", "__main__", "log")

    def __init__(self, program: Program, prices: Prices | None) -> None:
        self.program = program
        self._prices = prices
        self._agents = AgentWriter(program)

    def text(self) -> str:
        program = self.program
        prompts = self._agents.prompts()
        agents = ["\n".join(coroutine) for coroutine in self._agents.coroutines()]
        workflow = self.workflow()
        written = points.written(program, self._prices) | endpoints.written(program)
        written |= {"TOOLS": self._tools(), **self._inputs(), "WORKFLOW": self._name()}
        written["PLANNED"] = planned(program.tree, program.symbols)
        written |= self.written()
        facts = self._facts("\n\n".join(workflow))
        own = "\n\n".join([*agents, *workflow, *written.values()])
        needed = extract.needed(own, self.starts, facts, self.library())
        code = {
            "Prompts": prompts,
            "Sub-agents": agents,
            "The workflow": [*filter(None, [written["TOOLS"]]), *workflow],
            **{
                title: self._section(names, needed, written)
                for title, names in self.sections.items()
            },
        }
        sections = "\n\n\n".join(_section(title, parts) for title, parts in code.items() if parts)
        imports = "\n".join(self.import_lines(needed["log"].source + "\n" + sections))
        head = ["from __future__ import annotations", imports, needed["log"].source]
        return "\n".join([*self._docstring(), "", "\n\n".join(head), "", sections, ""])

    def library(self) -> Library:
        """What definitions are taken from."""
        return extract.library(self.program.plans)

    def written(self) -> dict[str, str]:
        """What else is written anew, by the name under which `written_first` has it."""
        return {}

    def import_lines(self, source: str) -> list[str]:
        """The import statements that some source needs."""
        return extract.import_lines(source, self.library())

    def _section(
        self, modules: Sequence[str], needed: Mapping[str, Definition], written: Mapping[str, str]
    ) -> list[str]:
        """The definitions of a section, with what is written anew in its place."""
        found: list[str] = []
        for module in modules:
            found += [written[n] for n in self.written_first.get(module, ()) if written[n]]
            for definition in needed.values():
                if definition.module == module and definition.name != "log":
                    found.append(self.own(definition))
            found += [written[name] for name in WRITTEN_LAST.get(module, ()) if written[name]]
        return found

    def own(self, definition: Definition) -> str:
        """A definition of the library, made the workflow's own."""
        source = definition.source
        if definition.name == "Result":
            gives = self.program.workflow.function_type.outputs.data[0]
            return source.replace("value: Any", f"value: {python_type(gives)}")
        if definition.name == "run":
            inputs = (f"inputs[{quoted(name)}]" for name in self.program.inputs)
            value = call(f"value = await {self.program.function}", "ctx", *inputs)
            place = " " * 16 + "value = await workflow(ctx)"
            return source.replace(place, "\n".join(lines(value, 4)))
        return source

    def workflow(self) -> list[str]:
        """The coroutine of the workflow, or whatever definitions stand in its place."""
        program = self.program
        scope = Scope(1, program.names.inner())
        parameters = ["ctx: Context"]
        for name, value in program.inputs.items():
            kind = python_type(value.type)
            local = scope.new(name, kind, "input")
            scope.values[value] = local
            parameters.append(f"{local}: {kind}")
        gives = program.workflow.function_type.outputs.data[0]
        head = Group(
            f"async def {program.function}(", tuple(parameters), f") -> {python_type(gives)}"
        )
        writer = BodyWriter(program)
        writer.lines = docstring("The workflow, as the point of the context has it.", 1)
        writer.body(program.tree.body, RETURN, scope)
        return ["\n".join([*lines(head, 0, ":"), *writer.lines])]

    def _inputs(self) -> dict[str, str]:
        """What the workflow takes: for type checkers, and for the check at run time."""
        kinds = {name: value.type for name, value in self.program.inputs.items()}
        fields = [f"{INDENT}{name}: {python_type(kind)}" for name, kind in kinds.items()]
        text = docstring("What the workflow takes.", 1)
        table = collection([f"{quoted(n)}: {runtime_type(k)}" for n, k in kinds.items()], "{}")
        return {
            "Inputs": "\n".join(
                ["class Inputs(TypedDict):", *text, *([""] if fields else []), *fields]
            ),
            "INPUTS": "\n".join(lines(prefixed("INPUTS: dict[str, type] = ", table), 0)),
        }

    def _name(self) -> str:
        return f"WORKFLOW = {quoted(self.program.workflow.sym_name.data)}"

    def _tools(self) -> str:
        """Where the tools are, one a line."""
        tools = {tool.sym_name.data: tool.impl.data for tool in self.program.tools()}
        if not tools:
            return ""
        table = collection([f"{quoted(name)}: {quoted(at)}" for name, at in tools.items()], "{}")
        return "\n".join(lines(prefixed("TOOLS = ", table), 0))

    def _facts(self, workflow: str) -> set[str]:
        """The words that apply to the workflow; see the library."""
        program = self.program
        names = extract.names_in(workflow)
        plans = "run_plan" in names
        found = {
            "front": program.front is not None,
            "single": program.front is None,
            "estimates": bool(program.fields),
            "budgets": any(
                chosen.budget is not None
                for point in program.configurations()
                for chosen in point.values()
            ),
            "parallel": plans
            or "TaskGroup" in workflow
            or not names.isdisjoint(("each", "keys_of")),
            "races": plans or not names.isdisjoint(("race", "vote_at_quorum")),
            "plans": plans,
        }
        return {word for word, applies in found.items() if applies}

    def _docstring(self) -> list[str]:
        """What the file is, the workflow, its points, and how to run it."""
        program = self.program
        name = program.workflow.sym_name.data
        text = [f"The workflow {name}, compiled by flowir; {self.needs}.", ""]
        text += _indented(Outline(program).lines())
        if expected := table(program):
            text += ["", points.heading(program), "", *_indented(expected)]
        if chosen := configurations(program):
            text += ["", "What the sub-agents run on:", "", *_indented(chosen)]
        inputs = ", ".join(f"{quoted(name)}: …" for name in program.inputs)
        point = "point=select(max_latency=…), " if program.front is not None else ""
        text += ["", "From Python, with any model client, or from a shell (--help says more):", ""]
        text += _indented([f"result = await run({{{inputs}}}, {point}llm={self.client})"])
        return escaped_lines([*text, *self.more()])

    def more(self) -> list[str]:
        """The end of the docstring."""
        return []


def _indented(text: Iterable[str]) -> list[str]:
    return [INDENT + line if line else "" for line in text]


def _section(title: str, parts: Sequence[str]) -> str:
    """A comment and what it is about, with the empty lines that ruff wants."""
    text, previous = f"# {title}", ""
    for part in parts:
        blocks = any(p.startswith(_BLOCKS) for p in (part, previous))
        tight = CONSTANT.fullmatch(part) and CONSTANT.fullmatch(previous)
        text += ("\n\n\n" if blocks else "\n" if tight else "\n\n") + part
        previous = part
    return text
