"""What the arguments of a task are made of: plain values, and references to other tasks' results.

A reference outside of text stands for the value itself, of whatever type; one inside of text is
shown there. Neither is ever evaluated: a path steps into mappings and sequences and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.errors import FlowirError

Step = str | int


@dataclass(frozen=True, init=False)
class Reference:
    """The result of a task, or what a path leads to in it: `$1`, `$1.price`, `${1[0].name}`.

    Attributes:
        task: the number of the task.
        path: keys and indices, outermost first.
        written: as the plan has it, in case it turns out to be text.
    """

    task: int
    path: tuple[Step, ...] = ()
    written: str = field(default="", compare=False)

    def __init__(self, task: int, path: tuple[Step, ...] = (), written: str = "") -> None:
        # Half the time of what a frozen dataclass writes for itself; plans are full of these.
        self.__dict__.update(task=task, path=path, written=written)

    def __str__(self) -> str:
        steps = (f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.path)
        return f"${self.task}{''.join(steps)}"


@dataclass(frozen=True)
class Template:
    """Text with references in it."""

    parts: tuple[str | Reference, ...]


@dataclass(frozen=True)
class Record:
    """A mapping with its keys in the order written."""

    entries: tuple[tuple[str, Value], ...]


Value = None | bool | int | float | str | Reference | Template | Record | tuple["Value", ...]
"""A tuple stands for a list."""


class ExtractionError(FlowirError):
    """A path that leads nowhere in the result it was to step into."""


def references(value: Value) -> list[Reference]:
    """Every reference in a value, in the order written."""
    found: list[Reference] = []
    _collect(value, found)
    return found


def _collect(value: Value, found: list[Reference]) -> None:
    if isinstance(value, Reference):
        found.append(value)
    elif isinstance(value, Template):
        found.extend([part for part in value.parts if isinstance(part, Reference)])
    elif isinstance(value, tuple):
        for inner in value:
            _collect(inner, found)
    elif isinstance(value, Record):
        for _, inner in value.entries:
            _collect(inner, found)


def substitute(value: Value, results: Mapping[int, Any]) -> Any:
    """The value with the results of other tasks in their places; lists and mappings are new.

    Raises:
        ExtractionError: a path leads nowhere.
        KeyError: a task has no result.
    """
    match value:
        case Reference():
            return extract(results[value.task], value)
        case Template():
            return "".join(
                part if isinstance(part, str) else shown(extract(results[part.task], part))
                for part in value.parts
            )
        case Record():
            return {key: substitute(inner, results) for key, inner in value.entries}
        case tuple():
            return [substitute(inner, results) for inner in value]
        case _:
            return value


def extract(result: Any, reference: Reference) -> Any:
    """What a reference's path leads to. Text that is JSON can be stepped into as what it says.

    Raises:
        ExtractionError: it leads nowhere; says what there is instead.
    """
    at = Reference(reference.task)
    for step in reference.path:
        if isinstance(result, str):
            result = _read(result, at, step)
        if isinstance(result, Mapping):
            key = step if step in result else str(step)
            if key not in result:
                raise ExtractionError(f"{at} has no {step!r}, only {_some(result)}")
            result = result[key]
        elif isinstance(result, Sequence) and not isinstance(result, bytes):
            if not isinstance(step, int):
                raise ExtractionError(f"{at} is a list: an index is wanted, not {step!r}")
            if step >= len(result):
                raise ExtractionError(f"{at} has {len(result)} items, so none at [{step}]")
            result = result[step]
        else:
            raise ExtractionError(f"{at} is {_kind(result)}, so it has no {step!r}")
        at = Reference(at.task, (*at.path, step))
    return result


def shown(result: Any) -> str:
    """A result in text: text as it is, anything else as JSON."""
    if isinstance(result, str):
        return result
    return json.dumps(result, ensure_ascii=False, default=str)


def _read(text: str, at: Reference, step: Step) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    if isinstance(found, str):
        raise ExtractionError(f"{at} is text that is no JSON, so it has no {step!r}: {text[:60]!r}")
    return found


def _some(found: Mapping[Any, Any], most: int = 8) -> str:
    keys = [repr(key) for key in found]
    return ", ".join(keys[:most]) + (", …" if len(keys) > most else "") if keys else "nothing"


def _kind(result: Any) -> str:
    return "nothing" if result is None else f"{type(result).__name__} {shown(result)[:40]}"


def written(value: Value) -> str:
    """A value as a plan has it; reading it gives the value again."""
    match value:
        case Reference():
            return f"${{{value.task}{_path(value.path)}}}"
        case Template():
            return json.dumps("".join(_part(part) for part in value.parts), ensure_ascii=False)
        case Record():
            entries = (f"{_quoted(key)}: {written(inner)}" for key, inner in value.entries)
            return f"{{{', '.join(entries)}}}"
        case tuple():
            return f"[{', '.join(map(written, value))}]"
        case str():
            return json.dumps(_part(value), ensure_ascii=False)
        case _:
            return json.dumps(value)


def _part(part: str | Reference) -> str:
    return part.replace("$", "$$") if isinstance(part, str) else written(part)


def _quoted(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def _path(path: tuple[Step, ...]) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f'["{s}"]' for s in path)


def renumbered(value: Value, numbers: Mapping[int, int]) -> Value:
    """The value with references to other tasks where they are to be others."""
    return moved(value, {number: Reference(to) for number, to in numbers.items()})


def moved(value: Value, places: Mapping[int, Reference]) -> Value:
    """The value with references to results that are now found in other places."""
    match value:
        case Reference():
            place = places.get(value.task, Reference(value.task))
            return Reference(place.task, place.path + value.path)
        case Template():
            parts = (part if isinstance(part, str) else moved(part, places) for part in value.parts)
            return Template(tuple(part for part in parts if isinstance(part, str | Reference)))
        case Record():
            return Record(tuple((key, moved(inner, places)) for key, inner in value.entries))
        case tuple():
            return tuple(moved(inner, places) for inner in value)
        case _:
            return value
