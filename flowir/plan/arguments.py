"""Arguments as planners write them: Python's literals and JSON's, references, and bare text.

    arguments := [argument ("," argument)* [","]] ")"
    argument  := [NAME "="] value
    value     := string | number | True | False | None | true | false | null | reference
               | "[" values "]" | "(" values ")" | "{" key ":" value, … "}"
    reference := "$" INT path | "${" INT path "}"
    path      := ("." NAME | "[" INT "]" | "[" string "]")*

In text, quoted or bare, `$1` and `${1.price}` are references and `$$` is a dollar sign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from flowir.plan.values import Record, Reference, Step, Template, Value

MAX_DEPTH = 64
MAX_DIGITS = 300

_PATH = r"(?:\.[A-Za-z_]\w*|\[[0-9]{1,9}\]|\[\"[^\"\\]*\"\]|\['[^'\\]*'\])*"
_TOKEN = re.compile(
    rf"""[ \t\r\n]*(?:
      (?P<string>\"\"\"(?:[^"\\]|\\.|"(?!\"\"))*\"\"\"|'''(?:[^'\\]|\\.|'(?!''))*'''
        |"(?!\"\")[^"\\]*(?:\\.[^"\\]*)*"|'(?!'')[^'\\]*(?:\\.[^'\\]*)*'|""(?!")|''(?!'))
    | (?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?![\w.])
    | \$(?P<task>[0-9]{{1,9}})(?P<path>{_PATH})
    | \$\{{(?P<task_>[0-9]{{1,9}})(?P<path_>{_PATH})\}}(?P<path__>{_PATH})
    | (?P<name>[A-Za-z_]\w*)
    | (?P<mark>[()\[\]{{}},:=])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_BLANK = re.compile(r"[ \t\r\n]*")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[([0-9]+)\]|\[[\"']([^\"']*)[\"']\]", re.ASCII)
_IN_TEXT = re.compile(rf"\$\$|\$\{{([0-9]{{1,9}})({_PATH})\}}|\$([0-9]{{1,9}})(?![\w])", re.ASCII)
_ESCAPE = re.compile(
    r"\\(?:([\\'\"abfnrtv\n])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_PLAIN = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\n": "", "\\": "\\", "'": "'", '"': '"',
}  # fmt: skip
_WORDS: dict[str, Value] = {
    "True": True, "False": False, "None": None, "true": True, "false": False, "null": None,
}  # fmt: skip


@dataclass(frozen=True)
class Arguments:
    """Arguments that were read, and where their closing bracket ends."""

    positional: tuple[Value, ...]
    named: tuple[tuple[str, Value], ...]
    end: int


@dataclass(frozen=True)
class NotRead:
    """Where and why reading stopped: at the end of the text, or at what is no literal."""

    why: Literal["unfinished", "other"]
    at: int
    message: str


class _Stop(Exception):
    def __init__(self, reason: NotRead) -> None:
        self.reason = reason


def read_arguments(text: str, at: int) -> Arguments | NotRead:
    """Arguments from behind an opening bracket on, up to the one that closes it.

    What was read depends on the text up to its end only: longer texts give the same.
    """
    reader = _Reader(text, at)
    try:
        return reader.arguments()
    except _Stop as stop:
        return stop.reason


def read_value(text: str) -> Value | NotRead:
    """A text that is a value and nothing more."""
    reader = _Reader(text, 0)
    try:
        value = reader.value(0)
    except _Stop as stop:
        return stop.reason
    end = _BLANK.match(text, reader.at)
    assert end is not None
    return value if end.end() == len(text) else NotRead("other", reader.at, "text after a value")


def read_text(text: str) -> Value:
    """Text with the references in it. One that is all of the text is a template of one part."""
    if "$" not in text:
        return text
    parts: list[str | Reference] = []
    at = 0

    def add(piece: str) -> None:
        if piece and parts and isinstance(parts[-1], str):
            parts[-1] += piece
        elif piece:
            parts.append(piece)

    for found in _IN_TEXT.finditer(text):
        add(text[at : found.start()])
        at = found.end()
        if found[0] == "$$":
            add("$")
        else:
            parts.append(Reference(int(found[1] or found[3]), _steps(found[2] or ""), found[0]))
    add(text[at:])
    if any(isinstance(part, Reference) for part in parts):
        return Template(tuple(parts))
    return str(parts[0]) if parts else ""


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self._ahead: re.Match[str] | None = None
        self._ahead_at = -1

    def _peek(self) -> re.Match[str] | None:
        """The next token, looked for once."""
        if self._ahead_at != self.at:
            self._ahead, self._ahead_at = _TOKEN.match(self.text, self.at), self.at
        return self._ahead

    def arguments(self) -> Arguments:
        positional: list[Value] = []
        named: list[tuple[str, Value]] = []
        while not self._skip(")"):
            if (name := self._keyword()) is not None:
                named.append((name, self.value(0)))
            elif named:
                raise self._stop("an argument without a name after one with a name")
            else:
                positional.append(self.value(0))
            if not self._skip(","):
                self._want(")")
                break
        return Arguments(tuple(positional), tuple(named), self.at)

    def value(self, depth: int) -> Value:
        token = self._token()
        match token.lastgroup:
            case "string":
                return read_text(_unquoted(token["string"]))
            case "number":
                return self._number(token)
            case "path":
                return Reference(int(token["task"]), _steps(token["path"]), token[0].strip())
            case "path__":
                path = _steps(token["path_"]) + _steps(token["path__"])
                return Reference(int(token["task_"]), path, token[0].strip())
            case "name" if token["name"] in _WORDS:
                return _WORDS[token["name"]]
            case "mark" if depth >= MAX_DEPTH:
                raise self._stop(f"brackets more than {MAX_DEPTH} deep", token)
            case "mark" if token["mark"] == "[":
                return self._values("]", depth + 1)
            case "mark" if token["mark"] == "(":
                return self._values(")", depth + 1)
            case "mark" if token["mark"] == "{":
                return self._record(depth + 1)
            case _:
                raise self._stop("no value", token)

    def _values(self, closing: str, depth: int) -> tuple[Value, ...]:
        found: list[Value] = []
        while not self._skip(closing):
            found.append(self.value(depth))
            if not self._skip(","):
                self._want(closing)
                break
        return tuple(found)

    def _record(self, depth: int) -> Record:
        found: dict[str, Value] = {}
        while not self._skip("}"):
            key = self._token()
            if key.lastgroup == "string":
                name = _unquoted(key["string"])
            elif key.lastgroup in ("name", "number"):
                name = key[0].strip()
            else:
                raise self._stop("no key", key)
            self._want(":")
            found[name] = self.value(depth)
            if not self._skip(","):
                self._want("}")
                break
        return Record(tuple(found.items()))

    def _number(self, token: re.Match[str]) -> int | float:
        written = token["number"]
        if len(written) > MAX_DIGITS:
            raise self._stop(f"a number of more than {MAX_DIGITS} digits", token)
        number = float(written)
        if re.fullmatch(r"[-+]?[0-9]+", written):
            return int(written)
        if number in (float("inf"), float("-inf")):
            raise self._stop("a number too large", token)
        return number

    def _keyword(self) -> str | None:
        """The name before an equals sign, if that is what comes next."""
        token = self._peek()
        if token is None or token.lastgroup != "name":
            return None
        after = _TOKEN.match(self.text, token.end())
        if after is None or after.lastgroup != "mark" or after["mark"] != "=":
            return None
        self.at = after.end()
        return token["name"]

    def _token(self) -> re.Match[str]:
        token = self._peek()
        if token is None:
            blank = _BLANK.match(self.text, self.at)
            assert blank is not None
            at = blank.end()
            rest = self.text[at : at + 1]
            if not rest:
                raise _Stop(NotRead("unfinished", at, "the line ends before the closing bracket"))
            if rest in "\"'":
                raise _Stop(NotRead("unfinished", at, "a quote that is not closed"))
            raise _Stop(NotRead("other", at, "no value"))
        self.at = token.end()
        return token

    def _skip(self, mark: str) -> bool:
        token = self._peek()
        if token is None or token.lastgroup != "mark" or token["mark"] != mark:
            return False
        self.at = token.end()
        return True

    def _want(self, mark: str) -> None:
        token = self._token()
        if token.lastgroup != "mark" or token["mark"] != mark:
            raise self._stop(f"no {mark!r}", token)

    def _stop(self, message: str, token: re.Match[str] | None = None) -> _Stop:
        return _Stop(NotRead("other", self.at if token is None else token.start(), message))


def _steps(path: str) -> tuple[Step, ...]:
    if not path:
        return ()
    return tuple(
        int(found[2]) if found[2] is not None else found[1] if found[1] is not None else found[3]
        for found in _STEP.finditer(path)
    )


def _unquoted(written: str) -> str:
    width = 3 if len(written) >= 6 and written[:3] in ('"""', "'''") else 1
    inside = written[width:-width]
    return _ESCAPE.sub(_character, inside) if "\\" in inside else inside


def _character(found: re.Match[str]) -> str:
    if found[1] is not None:
        return _PLAIN[found[1]]
    code = int(found[2] or found[3] or found[4], 16)
    # A lone half of a surrogate pair, or no code point at all, stays as it is written.
    return found[0] if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
