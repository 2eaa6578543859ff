"""What a function reads and writes of the state, and what else it may do to the world."""

from __future__ import annotations

import ast

from flowir.dialects.flow_types import Effect
from flowir.frontends.langgraph.reading.functions import Function, argument, called_name, returned


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


def keys_written(function: Function) -> tuple[tuple[str, ...], bool]:
    """Keys of the dicts a function may return, sorted, and whether every return shows its keys."""
    found: set[str] = set()
    sure = True
    for tree in returned(function):
        match update_of(tree):
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


def update_of(tree: ast.expr) -> ast.expr:
    """What a returned expression writes: the `update` of a `Command`, or the expression itself."""
    if isinstance(tree, ast.Call) and called_name(tree) == "Command":
        return argument(tree, "update", 1) or ast.Dict([], [])
    return tree


def keys_always(function: Function) -> frozenset[str]:
    """Keys that every return of a function writes."""
    found: list[set[str]] = []
    for tree in returned(function):
        update = update_of(tree)
        keys = update.keys if isinstance(update, ast.Dict) else []
        found.append({str(k.value) for k in keys if isinstance(k, ast.Constant)})
    return frozenset(set.intersection(*found)) if found else frozenset()


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
    "splitlines",
    "items",
    "keys",
    "values",
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
