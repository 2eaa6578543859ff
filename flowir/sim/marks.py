"""Marks: what tells a right simulated answer from a wrong one, in text that emitted code passes on.

A mark is a single word of letters, digits and underscores, so it survives every parser, template
and join unchanged. Answers to the same question (they share a topic) have the same right answer and
the same common wrong answer, so votes over texts work; other wrong answers end in a serial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_MARK = re.compile(r"simulated_(right|wrong)_answer_(\d+)(?:_[0-9a-f]+)?")


class Mark(NamedTuple):
    """One answer found in a text."""

    topic: int
    right: bool


def right_answer(topic: int) -> str:
    """The right answer, always the same text."""
    return f"simulated_right_answer_{topic}"


def wrong_answer(topic: int, serial: str = "") -> str:
    """A wrong answer of its own, or the common one where no serial is given."""
    return f"simulated_wrong_answer_{topic}" + (f"_{serial}" if serial else "")


def find(text: str) -> list[Mark]:
    """All marks in order of appearance."""
    return [Mark(int(topic), kind == "right") for kind, topic in _MARK.findall(text)]


def texts(value: object) -> Iterator[str]:
    """Every text inside a value, in order; what is neither text nor a container has none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def find_all(value: object) -> list[Mark]:
    """All marks in the texts of a value."""
    if isinstance(value, str):
        return find(value)
    return [mark for text in texts(value) for mark in find(text)]


def as_items(answer: str, count: int) -> list[str]:
    """The lines of an answer that has so many, else so many items that all say the same."""
    lines = [line for line in answer.splitlines() if line.strip()]
    return lines if len(lines) == count else [f"{answer} item {i + 1}" for i in range(count)]
