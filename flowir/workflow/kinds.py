"""Type hints as types of the `flow` dialect."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints

from xdsl.ir import Attribute

from flowir.dialects.flow import BoolType, JsonType, LabelType, ListType, TextType
from flowir.dialects.flow_types import boolean, json, label, text
from flowir.errors import WorkflowError

Label = NewType("Label", str)
"""One of a few words: what `branch` looks at. `Literal["easy", "hard"]` is one too."""


def kind_of(hint: Any, where: str) -> Attribute:
    """`str`, `bool`, `Label`, `Literal[...]`, `list[T]` as a type; all else that JSON has is JSON.

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
        "use str, bool, Label, Literal[...], list[T], dict, int, float or Any"
    )


def fits(given: Attribute, wanted: Attribute) -> bool:
    """Whether a value may be given where a type is wanted: a label is a text, JSON is anything."""
    match given, wanted:
        case _, JsonType():
            return True
        case LabelType(), TextType():
            return True
        case ListType(), ListType():
            return fits(given.element, wanted.element)
        case _:
            return given == wanted


def hint_of(kind: Attribute) -> str:
    """A type as Python writes it."""
    match kind:
        case TextType():
            return "str"
        case BoolType():
            return "bool"
        case LabelType():
            return "Label"
        case ListType():
            return f"list[{hint_of(kind.element)}]"
        case _:
            return "dict"


def signature(
    function: Callable[..., Any], where: str, untyped: Attribute = text
) -> tuple[tuple[inspect.Parameter, ...], tuple[Attribute, ...], Attribute]:
    """The parameters of a function, their types, and the type of its result.

    Args:
        untyped: the type of a parameter without a hint.

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
        kinds.append(_parameter_kind(parameter, hints.get(parameter.name), where, untyped))
    result = kind_of(hints.get("return", inspect.Parameter.empty), f"{where}, result")
    return tuple(found.parameters.values()), tuple(kinds), result


def _parameter_kind(
    parameter: inspect.Parameter, hint: Any, where: str, untyped: Attribute
) -> Attribute:
    if hint is None:
        return untyped
    try:
        return kind_of(hint, f"{where}, input {parameter.name}")
    except WorkflowError:
        if parameter.default is parameter.empty:
            raise
        return json  # it may be left out


def without_defaults(parameters: Sequence[inspect.Parameter], where: str) -> tuple[str, ...]:
    """The names of parameters, each of which every call gives.

    Raises:
        WorkflowError: one has a default.
    """
    for parameter in parameters:
        if parameter.default is not parameter.empty:
            raise WorkflowError(
                f"{where}: input {parameter.name} has a default, and a workflow has no constants; "
                "remove the default, or write the value into the prompt"
            )
    return tuple(parameter.name for parameter in parameters)
