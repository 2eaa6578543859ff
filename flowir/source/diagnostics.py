"""How the command lines speak: `file:line:column: error: message`, with the line it is about."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from xdsl.utils.exceptions import MultipleSpansParseError, ParseError
from xdsl.utils.lexer import Location, Span

from flowir.errors import FlowirError
from flowir.source.wording import plainly

DEEP = 100
"""Nesting from which a recursion limit is taken to be the input's fault, not ours."""

_BRACES = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|([{}])')


class UsageError(FlowirError):
    """A command line that asks for something that does not exist or does not fit together."""


def located(
    message: str, place: Location, line: str, width: int = 1, severity: str = "error"
) -> str:
    """The message with its place and, below, the line of source with the place marked."""
    text = f"{place}: {severity}: {message}"
    if not line.strip():
        return text
    shown = line.rstrip("\r\n").replace("\t", " ")
    marks = max(1, min(width, len(shown) - place.col + 1))
    return f"{text}\n{shown}\n{' ' * (place.col - 1)}{'^' * marks}"


def describe_parse_error(error: ParseError) -> str:
    """The text for a person, of an error that knows its place."""
    parts = [_at_span(error.span, error.msg)]
    if isinstance(error, MultipleSpansParseError):
        parts += [
            _at_span(span, note or error.ref_text or "see here", "note")
            for span, note in error.refs
        ]
    return "\n".join(parts)


def _at_span(span: Span[str] | Span[bytes], message: str, severity: str = "error") -> str:
    start = span.input.get_start_of_line(span.start)
    content = span.input.content[start : span.input.get_end_of_line(span.start)]
    line = content if isinstance(content, str) else content.decode("utf-8", "replace")
    return located(plainly(message), span.get_location(), line, len(span), severity)


def unclosed_brace(source: str) -> int | None:
    """Where the innermost brace stands that is never closed, strings and comments aside."""
    opened: list[int] = []
    for match in _BRACES.finditer(source):
        if match.group(1) == "{":
            opened.append(match.start())
        elif match.group(1) == "}" and opened:
            opened.pop()
    return opened[-1] if opened else None


def nesting_depth(source: str) -> int:
    """How deep the braces of a module are nested, strings and comments aside."""
    depth = deepest = 0
    for match in _BRACES.finditer(source):
        depth += {"{": 1, "}": -1}.get(match.group(1), 0)
        deepest = max(deepest, depth)
    return deepest


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings as `warning: message` on stderr, without the line of code that gave them."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
