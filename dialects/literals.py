"""Literals inside attributes: numbers and strings as a person writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from xdsl.dialects.builtin import FloatData, IntAttr, StringAttr
from xdsl.ir import Attribute
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

Literal = IntAttr | FloatData | StringAttr

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_optional_text(parser: AttrParser) -> str | None:
    r"""A string of any characters, or nothing.

    xDSL takes a literal with both an escape, such as `\n`, and a letter outside ASCII for bytes.
    """
    start = parser.pos
    if (text := parser.parse_optional_str_literal()) is not None:
        return text
    if (found := parser.parse_optional_bytes_literal()) is None:
        return None
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError as error:
        parser.raise_error(f"the string is not UTF-8 at its byte {error.start}", start)


def parse_text(parser: AttrParser, what: str) -> str:
    """A string of any characters; `what` says for the message what it is for."""
    text = parse_optional_text(parser)
    return parser.raise_error(f"string literal expected: {what}") if text is None else text


def parse_literal(parser: AttrParser) -> Literal:
    """An integer, a float or a quoted string."""
    if (text := parse_optional_text(parser)) is not None:
        return StringAttr(text)
    return literal(parser.parse_number())


def literal(value: int | float | str) -> Literal:
    """The attribute for a Python number or string."""
    if isinstance(value, str):
        return StringAttr(value)
    return FloatData(value) if isinstance(value, float) else IntAttr(int(value))


def literal_value(attribute: Literal) -> int | float | str:
    """The Python number or string of a literal."""
    return attribute.data


def print_literal(printer: Printer, attribute: Attribute) -> None:
    """Print a literal the way `parse_literal` reads it."""
    match attribute:
        case StringAttr():
            print_text(printer, attribute.data)
        case IntAttr():
            printer.print_string(str(attribute.data))
        case FloatData():
            printer.print_string(float_text(attribute.data))
        case _:
            raise VerifyException(f"expected a number or a string, got {attribute}")


def float_text(value: float) -> str:
    """The shortest decimal text that reads back as `value` and always has a fraction."""
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return mantissa + exponent + power


def print_text(printer: Printer, text: str) -> None:
    r"""Print a string literal with `\n` and `\t` readable; other control bytes as hex pairs."""
    readable = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    parts = []
    for character in text:
        if character in readable:
            parts.append(readable[character])
        elif character.isprintable():
            parts.append(character)
        else:
            parts += [f"\\{byte:02X}" for byte in character.encode()]
    printer.print_string('"' + "".join(parts) + '"', indent=0)


def parse_float(parser: AttrParser) -> FloatData:
    """A number, read as a float."""
    return FloatData(float(parser.parse_number()))


def parse_fields(
    parser: AttrParser, fields: dict[str, Callable[[], Attribute]]
) -> dict[str, Attribute]:
    """`name = value, …` in any order, each name at most once.

    Raises:
        ParseError: an unknown or repeated name; the message lists the names that are known.
    """
    found: dict[str, Attribute] = {}

    def field() -> None:
        position = parser.pos
        name = parser.parse_identifier("field name")
        if name not in fields:
            parser.raise_error(
                f"unknown field '{name}', expected one of {', '.join(fields)}", position
            )
        if name in found:
            parser.raise_error(f"field '{name}' is given twice", position)
        parser.parse_punctuation("=")
        found[name] = fields[name]()

    parser.parse_comma_separated_list(AttrParser.Delimiter.NONE, field)
    return found


def verify_names(where: str, names: Iterable[str]) -> None:
    """Names are printed bare, so they must read back as identifiers."""
    for name in names:
        if not _IDENTIFIER.fullmatch(name):
            raise VerifyException(
                f'{where}: "{name}" is no identifier; use letters, digits and _, as in top_p'
            )


def verify_finite(where: str, values: Iterable[Attribute]) -> None:
    """What is printed as a decimal number must be one."""
    for value in values:
        if isinstance(value, FloatData) and not math.isfinite(value.data):
            raise VerifyException(f"{where}: {value.data} is not a finite number")
