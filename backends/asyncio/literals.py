"""Python literals that a person would write."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowir.backends.asyncio.layout import INDENT, WIDTH, Expression, Group, collection, prefixed

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quoted(text: str) -> str:
    """A literal on one line, in the quotes that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_escaped(c, quote) for c in text) + quote


def _escaped(character: str, quote: str = "") -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character == quote:
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def assigned(name: str, text: str) -> list[str]:
    """`name = text`, on one line, in parentheses or in triple quotes, whatever reads best."""
    if "\n" in text.rstrip("\n") or (text.endswith("\n") and len(text) > 1):
        return [f'{name} = """\\', *_block(text)]
    whole = f"{name} = {quoted(text)}"
    if len(whole) <= WIDTH:
        return [whole]
    pieces = [INDENT + quoted(piece) for piece in _wrapped(text, WIDTH - len(INDENT))]
    if len(pieces) == 1 and len(pieces[0]) > WIDTH:
        return [whole]
    return [f"{name} = (", *pieces, ")"]


def _wrapped(text: str, width: int) -> list[str]:
    """Pieces that together are the text, broken behind spaces where the literals get too long."""
    pieces: list[str] = [""]
    for word in re.findall(r"[^ ]* |[^ ]+\Z", text):
        if pieces[-1] and len(quoted(pieces[-1] + word)) > width:
            pieces.append("")
        pieces[-1] += word
    return pieces


def _block(text: str) -> list[str]:
    """The lines of a triple-quoted literal after its opening, with its closing."""
    *rest, last = text.split("\n")
    # Three quotes would end the literal, and so would any right before its end.
    escaped = [_quotes(line, r'"{3,}') for line in rest] + [_quotes(last, r'"{3,}|"+\Z')]
    found = [part for line in escaped for part in _continued(line)]
    return [*found[:-1], found[-1] + '"""']


def _quotes(line: str, pattern: str) -> str:
    """A line of a triple-quoted literal; quotes that match the pattern are escaped."""
    text = "".join(_escaped(c) for c in line)
    text = re.sub(r" \Z", r"\\x20", text)  # Editors strip spaces at the end of a line.
    return re.sub(pattern, lambda found: '\\"' * len(found.group()), text)


def _continued(line: str) -> list[str]:
    """A long line, broken behind spaces by backslashes."""
    found = [""]
    for word in re.findall(r"[^ ]* |[^ ]+\Z", line):
        if found[-1] and len(found[-1] + word) >= WIDTH:
            found.append("")
        found[-1] += word
    return [*(part + "\\" for part in found[:-1]), found[-1]]


def docstring(text: str, depth: int = 0) -> list[str]:
    """A docstring of one line, whatever the text holds."""
    words = "".join(_escaped(c) for c in " ".join(text.split()))
    return [INDENT * depth + '"""' + words.replace('"', '\\"') + '"""']


def escaped_lines(text: Sequence[str]) -> list[str]:
    """A docstring of several lines, whatever they hold."""
    safe = ["".join(map(_escaped, line)).replace('"""', '\\"\\"\\"').rstrip() for line in text]
    return ['"""' + safe[0], *safe[1:], '"""']


def expression(value: object) -> Expression:
    """A number, a text, None, or a list or dict of such, as an expression."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return collection(
            [prefixed(f"{quoted(key)}: ", expression(item)) for key, item in value.items()], "{}"
        )
    if isinstance(value, list | tuple):
        brackets = "[]" if isinstance(value, list) else "()"
        return collection([expression(item) for item in value], brackets)
    return repr(value)


def keyword_arguments(opening: str, arguments: dict[str, Expression | None]) -> Group:
    """A call with keyword arguments; those that are None are left out."""
    return Group(
        opening,
        tuple(prefixed(f"{k}=", v) for k, v in arguments.items() if v is not None),
    )
