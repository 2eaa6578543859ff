"""Functions of a graph as syntax trees: what they read, write, call, and where they go.

What is read here is may-information: a function that hides its state in a helper shows nothing.
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

from flowir.dialects.flow_types import Effect
from flowir.frontends.langgraph.facts import NOWHERE, Place
from flowir.frontends.langgraph.models import chat_model

MODEL_METHODS = ("invoke", "ainvoke", "stream", "astream", "batch", "abatch")
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


def state_reads(function: Function) -> tuple[tuple[str, ...], bool]:
    """Keys that a function may read of its state, sorted, and whether those are all.

    They are not where the state is used other than by `state["key"]`, `.get("key")` or `.key`.
    """
    found: set[str] = set()
    uses = known = 0
    for node in function.walk():
        if isinstance(node, ast.Name) and node.id == function.state:
            uses += 1
        key = read_key(node, function.state)
        if key is not None:
            known += 1
            found.add(key)
    return tuple(sorted(found)), uses == known


def read_key(node: ast.AST, state: str | None) -> str | None:
    """The key that an expression reads of the state, or None."""
    match node:
        case ast.Subscript(ast.Name(name), ast.Constant(str(key))) if name == state:
            return key
        case ast.Call(ast.Attribute(ast.Name(name), "get"), [ast.Constant(str(key)), *_]) if (
            name == state
        ):
            return key
        case ast.Attribute(ast.Name(name), key) if name == state and key != "get":
            return key
        case _:
            return None


def returned(function: Function) -> Iterator[ast.expr]:
    """The expressions that a function may return."""
    if function.tree is None:
        return
    for node in own_nodes(function.tree):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from _arms(node.value)


def _arms(tree: ast.expr) -> Iterator[ast.expr]:
    if isinstance(tree, ast.IfExp):
        yield from _arms(tree.body)
        yield from _arms(tree.orelse)
    else:
        yield tree


def keys_written(function: Function) -> tuple[tuple[str, ...], bool]:
    """Keys of the dicts a function may return, sorted, and whether every return shows its keys."""
    found: set[str] = set()
    sure = True
    for tree in returned(function):
        if isinstance(tree, ast.Call) and _called(tree) == "Command":
            tree = argument(tree, "update", 1) or ast.Dict([], [])
        match tree:
            case ast.Dict(keys):
                for key in keys:
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        found.add(key.value)
                    else:
                        sure = False
            case ast.Constant(None):
                pass
            case _:
                sure = False
    return tuple(sorted(found)), sure


def argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    """An argument of a call, by keyword or by position."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[position] if position < len(call.args) else None


def _called(call: ast.Call) -> str:
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


def answers(function: Function) -> tuple[tuple[Any, ...], bool]:
    """Literals that a router may answer, in order of their places, and whether those are all."""
    found: dict[Any, None] = {}
    sure = function.tree is not None
    for tree in returned(function):
        items = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        for item in items:
            for arm in _arms(item):
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
        if isinstance(node, ast.Call) and _called(node) == "Send":
            target = constant(function, argument(node, "node", 0))
            if isinstance(target, str):
                found[target] = None
    return tuple(found)


def gotos(function: Function) -> tuple[tuple[str, ...], bool]:
    """Nodes a function may go to by `Command(goto=…)`, and whether those are all."""
    found: dict[str, None] = {}
    sure = True
    for node in function.walk():
        if not (isinstance(node, ast.Call) and _called(node) == "Command"):
            continue
        tree = argument(node, "goto", 3)
        if tree is None:
            continue
        items = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        for arm in (arm for item in items for arm in _arms(item)):
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
                for arm in _arms(given):
                    literal = constant(function, arm)
                    if not isinstance(literal, str):
                        return ()
                    found.append(literal)
            case _:
                pass
    return tuple(found)


def model_calls(function: Function) -> Iterator[tuple[ast.Call, Any]]:
    """Calls of chat models in a function, each with its model."""
    for node in function.walk():
        match node:
            case ast.Call(ast.Attribute(base, method)) if method in MODEL_METHODS:
                if (model := called_model(function, base)) is not None:
                    yield node, model
            case _:
                pass


def called_model(function: Function, tree: ast.expr) -> Any | None:
    """The chat model behind `llm`, `llm.bind_tools(…)`, `(prompt | llm)`, or a local for one."""
    match tree:
        case ast.Call(ast.Attribute(base, _)):
            return called_model(function, base)
        case ast.BinOp(left, ast.BitOr(), right):
            return called_model(function, right) or called_model(function, left)
        case ast.Name(name):
            if (given := local_value(function, name)) is not None:
                return called_model(function, given)
    value = function.resolve(tree)
    return None if value is None else chat_model(value)


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
        if isinstance(node, ast.Call) and _called(node) == name:
            return node
    return None


def guard_bound(function: Function, reads: tuple[str, ...]) -> int | None:
    """The number that a guard compares something of the state with, the largest."""
    found: set[int] = set()
    for node in function.walk():
        if not isinstance(node, ast.Compare) or len(node.comparators) != 1:
            continue
        if not isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE | ast.Eq):
            continue
        sides = (node.left, node.comparators[0])
        for counter, limit in (sides, sides[::-1]):
            value = limit.value if isinstance(limit, ast.Constant) else function.resolve(limit)
            inside = any(read_key(part, function.state) in reads for part in ast.walk(counter))
            if isinstance(value, int) and not isinstance(value, bool) and inside:
                found.add(value)
    return max(found) if found else None


def keys_always(function: Function) -> frozenset[str]:
    """Keys that every return of a function writes."""
    found: list[set[str]] = []
    for tree in returned(function):
        keys = tree.keys if isinstance(tree, ast.Dict) else []
        found.append({str(k.value) for k in keys if isinstance(k, ast.Constant)})
    return frozenset(set.intersection(*found)) if found else frozenset()


def lists_answers(function: Function) -> bool:
    """Whether a router may answer several nodes at once."""
    return any(isinstance(tree, ast.List | ast.ListComp | ast.Tuple) for tree in returned(function))


_PURE = (
    "len",
    "str",
    "int",
    "float",
    "bool",
    "min",
    "max",
    "sum",
    "sorted",
    "list",
    "dict",
    "range",
)
_PURE_METHODS = (
    "get",
    "lower",
    "upper",
    "strip",
    "split",
    "join",
    "startswith",
    "endswith",
    "format",
)


def effect_of(function: Function) -> Effect:
    """`pure` where a function calls nothing but a few builtins and methods of values."""
    for node in function.walk():
        match node:
            case ast.Call(ast.Name(name)) if name in (*_PURE, "Send") and not (
                name in function.names and name != "Send"
            ):
                continue
            case ast.Call(ast.Attribute(_, name)) if name in _PURE_METHODS:
                continue
            case ast.Call() | ast.Global() | ast.Nonlocal() | ast.Delete():
                return Effect.WRITES
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                return Effect.WRITES
            case _:
                continue
    return Effect.PURE
