"""Writes the function that builds a graph."""

from __future__ import annotations

from collections.abc import Sequence

from flowir.backends.asyncio.layout import Expression, Group, call, collection, lines, prefixed
from flowir.backends.asyncio.literals import docstring, quoted
from flowir.backends.langgraph.targets import GraphNode
from flowir.backends.langgraph.wiring import as_dict, named


def build_function(
    name: str,
    what: str,
    state: str,
    nodes: Sequence[GraphNode],
    edges: Sequence[Expression],
    schemas: tuple[str, str] | None = None,
    title: str = "",
) -> str:
    """The function that builds a graph.

    Args:
        state: the class of its state.
        nodes, edges: the last first.
        schemas: of the input and output of the outermost graph, which may have a checkpointer.
        title: what LangGraph's tools call the outermost graph.
    """
    parameters: list[Expression] = []
    options, compiled = ["context_schema=Settings"], []
    if schemas is not None:
        parameters = ["checkpointer: Checkpointer = None"]
        options += [f"input_schema={schemas[0]}", f"output_schema={schemas[1]}"]
        compiled = ["checkpointer", f"name={quoted(title)}"]
    ends = schemas or (state, state)
    types = (state, "Settings", *ends)
    head = Group(f"def {name}() -> CompiledStateGraph[", types, "]")
    if parameters:
        gives = f") -> CompiledStateGraph[{', '.join(types)}]"
        head = Group(f"def {name}(", tuple(parameters), gives)
    added = [_add_node(node) for node in reversed(nodes)]
    statements = [
        call("builder = StateGraph", state, *options),
        *added,
        *reversed(edges),
        call("return builder.compile", *compiled),
    ]
    return "\n".join(
        [
            *lines(head, 0, ":"),
            *docstring(what, 1),
            *(line for statement in statements for line in lines(statement, 1)),
        ]
    )


def _add_node(node: GraphNode) -> Group:
    arguments: list[Expression] = [quoted(node.name), node.name]
    if node.metadata:
        arguments.append(prefixed("metadata=", as_dict(node.metadata)))
    if node.destinations:
        ends = collection([named(end) for end in node.destinations], "()")
        arguments.append(prefixed("destinations=", ends))
    return call("builder.add_node", *arguments)
