"""Where a function calls a chat model, and which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from flowir.frontends.langgraph.reading.functions import Function, local_value
from flowir.frontends.langgraph.reading.models import chat_model

MODEL_METHODS = ("invoke", "ainvoke", "stream", "astream", "batch", "abatch")


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
