"""Python functions of a graph as syntax trees, and what their expressions stand for.

What is read here is may-information: a function that hides something in a helper shows nothing.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from flowir.frontends.langgraph.facts import NOWHERE, Place

FunctionTree = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Function:
    """A Python function and its tree.

    Attributes:
        tree: line numbers are those of the file. None of a lambda, or where there is no source.
    """

    value: Any
    tree: FunctionTree | None
    place: Place

    @property
    def name(self) -> str:
        return str(getattr(self.value, "__name__", type(self.value).__name__))

    @property
    def is_lambda(self) -> bool:
        return getattr(self.value, "__name__", "") == "<lambda>"

    @cached_property
    def names(self) -> dict[str, Any]:
        """Globals and closure of the function, by name."""
        code = getattr(self.value, "__code__", None)
        if code is None:
            return {}
        cells = zip(code.co_freevars, self.value.__closure__ or (), strict=True)
        closure = {}
        for name, cell in cells:
            try:
                closure[name] = cell.cell_contents
            except ValueError:  # not yet assigned
                continue
        return {**self.value.__globals__, **closure}

    @property
    def state(self) -> str | None:
        """The name of the first parameter: what LangGraph passes the state as."""
        if self.tree is None or not self.tree.args.args:
            return None
        names = [argument.arg for argument in self.tree.args.args]
        return names[1] if names[0] == "self" and len(names) > 1 else names[0]

    def resolve(self, tree: ast.expr) -> Any | None:
        """The object that a name or a dotted name stands for before the function runs."""
        match tree:
            case ast.Name(name):
                return self.names.get(name)
            case ast.Attribute(base, name):
                owner = self.resolve(base)
                return None if owner is None else inspect.getattr_static(owner, name, None)
            case _:
                return None

    def walk(self) -> Iterator[ast.AST]:
        return iter(()) if self.tree is None else ast.walk(self.tree)


def function_of(value: Any) -> Function:
    """The function behind a node's runnable: sync nodes hide it in a partial."""
    while True:
        if isinstance(value, partial):
            value = value.args[0] if value.args and callable(value.args[0]) else value.func
        elif (inner := _behind(value)) is not None:
            value = inner
        else:
            break
    value = inspect.unwrap(value) if callable(value) else value
    if inspect.ismethod(value):
        value = value.__func__
    if not inspect.isfunction(value):
        call = vars(type(value)).get("__call__")
        value = call if inspect.isfunction(call) else value
    return Function(value, *_tree(value))


def _behind(value: Any) -> Any | None:
    if inspect.isfunction(value) or inspect.ismethod(value):
        return None
    for name in ("func", "afunc"):
        if (inner := getattr(value, name, None)) is not None:
            return inner
    return None


def _tree(value: Any) -> tuple[FunctionTree | None, Place]:
    try:
        file = inspect.getsourcefile(value) or "<no source>"
        lines, first = inspect.getsourcelines(value)
    except (OSError, TypeError):
        return None, NOWHERE
    place = Place(shown(file), first)
    try:
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except SyntaxError:  # a lambda in the middle of something
        return None, place
    ast.increment_lineno(tree, first - 1)
    if tree.body and isinstance(tree.body[0], FunctionTree):
        return tree.body[0], place
    return None, place


def shown(file: str) -> str:
    """A file as it is shown: below the folder one works in, without it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Everything in a function except what belongs to functions inside it."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, FunctionTree | ast.Lambda | ast.ClassDef):
            continue
        yield child
        yield from own_nodes(child)


def returned(function: Function) -> Iterator[ast.expr]:
    """The expressions that a function may return."""
    if function.tree is None:
        return
    for node in own_nodes(function.tree):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from arms(node.value)


def arms(tree: ast.expr) -> Iterator[ast.expr]:
    if isinstance(tree, ast.IfExp):
        yield from arms(tree.body)
        yield from arms(tree.orelse)
    else:
        yield tree


def argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    """An argument of a call, by keyword or by position."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[position] if position < len(call.args) else None


def called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
        case _:
            return ""


def constant(function: Function, tree: ast.expr | None) -> Any | None:
    """The value of a literal, or of a name for a string, such as END."""
    if isinstance(tree, ast.Constant):
        return tree.value
    value = None if tree is None else function.resolve(tree)
    return value if isinstance(value, str) else None


def local_value(function: Function, name: str) -> ast.expr | None:
    """What a local is given, where that happens once."""
    given = [
        node.value
        for node in function.walk()
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == name
    ]
    return given[0] if len(given) == 1 else None


def calls_function(function: Function, name: str) -> ast.Call | None:
    """A call of a function of this name, such as `interrupt`."""
    for node in function.walk():
        if isinstance(node, ast.Call) and called_name(node) == name:
            return node
    return None
