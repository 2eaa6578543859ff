"""The pieces of an answer while it is written: lines, numbered items, elements of a JSON array.

However a stream cuts the text, the pieces are the same: those that the whole text has. What is
complete is given at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

from xdsl.ir import Attribute

from flowir.dialects import flow
from flowir.runtime.values import InterpretationError, is_of, parse

Form = Literal["lines", "numbered", "json"]
FORMS: tuple[Form, ...] = get_args(Form)

_NUMBER = re.compile(r"[ \t]*(?:\d+[.)]|[-*•])[ \t]+")
_SPACE = re.compile(r"[ \t\r\n]*")
_FENCE = re.compile(r"```[^`\n]*\n")
_MAY_END = re.compile(r'[]},"\s]')
_DECODER = json.JSONDecoder()


class PieceReader(Protocol):
    """Reads one answer."""

    def feed(self, text: str) -> list[Any]:
        """The pieces that more text completes, in order.

        Raises:
            InterpretationError: the text is not of this form.
        """
        ...

    def close(self) -> list[Any]:
        """The pieces that the end of the text completes.

        Raises:
            InterpretationError: the text is not of this form, or ended too early.
        """
        ...


class LineReader:
    """Lines without the white space around them; empty ones are no pieces."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        lines = (self._rest + text).splitlines(keepends=True)
        # A carriage return may be half of a line's end; alone it is a line's end as well.
        whole = bool(lines) and lines[-1].splitlines() != [lines[-1]]
        self._rest = "" if whole or not lines else lines.pop()
        return _filled(lines)

    def close(self) -> list[str]:
        rest, self._rest = self._rest, ""
        return _filled([rest])


class NumberedReader:
    """Items of a list: from a number (`1.` or `2)`) or a dash to the next one, without it.

    What stands before the first item is no piece. Further lines of an item belong to it, but for
    what comes behind an empty line and begins no item.
    """

    def __init__(self) -> None:
        self._lines: list[str] | None = None
        self._raw = ""
        self._over = False

    def feed(self, text: str) -> list[str]:
        self._raw += text
        *whole, self._raw = self._raw.split("\n")
        return [item for line in whole for item in self._line(line)]

    def close(self) -> list[str]:
        raw, self._raw = self._raw, ""
        found = self._line(raw) if raw else []
        return found + self._item()

    def _line(self, line: str) -> list[str]:
        begins = _NUMBER.match(line)
        if begins is None:
            if not line.strip():
                return self._item()  # The item may go on no further: it is complete.
            if self._lines is not None:
                self._lines.append(line.strip())
            return []
        before = self._item()
        self._lines = [line[begins.end() :].strip()]
        return before

    def _item(self) -> list[str]:
        lines, self._lines = self._lines, None
        text = "\n".join(line for line in lines or () if line)
        return [text] if text else []


class JsonReader:
    """The elements of a JSON array that is the answer, or all of the fenced block it begins with.

    Of an answer that begins with neither, the pieces come when all of it is there, read as
    :func:`flowir.runtime.values.parse` reads JSON.
    """

    def __init__(self, element: Attribute | None = None) -> None:
        self._kind = flow.ListType(flow.JsonType() if element is None else element)
        self._text = ""
        self._at = 0
        self._given = 0
        self._step: Callable[[list[Any]], bool] = self._begin

    def feed(self, text: str) -> list[Any]:
        self._text += text
        # An element is tried again only where it may have ended.
        if self._step == self._element and not _MAY_END.search(text):
            return []
        found: list[Any] = []
        while self._step(found):
            pass
        self._given += len(found)
        return found

    def close(self) -> list[Any]:
        value = parse("json", self._kind, self._text, (), "list")
        rest: list[Any] = value[self._given :]
        if self._step not in (self._behind, self._wait) or (self._step == self._behind and rest):
            raise self._wrong()
        return rest

    def _begin(self, found: list[Any]) -> bool:
        rest = self._text[_after_space(self._text, 0) :]
        if not rest or (rest.startswith("`") and "\n" not in rest):
            return False
        fence = _FENCE.match(rest)
        self._at = len(self._text) - len(rest) + (fence.end() if fence else 0)
        self._step = self._open if fence or rest[0] == "[" else self._wait
        return True

    def _wait(self, found: list[Any]) -> bool:
        return False

    def _open(self, found: list[Any]) -> bool:
        sign = self._sign()
        if sign == "[":
            self._at += 1
            self._step = self._first
        elif sign:
            self._step = self._wait
        return bool(sign)

    def _first(self, found: list[Any]) -> bool:
        sign = self._sign()
        if sign == "]":
            self._at += 1
        self._step = self._behind if sign == "]" else self._element if sign else self._first
        return bool(sign)

    def _element(self, found: list[Any]) -> bool:
        at = _after_space(self._text, self._at)
        try:
            value, end = _DECODER.raw_decode(self._text, at)
        except ValueError:
            return False
        # A number, such as 1 of 12 or of 1.5, may go on until something else follows it.
        follows = self._text[_after_space(self._text, end) :][:1]
        if end == len(self._text) or (follows and follows not in ",]"):
            return False
        if not is_of(value, self._kind.element):
            raise self._wrong()
        found.append(value)
        self._at, self._step = end, self._comma
        return True

    def _comma(self, found: list[Any]) -> bool:
        sign = self._sign()
        if sign:
            self._at += 1
            self._step = self._element if sign == "," else self._behind
        return bool(sign)

    def _behind(self, found: list[Any]) -> bool:
        rest = self._text[self._at :].strip()
        if rest and not "```".startswith(rest):
            raise self._wrong()
        return False

    def _sign(self) -> str:
        """The next sign that is no white space, if it is there."""
        self._at = _after_space(self._text, self._at)
        return self._text[self._at : self._at + 1]

    def _wrong(self) -> InterpretationError:
        return InterpretationError(
            f"the answer is no JSON of type {self._kind} and nothing else: {self._text[:200]!r}"
        )


_READERS: Mapping[Form, Callable[[], PieceReader]] = {
    "lines": LineReader,
    "numbered": NumberedReader,
    "json": JsonReader,
}


def piece_reader(form: Form) -> PieceReader:
    """A reader of one answer of a form."""
    return _READERS[form]()


def pieces_of(form: Form, text: str) -> list[Any]:
    """The pieces of a whole text.

    Raises:
        InterpretationError: it is not of this form.
    """
    reader = piece_reader(form)
    return [*reader.feed(text), *reader.close()]


def _filled(lines: Sequence[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip()]


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None
    return space.end()
