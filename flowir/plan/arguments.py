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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn

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
_HALF_A_PATH = re.compile(
    rf"""[ \t\r\n]*\$(?:[0-9]{{1,9}}|\{{[0-9]{{1,9}}(?:{_PATH}\}})?){_PATH}
    \[(?:"[^"\\]*|'[^'\\]*)\Z""",
    re.VERBOSE | re.ASCII,
)
_UNCLOSED = {
    quote: re.compile(written, re.DOTALL)
    for quote, written in {
        '"': r'(?:[^"\\]+|\\.)*',
        "'": r"(?:[^'\\]+|\\.)*",
        '"""': r'(?:[^"\\]+|\\.|""?(?!"|\Z))*',
        "'''": r"(?:[^'\\]+|\\.|''?(?!'|\Z))*",
    }.items()
}
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[([0-9]+)\]|\[[\"']([^\"']*)[\"']\]", re.ASCII)
_WRITTEN = rf"\$\{{([0-9]{{1,9}})({_PATH})\}}|\$([0-9]{{1,9}})(?![\w])"
_REFERENCE = re.compile(_WRITTEN, re.ASCII)
_IN_TEXT = re.compile(rf"\$\$|{_WRITTEN}", re.ASCII)
_ESCAPE = re.compile(
    r"\\(?:([\\'\"abfnrtv\n])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_ESCAPED = {
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


def read_arguments(text: str, at: int) -> Arguments | NotRead:
    """Arguments from behind an opening bracket on, up to the one that closes it.

    What was read depends on the text up to its end only: longer texts give the same.
    """
    return ArgumentReader(at).read(text)


def read_value(text: str) -> Value | NotRead:
    """A text that is a value and nothing more."""
    found = read_arguments(f"{text})", 0)
    if isinstance(found, NotRead):
        return found
    alone = len(found.positional) == 1 and not found.named and not text.rstrip().endswith(",")
    if alone and found.end == len(text) + 1:
        return found.positional[0]
    return NotRead("other", found.end - 1, "not one value and nothing more")


def read_text(text: str) -> Value:
    """Text with the references in it. One that is all of the text is a template of one part."""
    if "$" not in text:
        return text
    if (only := _REFERENCE.fullmatch(text)) is not None:
        return Template((Reference(int(only[1] or only[3]), _steps(only[2] or ""), text),))
    parts: list[str | Reference] = []
    plain, at = "", 0
    for found in _IN_TEXT.finditer(text):
        plain += text[at : found.start()]
        at = found.end()
        task = found[1] or found[3]
        if task is None:
            plain += "$"
            continue
        if plain:
            parts.append(plain)
            plain = ""
        parts.append(Reference(int(task), _steps(found[2] or ""), found[0]))
    plain += text[at:]
    if not parts:
        return plain
    return Template((*parts, plain) if plain else (*parts,))


_Wanted = Literal["value or end", "value", "comma or end", "key or end", "colon"]
_VALUE = ("value or end", "value")
_END = ("comma or end", "value or end", "key or end")
CLOSING = {"(": ")", "[": "]", "{": "}"}
"""What closes a bracket."""


class _Bracket:
    """A bracket that is open, and what stands in it so far.

    Attributes:
        named: values with their keys, or with their parameters.
        name: key or parameter of the value that comes next.
        outermost: of the call itself.
    """

    __slots__ = ("closing", "name", "named", "outermost", "values")

    def __init__(self, closing: str, outermost: bool = False) -> None:
        self.closing = closing
        self.outermost = outermost
        self.values: list[Value] = []
        self.named: list[tuple[str, Value]] = []
        self.name: str | None = None

    def add(self, value: Value) -> None:
        if self.name is None:
            self.values.append(value)
        else:
            self.named.append((self.name, value))
            self.name = None

    def closed(self) -> Value:
        """As a value. Of two entries with one key the second stands, in the place of the first."""
        return Record((*dict(self.named).items(),)) if self.closing == "}" else (*self.values,)


class _Stop(Exception):
    def __init__(self, why: Literal["unfinished", "other"], at: int, message: str) -> None:
        super().__init__(message)
        self.reason = NotRead(why, at, message)


class ArgumentReader:
    """Reads the arguments of one call while their text grows; no token is understood twice.

    Args:
        at: where they begin, behind the opening bracket.
    """

    def __init__(self, at: int) -> None:
        self._at = at
        self._open = [_Bracket(")", outermost=True)]
        self._wanted: _Wanted = "value or end"
        self._quote = ""
        self._quoted = 0
        self._result: Arguments | NotRead | None = None

    def read(self, text: str, stop: int | None = None) -> Arguments | NotRead:
        """What the text gives so far; final, unless it is `unfinished`.

        Args:
            text: from the beginning of the line; it begins with what it was the last time.
            stop: look no further than here, behind a closing bracket: the line goes on, and what
                follows may be half a token. Without it the text ends where a line does.
        """
        if self._result is None:
            try:
                self._result = self._read(text, stop)
            except _Stop as stopped:
                if stopped.reason.why == "unfinished":
                    return stopped.reason
                self._result = stopped.reason
        return self._result

    def _read(self, text: str, stop: int | None) -> Arguments:
        """Token by token; `_at` stays behind the last one that was understood."""
        end = len(text) if stop is None else stop
        if self._quote and not self._string_ends(text, end):
            raise _Stop("unfinished", self._at, "a quote that is not closed")
        while True:
            token = _TOKEN.match(text, self._at, end)
            if token is None:
                self._no_token(text, end, stop is not None)
            kind, bracket, behind = token.lastgroup, self._open[-1], token.end()
            if kind == "mark":
                self._mark(bracket, token["mark"], token)
                if not self._open:
                    return Arguments((*bracket.values,), (*bracket.named,), behind)
            elif self._wanted == "key or end":
                self._key(bracket, token)
            elif kind == "name" and (after := self._parameter(bracket, token, text, end)):
                behind = after
            else:
                if stop is not None and text.startswith("[", behind, stop):
                    self._wait_for_path(text, stop)
                if self._wanted not in _VALUE or bracket.outermost:
                    self._may_begin(bracket, token)
                bracket.add(_LITERALS[kind or ""](token))
                self._wanted = "comma or end"
            self._at = behind

    def _mark(self, bracket: _Bracket, mark: str, token: re.Match[str]) -> None:
        wanted = self._wanted
        if mark == "," and wanted == "comma or end":
            self._wanted = "key or end" if bracket.closing == "}" else "value or end"
        elif mark == bracket.closing and wanted in _END:
            self._open.pop()
            if self._open:
                self._open[-1].add(bracket.closed())
                self._wanted = "comma or end"
        elif mark == ":" and wanted == "colon":
            self._wanted = "value"
        else:
            self._may_begin(bracket, token)
            if len(self._open) > MAX_DEPTH:
                raise _Stop("other", token.start(), f"brackets more than {MAX_DEPTH} deep")
            if mark not in CLOSING:
                raise _Stop("other", token.start(), "no value")
            self._open.append(_Bracket(CLOSING[mark]))
            self._wanted = "key or end" if mark == "{" else "value or end"

    def _key(self, bracket: _Bracket, token: re.Match[str]) -> None:
        if token.lastgroup == "string":
            bracket.name = _unquoted(token["string"])
        elif token.lastgroup in ("name", "number"):
            bracket.name = token[0].strip()
        else:
            raise _Stop("other", token.start(), "no key")
        self._wanted = "colon"

    def _parameter(self, bracket: _Bracket, name: re.Match[str], text: str, end: int) -> int | None:
        """Where the sign behind a name ends, if the name is a parameter's."""
        if self._wanted != "value or end" or not bracket.outermost:
            return None
        after = _TOKEN.match(text, name.end(), end)
        if after is None or after.lastgroup != "mark" or after["mark"] != "=":
            return None
        bracket.name, self._wanted = name["name"], "value"
        return after.end()

    def _may_begin(self, bracket: _Bracket, token: re.Match[str]) -> None:
        """Whether a value may begin here."""
        if self._wanted not in _VALUE:
            wanted = {"key or end": "key", "colon": "':'"}.get(self._wanted, f"{bracket.closing!r}")
            raise _Stop("other", token.start(), f"no {wanted}")
        self._may_be_nameless(bracket, token.start())

    def _may_be_nameless(self, bracket: _Bracket, at: int) -> None:
        if bracket.outermost and bracket.named and bracket.name is None:
            raise _Stop("other", at, "an argument without a name after one with a name")

    def _no_token(self, text: str, end: int, goes_on: bool) -> NoReturn:
        blank = _BLANK.match(text, self._at, end)
        assert blank is not None
        at = blank.end()
        if at == end:
            raise _Stop("unfinished", at, "the line ends before the closing bracket")
        if self._wanted == "value or end":
            self._may_be_nameless(self._open[-1], at)
        if (quote := text[at]) in "\"'":
            self._quote = quote * 3 if text.startswith(quote * 3, at, end) else quote
            self._quoted = at + len(self._quote)
            raise _Stop("unfinished", at, "a quote that is not closed")
        if goes_on:
            self._wait_for_path(text, end)
        raise _Stop("other", at, "no value")

    def _string_ends(self, text: str, end: int) -> bool:
        """Whether an open string is closed by now; what was looked at is not looked at again."""
        inside = _UNCLOSED[self._quote].match(text, self._quoted, end)
        assert inside is not None
        self._quoted = inside.end()
        if text.startswith(self._quote, self._quoted, end):
            self._quote = ""
        return not self._quote

    def _wait_for_path(self, text: str, end: int) -> None:
        if _HALF_A_PATH.match(text, self._at, end):
            raise _Stop("unfinished", self._at, "a reference that is not closed")


def _string(token: re.Match[str]) -> Value:
    return read_text(_unquoted(token["string"]))


def _number(token: re.Match[str]) -> int | float:
    written = token["number"]
    if len(written) > MAX_DIGITS:
        raise _Stop("other", token.start(), f"a number of more than {MAX_DIGITS} digits")
    if written.lstrip("+-").isdigit():
        return int(written)
    number = float(written)
    if number in (float("inf"), float("-inf")):
        raise _Stop("other", token.start(), "a number too large")
    return number


def _plain(token: re.Match[str]) -> Reference:
    return Reference(int(token["task"]), _steps(token["path"]), token[0].lstrip())


def _braced(token: re.Match[str]) -> Reference:
    path = _steps(token["path_"]) + _steps(token["path__"])
    return Reference(int(token["task_"]), path, token[0].lstrip())


def _word(token: re.Match[str]) -> Value:
    if token["name"] not in _WORDS:
        raise _Stop("other", token.start(), "no value")
    return _WORDS[token["name"]]


_LITERALS: Mapping[str, Callable[[re.Match[str]], Value]] = {
    "string": _string, "number": _number, "path": _plain, "path__": _braced, "name": _word,
}  # fmt: skip
"""What a token says, by the last group of the token's pattern that it matches."""


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
        return _ESCAPED[found[1]]
    code = int(found[2] or found[3] or found[4], 16)
    # A lone half of a surrogate pair, or no code point at all, stays as it is written.
    return found[0] if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
