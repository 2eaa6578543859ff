"""Values that primitives hand on when they run on real engines.

Texts are strings, lists are lists, embeddings are lists of (text, vector), guards are booleans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from xdsl.ir import Attribute

from flowir.dialects import flow
from flowir.prim.values import Message, joined
from flowir.runtime import llm
from flowir.runtime.primitives.program import Kind


@dataclass(frozen=True)
class Failed:
    """The value of what failed: an error to whoever reads it."""

    error: BaseException


@dataclass(frozen=True)
class Index:
    """What a search looks in: indices of a store, of which the earlier one comes first."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt, or the beginning of one."""

    messages: tuple[Message, ...]

    def and_then(self, pieces: Sequence[Message]) -> Prompt:
        """With more pieces."""
        return Prompt(joined(self.messages, pieces))

    @property
    def chat(self) -> list[llm.Message]:
        """As a request has it."""
        return [{"role": role, "content": content} for role, content in self.messages]


def united(indices: Sequence[Index]) -> Index:
    """One index with all that is in several."""
    return Index(tuple(name for index in indices for name in index.names))


_SIMPLE: Mapping[Kind, Attribute] = {
    "text": flow.TextType(),
    "label": flow.LabelType(),
    "json": flow.JsonType(),
    "bool": flow.BoolType(),
}


@cache
def flow_type(kind: Kind) -> Attribute:
    """The type that a kind names.

    Raises:
        ValueError: it names none.
    """
    if kind.startswith("list[") and kind.endswith("]"):
        return flow.ListType(flow_type(kind[5:-1]))
    if kind not in _SIMPLE:
        raise ValueError(f"{kind!r} is no kind of value; kinds are {', '.join(_SIMPLE)}, list[…]")
    return _SIMPLE[kind]
