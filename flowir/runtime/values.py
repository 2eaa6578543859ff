"""Values of a running workflow: how prompts show them, and what is read from answers.

`flowir.runtime.interpreter` says the rules in words.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from xdsl.ir import Attribute

from flowir.dialects import flow
from flowir.errors import FlowirError


class InterpretationError(FlowirError):
    """A run that cannot go on: an answer that does not parse, a list too long, a label unknown."""


def show(value: Any, kind: Attribute) -> str:
    """A value as a prompt shows it."""
    match kind:
        case flow.TextType() | flow.LabelType():
            return str(value)
        case flow.ListType():
            return "\n".join(f"{i}. {show(item, kind.element)}" for i, item in enumerate(value, 1))
        case _:
            return json.dumps(value, ensure_ascii=False)


def plurality(values: Sequence[Any], keys: Sequence[Any]) -> Any:
    """The value whose key is most frequent; among several the earliest."""
    words = [ballot(key) for key in keys]
    most = max(Counter(words).values())
    return next(v for v, word in zip(values, words, strict=True) if words.count(word) == most)


def ballot(key: Any) -> str:
    """What a vote counts a key as."""
    return key.strip() if isinstance(key, str) else json.dumps(key, sort_keys=True)


def pick(answer: str, candidates: Sequence[Any]) -> Any:
    """The candidate whose number, from 1, the answer names first; else the first one."""
    for digits in re.findall("[0-9]+", answer):
        for number, candidate in enumerate(candidates, 1):
            if digits.lstrip("0") == str(number):
                return candidate
    return candidates[0]


def verdict(answer: Any) -> tuple[bool, str]:
    """(accepted, feedback) from a critic's text or what a checker tool gave."""
    if isinstance(answer, bool):
        return answer, ""
    if isinstance(answer, tuple):
        accepted, feedback = answer
        return bool(accepted), str(feedback)
    begins = re.match(r"[\W_]*(accept|reject)(?:ed|s)?\b[\s:;,.!*_-]*", answer, re.IGNORECASE)
    if begins is None:
        return False, answer.strip()
    return begins[1].lower() == "accept", answer[begins.end() :].strip()


def parse(parser: str, kind: Attribute, text: str, labels: Sequence[str], site: str) -> Any:
    """What an agent's answer gives.

    Raises:
        InterpretationError: the answer is not JSON, or JSON of another type.
    """
    match parser:
        case "text":
            return text
        case "code":
            blocks = list(fenced(text))
            return blocks[-1] if blocks else text
        case "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        case "label":
            return label(text, labels)
        case "verdict":
            return verdict(text)[0]
        case _:
            return _json(text, kind, site)


def label(text: str, labels: Sequence[str]) -> str:
    """The known label that the text begins with, the longest such; else its first word."""
    for known in sorted(labels, key=len, reverse=True):
        if re.match(rf"[\W_]*{re.escape(known)}(?!\w)", text, re.IGNORECASE):
            return known
    word = re.search(r"\w[\w-]*", text)
    return word.group() if word else ""


def fenced(text: str) -> Iterator[str]:
    """The contents of the fenced code blocks; one that is not closed goes to the end."""
    lines = text.split("\n")
    while lines:
        line = lines.pop(0)
        if not lines or not re.fullmatch(r"[ \t]*```[^`]*", line):
            continue
        inside: list[str] = []
        while lines and not re.fullmatch(r"[ \t]*```[ \t\r]*", lines[0]):
            inside.append(lines.pop(0))
        if not lines and inside[-1] == "":
            inside.pop()
        del lines[:1]
        yield "\n".join(inside)


def _json(text: str, kind: Attribute, site: str) -> Any:
    for candidate in (text, *list(fenced(text))[-1:]):
        try:
            value = json.loads(candidate)
        except ValueError:
            continue
        if is_of(value, kind):
            return value
        break
    raise InterpretationError(f"{site}: the answer is no JSON of type {kind}: {text[:200]!r}")


def is_of(value: Any, kind: Attribute) -> bool:
    """Whether a JSON value is one of a type."""
    match kind:
        case flow.JsonType():
            return True
        case flow.BoolType():
            return isinstance(value, bool)
        case flow.ListType():
            return isinstance(value, list) and all(is_of(item, kind.element) for item in value)
        case _:
            return isinstance(value, str)
