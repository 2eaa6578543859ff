"""The state of a graph: a key for every value that one node writes and another reads."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.ir import SSAValue

from flowir.backends.asyncio.layout import INDENT
from flowir.backends.asyncio.literals import docstring, quoted
from flowir.backends.asyncio.names import KEYS_FORBIDDEN, Names
from flowir.backends.asyncio.program import python_type
from flowir.backends.asyncio.scope import type_word

FORBIDDEN_KEYS = KEYS_FORBIDDEN | {"l", "O", "I", "int", "tuple", "operator", "Annotated"}
"""Keys that a type checker or linter would not like."""


class State:
    """The keys of one graph.

    Attributes:
        name: of the class.
    """

    def __init__(self, name: str, taken: Iterable[str] = ()) -> None:
        self.name = name
        self._names = Names(taken, forbidden=FORBIDDEN_KEYS)
        self._keys: dict[SSAValue, str] = {}
        self._types: dict[str, str] = {}
        self._nodes: set[str] = set()

    def reserve(self, node: str) -> bool:
        """Whether a node may have a name: LangGraph wants it to be no key of the state."""
        if node in self._types:
            return False
        self._nodes.add(node)
        return True

    def give(self, value: SSAValue, key: str) -> None:
        """A key for an input of the workflow, whose name is not ours to choose."""
        self._names.new(key)
        self._types[key] = python_type(value.type)
        self._keys[value] = key

    def declare(self, name: str, kind: str, suffix: str = "") -> str:
        """A new key, of a Python type."""
        key = self._names.new(name, suffix)
        while key in self._nodes:
            key = self._names.new(name, suffix)
        self._types[key] = kind
        return key

    def add(self, value: SSAValue, name: str) -> str:
        """A new key for a value."""
        kind = python_type(value.type)
        self._keys[value] = self.declare(name, kind, type_word(value.type))
        return self._keys[value]

    def alias(self, value: SSAValue, key: str) -> None:
        """Keep a value under a key that is there already."""
        self._keys[value] = key

    def __contains__(self, value: SSAValue) -> bool:
        return value in self._keys

    def key(self, value: SSAValue) -> str:
        """The key of a value."""
        return self._keys[value]

    def kind(self, key: str) -> str:
        """The Python type of what is under a key."""
        return self._types[key]

    def read(self, value: SSAValue) -> str:
        """The expression that reads a value."""
        return f"state[{quoted(self._keys[value])}]"

    def item_text(self, used: Iterable[str], what: str) -> str:
        """The class of an item of a map, which has its place."""
        head, *rest = self.text(used, what).split("\n")
        fields = rest[2:] if len(rest) > 1 else []
        return "\n".join([head, rest[0], "", f"{INDENT}index: int", *fields])

    def text(self, used: Iterable[str], what: str) -> str:
        """The class, with the keys that are used."""
        wanted = set(used)
        fields = [f"{INDENT}{key}: {kind}" for key, kind in self._types.items() if key in wanted]
        head = f"class {self.name}(TypedDict, total=False):"
        return "\n".join([head, *docstring(what, 1), *([""] if fields else []), *fields])
