"""The keys of a graph's state: their types in flow IR and their reducers."""

from __future__ import annotations

import operator
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from xdsl.ir import Attribute, SSAValue

from flowir.dialects.flow_types import ListType, boolean, json, text
from flowir.frontends.langgraph.facts import GraphImportError
from flowir.frontends.langgraph.lowering.building import Building, Env


@dataclass(frozen=True)
class Channel:
    """One key of the state; `reducer` makes one value of the old one and an update."""

    key: str
    kind: Attribute
    reducer: Any | None
    empty: str = "None"
    """What a key with a reducer begins as, as Python writes it."""

    def name_of_reducer(self, build: Building) -> str:
        """The reducer as the adapters name it.

        Raises:
            GraphImportError: nobody can import it, or it is LangGraph's own, for messages.
        """
        module = getattr(self.reducer, "__module__", "")
        name = getattr(self.reducer, "__qualname__", "")
        if self.is_history:
            raise GraphImportError(
                f"the state key {self.key!r} is a history of messages, which flow values do not "
                "have; keep what nodes need in keys of text"
            )
        if getattr(sys.modules.get(module), name, None) is not self.reducer:
            raise GraphImportError(f"the reducer of {self.key!r} cannot be imported by its name")
        return f"{build.adapters.alias(module)}.{name}"

    @property
    def is_history(self) -> bool:
        """Whether it is a history of messages, by LangGraph's own reducer."""
        return str(getattr(self.reducer, "__module__", "")).startswith("langgraph.")

    def begin(self, build: Building) -> SSAValue:
        """What a key with a reducer holds before anybody writes it.

        Raises:
            GraphImportError: it is not an empty list, dict, text or zero.
        """
        if self.empty == "None":
            raise GraphImportError(
                f"{self.key!r} has a reducer and begins as something that is no list, dict, text "
                "or number; give it such a type"
            )
        return build.constant(f"begin_{self.key}", self.empty, self.kind)

    def reduce(self, build: Building, env: Env, value: SSAValue) -> SSAValue:
        """The old value and an update, as one."""
        add = self._adder(build)
        given = [(self.key, env[self.key]), ("update", value)]
        return build.tool(f"add_{self.key}", given, lambda n: [f"return {add(*n)}"], self.kind)

    def reduce_all(self, build: Building, env: Env, values: SSAValue) -> SSAValue:
        """The old value and a list of updates, in order, as one."""
        add = self._adder(build)

        def lines(names: Any) -> list[str]:
            old, updates = names
            return [
                f"value = {old}",
                f"for update in {updates}:",
                f"    value = {add('value', 'update')}",
                "return value",
            ]

        given = [(self.key, env[self.key]), ("updates", values)]
        return build.tool(f"add_all_{self.key}", given, lines, self.kind)

    def _adder(self, build: Building) -> Any:
        if self.reducer is operator.add:
            return lambda old, new: f"{old} + {new}"
        name = self.name_of_reducer(build)
        return lambda old, new: f"{name}({old}, {new})"


def channels_of(compiled: Any) -> dict[str, Channel]:
    """The keys of a graph in the order of its schema."""
    builder = compiled.builder
    found: dict[str, Channel] = {}
    for schema in (builder.state_schema, builder.input_schema, builder.output_schema):
        for key, hint in _hints(schema).items():
            if key not in found and key in builder.channels:
                channel = builder.channels[key]
                reducer = getattr(channel, "operator", None)
                start = getattr(channel, "value", None)
                empty = repr(start) if type(start) in (list, dict, str, int, float) else "None"
                found[key] = Channel(key, flow_type(hint), reducer, empty)
    return found


def keys_of(schema: Any) -> list[str]:
    """The keys of a schema."""
    return list(_hints(schema))


def types_of(channels: Mapping[str, Channel]) -> dict[str, Attribute]:
    """Types by key."""
    return {key: channel.kind for key, channel in channels.items()}


def _hints(schema: Any) -> dict[str, Any]:
    try:
        return get_type_hints(schema)
    except (NameError, TypeError):
        return dict(getattr(schema, "__annotations__", {}))


def flow_type(hint: Any) -> Attribute:
    """The flow type of a Python annotation; JSON where there is none closer."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated or str(origin) in ("typing.Required", "typing.NotRequired"):
        return flow_type(arguments[0])
    if origin in (Union, UnionType):
        return json
    if hint is str or (origin is Literal and all(isinstance(a, str) for a in arguments)):
        return text
    if hint is bool:
        return boolean
    if hint is list:
        return ListType(json)
    if origin is list:
        return ListType(flow_type(arguments[0]))
    return json
