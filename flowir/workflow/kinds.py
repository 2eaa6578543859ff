"""Type hints as types of the `flow` dialect."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints

from xdsl.ir import Attribute

from flowir.dialects.flow import ListType
from flowir.dialects.flow_types import boolean, json, label, text
from flowir.errors import WorkflowError

Label = NewType("Label", str)
"""One of a few words: what `branch` looks at. `Literal["easy", "hard"]` is one too."""


def kind_of(hint: Any, where: str) -> Attribute:
    """`str`, `bool`, `int`, `float`, `Label`, `Literal[...]`, `list[T]`, `dict` or `Any` as a type.

    Raises:
        WorkflowError: any other hint.
    """
    plain: dict[Any, Attribute] = {
        inspect.Parameter.empty: text,
        str: text,
        bool: boolean,
        Label: label,
        Any: json,
        dict: json,
        int: json,
        float: json,
    }
    try:
        if hint in plain:
            return plain[hint]
    except TypeError:
        pass
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal and all(isinstance(word, str) for word in arguments):
        return label
    if origin is list:
        return ListType(kind_of(arguments[0], where))
    if origin is dict:
        return json
    if origin is tuple and arguments == (bool, str):
        return boolean  # a verdict with its reason
    raise WorkflowError(
        f"{where}: the type {hint!r} has no counterpart; "
        "use str, bool, int, float, Label, Literal[...], list[T] or dict"
    )


def signature(
    function: Callable[..., Any], where: str
) -> tuple[inspect.Signature, tuple[Attribute, ...], Attribute]:
    """The signature of a function, with the types of its parameters and of its result.

    Raises:
        WorkflowError: `*args`, `**kwargs`, or a hint without a counterpart.
    """
    found = inspect.signature(function)
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise WorkflowError(f"{where}: a type hint does not resolve: {error}") from None
    kinds = []
    for parameter in found.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise WorkflowError(f"{where}: {parameter} takes any number; name each input")
        hint = hints.get(parameter.name, inspect.Parameter.empty)
        kinds.append(kind_of(hint, f"{where}, input {parameter.name}"))
    result = kind_of(hints.get("return", inspect.Parameter.empty), f"{where}, result")
    return found, tuple(kinds), result
