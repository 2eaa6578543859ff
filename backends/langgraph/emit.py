"""Puts an emitted LangGraph file together."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import WRITTEN_FIRST, File, checked
from flowir.backends.asyncio.extract import Definition, Library
from flowir.backends.asyncio.layout import INDENT
from flowir.backends.asyncio.literals import docstring, quoted
from flowir.backends.asyncio.program import Program, program_of, python_type
from flowir.backends.langgraph import extract
from flowir.backends.langgraph.graph import GraphWriter
from flowir.backends.langgraph.state import State
from flowir.profile.prices import Prices

SECTIONS = {
    "Points: what to run, and what to expect of it": ("points", "selection"),
    "Running the workflow": ("running", "settings", "errors"),
    "Model calls": ("usage", "calls"),
    "Tracing": ("tracing",),
    "Tools": ("tools",),
    "Values and answers": ("values", "maps"),
    "Graphs inside": ("subgraphs",),
    "Races": ("races",),
    "Plans": ("plan",),
    "Chat models": ("chat_models", "openai_client"),
    "The graph, for LangGraph's own tools": ("graph",),
    "Command line": ("command_line",),
}
"""The modules of the library in every section."""

RESULT = "result"
"""The key of the state that has what the workflow gives."""


def emit(
    module: ModuleOp,
    workflow: str | None = None,
    prices: Prices | None = None,
    *,
    fuse: bool = True,
) -> str:
    """One Python file that runs a workflow on LangGraph, at any point of its front.

    Args:
        module: left as it is.
        workflow: its name; by default the workflow that no other calls.
        prices: what runs are said to cost; by default the prices it was explored with.
        fuse: whether a chain that runs beside others is one node of the graph; if not, only what
            `flow.fused` marks is.

    Raises:
        EmissionError: the workflow cannot be written in Python.
        FlowirError: what else is wrong with the workflow or its front.
    """
    program = program_of(module, workflow, extract.names)
    return checked(LanggraphFile(program, prices, fuse))


class LanggraphFile(File):
    """The parts of an emitted LangGraph file."""

    sections = SECTIONS
    written_first = WRITTEN_FIRST | {"graph": ("graph",)}
    needs = "a LangGraph StateGraph"
    client = "chat_model_llm()"

    def __init__(self, program: Program, prices: Prices | None, fuse: bool) -> None:
        super().__init__(program, prices)
        self._fuse = fuse
        self._graphs: list[str] = []

    def library(self) -> Library:
        return extract.library(self.program.plans)

    def import_lines(self, source: str) -> list[str]:
        return extract.import_lines(source, self.program.plans)

    def written(self) -> dict[str, str]:
        return {"graph": "\n".join([*self._graphs, "graph = build()"])}

    def more(self) -> list[str]:
        return ["", "The context of `graph` is a Settings, or what new_context() gives."]

    def own(self, definition: Definition) -> str:
        if definition.name == "run":
            return definition.source.replace('"result"', quoted(self._result))
        return super().own(definition)

    def workflow(self) -> list[str]:
        """The state, the functions of the nodes, and the function that builds the graph."""
        program = self.program
        state = State("State")
        for name, value in program.inputs.items():
            state.give(value, name)
        gives = python_type(program.workflow.function_type.outputs.data[0])
        self._result = state.declare(RESULT, gives)
        writer = GraphWriter(program, state, self._result, fuse=self._fuse, names=program.names)
        writer.lower(program.tree.body)
        what = "The graph of the workflow; every node knows its sites by `flowir.site`."
        output = [
            "class Output(TypedDict):",
            *docstring("What the graph gives.", 1),
            "",
            f"{INDENT}{self._result}: {gives}",
        ]
        keys = {*program.inputs, *writer.written}
        self._graphs = [f"{name} = {build}()" for name, build in writer.graphs]
        return [
            *writer.before,
            state.text(keys, "What the nodes of the graph write and read."),
            "\n".join(output),
            *reversed(writer.functions),
            writer.build("build", what, ("Inputs", "Output")),
        ]
