"""Where a function leads: the answers of a router, `Send`, and `Command(goto=…)`."""

from __future__ import annotations

import ast
from typing import Any

from flowir.frontends.langgraph.reading.functions import (
    Function,
    argument,
    arms,
    called_name,
    constant,
    returned,
)


def answers(function: Function) -> tuple[tuple[Any, ...], bool]:
    """Literals that a router may answer, in order of their places, and whether those are all."""
    found: dict[Any, None] = {}
    sure = function.tree is not None
    for tree in returned(function):
        items = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        for item in items:
            for arm in arms(item):
                value = constant(function, arm)
                if value is None:
                    sure = False
                else:
                    found[value] = None
    return tuple(found), sure


def sends(function: Function) -> tuple[str, ...]:
    """Nodes that a function sends items to."""
    found: dict[str, None] = {}
    for node in function.walk():
        if isinstance(node, ast.Call) and called_name(node) == "Send":
            target = constant(function, argument(node, "node", 0))
            if isinstance(target, str):
                found[target] = None
    return tuple(found)


def gotos(function: Function) -> tuple[tuple[str, ...], bool]:
    """Nodes a function may go to by `Command(goto=…)`, and whether those are all."""
    found: dict[str, None] = {}
    sure = True
    for node in function.walk():
        if not (isinstance(node, ast.Call) and called_name(node) == "Command"):
            continue
        tree = argument(node, "goto", 3)
        if tree is None:
            continue
        items = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        for arm in (arm for item in items for arm in arms(item)):
            targets = _possible(function, arm)
            sure = sure and bool(targets)
            found.update(dict.fromkeys(targets))
    return tuple(found), sure


def _possible(function: Function, tree: ast.expr) -> tuple[str, ...]:
    """Strings an expression may be: a literal, or a local that is only given literals."""
    value = constant(function, tree)
    if isinstance(value, str):
        return (value,)
    if not isinstance(tree, ast.Name):
        return ()
    found: list[str] = []
    for node in function.walk():
        match node:
            case ast.Assign([ast.Name(name)], given) if name == tree.id:
                for arm in arms(given):
                    literal = constant(function, arm)
                    if not isinstance(literal, str):
                        return ()
                    found.append(literal)
            case _:
                pass
    return tuple(found)


def lists_answers(function: Function) -> bool:
    """Whether a router may answer several nodes at once."""
    return any(isinstance(tree, ast.List | ast.ListComp | ast.Tuple) for tree in returned(function))


def commands_returned(function: Function) -> tuple[bool, bool]:
    """Whether some and whether all returns of a function are `Command`s."""
    found = [
        isinstance(tree, ast.Call) and called_name(tree) == "Command" for tree in returned(function)
    ]
    return any(found), bool(found) and all(found)


def command_problem(function: Function, goes: bool) -> str | None:
    """What of a function's `Command`s flow IR has no form for, or None.

    Args:
        goes: whether some of them lead anywhere.
    """
    for node in function.walk():
        if not (isinstance(node, ast.Call) and called_name(node) == "Command"):
            continue
        if argument(node, "graph", 0) is not None:
            return "goes to a node of the graph around it by Command; lead out by an edge"
        if argument(node, "resume", 2) is not None:
            return "resumes an interrupt, which flow IR does not have"
        goto = argument(node, "goto", 3)
        if goes and goto is None:
            return "returns a Command that goes nowhere; write goto=END"
        if isinstance(goto, ast.List | ast.Tuple | ast.ListComp):
            return "goes to several nodes by one Command; use plain edges, or Send in a router"
        if isinstance(goto, ast.Call) and called_name(goto) == "Send":
            return "sends an item by Command; use Send in a router"
    return None
