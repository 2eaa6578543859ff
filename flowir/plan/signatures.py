"""Typed signatures of tools: what a planner is told, and what its calls are checked against."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Union, get_args, get_origin

from flowir.errors import FlowirError
from flowir.plan.values import Record, Reference, Template, Value, shown

Kind = Literal["any", "text", "integer", "number", "boolean", "list", "object"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class SignatureError(FlowirError):
    """A tool whose signature a plan cannot be checked against."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a tool."""

    name: str
    kind: Kind = "any"
    required: bool = True

    def __str__(self) -> str:
        return f"{self.name}{'' if self.required else '?'}: {self.kind}"


@dataclass(frozen=True)
class Signature:
    """What a tool is called, what it takes, and whether the same call always gives the same.

    Attributes:
        about: what it does, in words for the planner.
        pure: two identical calls of one run may be answered by one.
    """

    name: str
    parameters: tuple[Parameter, ...] = ()
    about: str = ""
    pure: bool = False

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """Its parameters by name, in order."""
        return {parameter.name: parameter for parameter in self.parameters}

    def __str__(self) -> str:
        head = f"{self.name}({', '.join(map(str, self.parameters))})"
        return f"{head}: {self.about}" if self.about else head


Bound = tuple[tuple[str, Value], ...]
"""Arguments by parameter, in the order of the signature."""


def bind(
    signature: Signature, positional: Sequence[Value], named: Sequence[tuple[str, Value]]
) -> tuple[Bound, list[str]]:
    """Arguments by parameter, and what is wrong with them, if anything, in words."""
    known = signature.by_name
    problems: list[str] = []
    found: dict[str, Value] = dict(zip(known, positional, strict=False))
    if len(positional) > len(known):
        problems.append(f"takes {_count(len(known))}, not {len(positional)}")
    for name, value in named:
        if name not in known:
            takes = ", ".join(known) or "nothing"
            problems.append(f"has no parameter {name!r}; it takes {takes}")
        elif name in found:
            problems.append(f"is given {name!r} twice")
        else:
            found[name] = value
    missing = [name for name, p in known.items() if p.required and name not in found]
    if missing:
        problems.append(f"wants {' and '.join(map(repr, missing))} too")
    for name, value in found.items():
        if not may_be(kind := known[name].kind, value):
            problems.append(f"wants {kind} as {name!r}, not {_written(value)}")
    return tuple([(name, found[name]) for name in known if name in found]), problems


def may_be(kind: Kind, value: Value) -> bool:
    """Whether a written argument can be of a kind. A reference can be of any."""
    if kind == "any" or isinstance(value, Reference):
        return True
    if isinstance(value, Template):
        return kind == "text"
    if isinstance(value, Record):
        return kind == "object"
    if isinstance(value, tuple):
        return kind == "list"
    return is_of(kind, value)


def is_of(kind: Kind, value: Any) -> bool:
    """Whether a value is of a kind. None is of the kind `any` only."""
    match kind:
        case "any":
            return True
        case "text":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "list":
            return isinstance(value, Sequence) and not isinstance(value, str | bytes)
        case "object":
            return isinstance(value, Mapping)


def fit(kind: Kind, value: Any) -> Any:
    """A result where a kind is wanted: shown where text is, read where text says just that.

    Raises:
        ValueError: it is not of that kind and does not say a value of it.
    """
    if is_of(kind, value):
        return value
    if kind == "text":
        return shown(value)
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = None
        if read is not None and is_of(kind, read):
            return read
    raise ValueError(f"{kind} is wanted, and {shown(value)[:60]!r} is not that")


def signature_of(
    function: Callable[..., Any], *, name: str | None = None, pure: bool = False
) -> Signature:
    """The signature of a Python function, from its parameters, type hints and docstring.

    Raises:
        SignatureError: a plan cannot say how to call it (`*args`).
    """
    called = str(name or getattr(function, "__name__", "tool"))
    try:
        hints = typing.get_type_hints(function)
        declared = inspect.signature(function).parameters.values()
    except (NameError, TypeError, ValueError) as error:
        raise SignatureError(f"tool {called}: its signature cannot be read: {error}") from error
    parameters = []
    for parameter in declared:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SignatureError(
                f"tool {called}: a plan cannot fill *{parameter.name}; name its parameters"
            )
        kind = _kind_of(hints.get(parameter.name, Any))
        parameters.append(Parameter(parameter.name, kind, parameter.default is parameter.empty))
    about = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
    return Signature(called, tuple(parameters), about, pure)


SCHEMA_KINDS: Mapping[str, Kind] = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "object",
}


def signature_of_schema(tool: Mapping[str, Any], *, pure: bool = False) -> Signature:
    """The signature of a tool as the OpenAI API has it: name, description, JSON schema.

    Raises:
        SignatureError: it has no name, or its parameters are no object's.
    """
    function: Any = tool.get("function", tool)
    name: Any = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise SignatureError(f"a tool without a name: {str(tool)[:80]}")
    schema = function.get("parameters") or {}
    properties = schema.get("properties", {}) if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        raise SignatureError(f"tool {name}: 'parameters' is no JSON schema of an object")
    required = schema.get("required", ())
    parameters = tuple(
        Parameter(key, _schema_kind(inner), key in required) for key, inner in properties.items()
    )
    return Signature(name, parameters, str(function.get("description") or ""), pure)


def _schema_kind(schema: Any) -> Kind:
    named = schema.get("type") if isinstance(schema, Mapping) else None
    return SCHEMA_KINDS.get(named, "any") if isinstance(named, str) else "any"


PYTHON_KINDS: tuple[tuple[type, Kind], ...] = (
    (str, "text"),
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (Mapping, "object"),
    (Sequence, "list"),
)


def _kind_of(hint: Any) -> Kind:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        kinds = {_kind_of(part) for part in get_args(hint) if part is not types.NoneType}
        return kinds.pop() if len(kinds) == 1 and types.NoneType not in get_args(hint) else "any"
    if origin is Literal:
        hint, origin = type(get_args(hint)[0]), None
    plain = origin or hint
    if not isinstance(plain, type):
        return "any"
    return next((kind for known, kind in PYTHON_KINDS if issubclass(plain, known)), "any")


def _count(number: int) -> str:
    return "no arguments" if number == 0 else "1 argument" if number == 1 else f"{number} arguments"


def _written(value: Value) -> str:
    match value:
        case Template():
            return "text"
        case Record():
            return "an object"
        case tuple():
            return "a list"
        case _:
            return shown(value)[:40]
