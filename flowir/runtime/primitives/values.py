"""Values that primitives hand on, and what those do that need no engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from xdsl.ir import Attribute

from flowir.dialects import flow
from flowir.runtime.llm import Message
from flowir.runtime.primitives.program import OTHERWISE, Aggregate, Condition, Item, Kind, Mode
from flowir.runtime.retrieval.values import Vectors
from flowir.runtime.values import (
    InterpretationError,
    label,
    pick,
    plurality,
    show,
    verdict,
)


class _Missing:
    """The value of what did not run."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@dataclass(frozen=True)
class Failed:
    """The value of what ran ahead of a condition and failed: an error to whoever reads it."""

    error: BaseException


@dataclass(frozen=True, eq=False)
class Embedded:
    """Texts, each with its vector: shape [texts, dimensions]."""

    texts: tuple[str, ...]
    vectors: Vectors


@dataclass(frozen=True)
class Index:
    """What a search looks in: indices of a store, of which the earlier one comes first.

    Attributes:
        engine: where the store is.
    """

    engine: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt, or the beginning of one."""

    messages: tuple[tuple[str, str], ...]

    def and_then(self, pieces: Sequence[tuple[str, str]]) -> Prompt:
        """With more (role, text) pieces; neighbours of one role are one message."""
        messages = list(self.messages)
        for role, content in pieces:
            if messages and messages[-1][0] == role:
                messages[-1] = (role, messages[-1][1] + content)
            else:
                messages.append((role, content))
        return Prompt(tuple(messages))

    @property
    def chat(self) -> list[Message]:
        """As a request has it."""
        return [{"role": role, "content": content} for role, content in self.messages]


@cache
def flow_type(kind: Kind) -> Attribute:
    """The type that a kind names.

    Raises:
        ValueError: it names none.
    """
    if kind.startswith("list[") and kind.endswith("]"):
        return flow.ListType(flow_type(kind[5:-1]))
    simple = {"text": flow.TextType, "json": flow.JsonType, "bool": flow.BoolType}
    if kind not in simple:
        raise ValueError(f"{kind!r} is no kind of value; kinds are {', '.join(simple)}, list[…]")
    return simple[kind]()


def shown(value: Any, kind: Kind) -> str:
    """A value as a prompt shows it."""
    return show(value, flow_type(kind))


def texts_of(value: Any) -> list[str]:
    """What an engine embeds or ranks of a value: the texts of a list, or a single one."""
    items = value if isinstance(value, list | tuple) else [value]
    return [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in items]


def item(step: Item, items: Sequence[Any]) -> Any:
    """One item of a list, or MISSING."""
    return items[step.place] if step.place < len(items) else MISSING


def condition(step: Condition, value: Any) -> str | None:
    """The case of a value; None where the value is missing and nothing is asked about that.

    Raises:
        InterpretationError: a label that is none of the cases.
    """
    if step.test == "present":
        return "missing" if value is MISSING else "there"
    if value is MISSING:
        return None
    if step.test == "verdict":
        return "accept" if verdict(value)[0] else "reject"
    found = label(value, [case for case in step.cases if case])
    if found in step.cases:
        return found
    if OTHERWISE in step.cases:
        return OTHERWISE
    known = ", ".join(step.cases)
    raise InterpretationError(f"the label {found!r} is none of {known}")


def aggregate(step: Aggregate, values: Sequence[Any]) -> Any:
    """One value of several; MISSING where one is missing that it needs."""
    if step.mode not in _LENIENT and MISSING in map(_once, values):
        return MISSING
    if step.mode == "vote":
        count = len(values) // 2 if step.keyed else len(values)
        keys = values[count:] if step.keyed else values
        return plurality(values[:count], keys)
    return _AGGREGATES[step.mode](values)


def _once(value: Any) -> Any:
    """Itself where it is MISSING: comparing arrays would give arrays."""
    return value if value is MISSING else None


def _choose(values: Sequence[Any]) -> Any:
    count = len(values) // 2
    for value, holds in zip(values[:count], values[count:], strict=True):
        if holds is True:
            return value
    return MISSING


def _concat(values: Sequence[Any]) -> Any:
    if isinstance(values[0], Embedded):
        import numpy as np

        texts = tuple(text for part in values for text in part.texts)
        filled = [part.vectors for part in values if len(part.texts)]
        return Embedded(texts, np.concatenate(filled) if filled else values[0].vectors)
    return [one for part in values for one in part]


def _union(values: Sequence[Index]) -> Index:
    return Index(values[0].engine, tuple(name for part in values for name in part.names))


_LENIENT: frozenset[Mode] = frozenset({"gather", "choose"})

_AGGREGATES: Mapping[Mode, Callable[[Sequence[Any]], Any]] = {
    "all": list,
    "gather": lambda values: [value for value in values if value is not MISSING],
    "concat": _concat,
    "union": _union,
    "text": "\n\n".join,
    "pick": lambda values: pick(values[0], values[1:]),
    "choose": _choose,
    "feedback": lambda values: verdict(values[0])[1],
}
