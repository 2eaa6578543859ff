"""Lists, votes, picks, and how answers are read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from flowir.backends.asyncio.library.errors import AnswerError

T = TypeVar("T")
U = TypeVar("U")


async def each(
    site: str, body: Callable[[T], Coroutine[Any, Any, U]], items: Sequence[T], *, at_most: int
) -> list[U]:
    """What the body makes of every item, all at the same time.

    Raises:
        AnswerError: there are more items than the workflow allows.
    """
    if len(items) > at_most:
        raise AnswerError(f"{site}: {len(items)} items, and at most {at_most} are allowed")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(body(item)) for item in items]
    return [task.result() for task in tasks]


def plurality(values: Sequence[T], keys: Sequence[object] | None = None) -> T:
    """The value, or the one whose key, there is most of; the earliest among equals."""
    labels = [
        key.strip() if isinstance(key, str) else json.dumps(key, sort_keys=True)
        for key in (values if keys is None else keys)
    ]
    counts = Counter(labels)
    return values[max(range(len(values)), key=lambda place: counts[labels[place]])]


def pick_candidate(answer: str, candidates: Sequence[T]) -> T:
    """The candidate whose number the answer names first; else the first candidate."""
    by_number = {str(number): candidate for number, candidate in enumerate(candidates, 1)}
    for digits in re.findall("[0-9]+", answer):
        if (number := digits.lstrip("0")) in by_number:
            return by_number[number]
    return candidates[0]


def numbered(texts: Iterable[str]) -> str:
    """Texts as a numbered list."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))


def paragraphs(texts: Iterable[str]) -> str:
    """Texts with an empty line between them."""
    return "\n\n".join(texts)


def as_json(value: object) -> str:
    """A value as a prompt shows it."""
    return json.dumps(value, ensure_ascii=False)


class Verdict(NamedTuple):
    """What a checker says of a value."""

    accepted: bool
    feedback: str = ""


def read_verdict(text: str) -> Verdict:
    """A text that begins with ACCEPT or REJECT; any other rejects, and is the feedback."""
    begins = re.match(r"[\W_]*(accept|reject)(?:ed|s)?\b[\s:;,.!*_-]*", text, re.IGNORECASE)
    if begins is None:
        return Verdict(False, text.strip())
    return Verdict(begins[1].lower() == "accept", text[begins.end() :].strip())


def read_label(text: str, labels: Iterable[str]) -> str:
    """The label that the text begins with, whatever its case; else its first word."""
    for label in sorted(labels, key=len, reverse=True):
        if re.match(rf"[\W_]*{re.escape(label)}(?!\w)", text, re.IGNORECASE):
            return label
    word = re.search(r"\w[\w-]*", text)
    return word.group() if word else ""


def unknown_label(site: str, label: str) -> AnswerError:
    """The error that no case is for a label."""
    return AnswerError(f"{site}: no case for the label {label!r}")


FENCED = re.compile(r"^[ \t]*```[^`\n]*\n(.*?)(?:^[ \t]*```[ \t\r]*$|\Z)", re.MULTILINE | re.DOTALL)


def read_code(text: str) -> str:
    """The last fenced code block, or the whole text where there is none."""
    blocks: list[str] = FENCED.findall(text)
    return blocks[-1].removesuffix("\n") if blocks else text


def read_lines(text: str) -> list[str]:
    """The lines that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_json(site: str, text: str, kind: type[T], item: type = object) -> T:
    """The JSON that a text is, or that its last fenced block holds.

    Raises:
        AnswerError: there is none, or it is of another type.
    """
    for candidate in (text, read_code(text)):
        with contextlib.suppress(ValueError):
            value = json.loads(candidate)
            if isinstance(value, kind) and (
                not isinstance(value, list) or all(isinstance(part, item) for part in value)
            ):
                return value
    raise AnswerError(f"{site}: the answer is no JSON of the type wanted: {text[:200]!r}")
