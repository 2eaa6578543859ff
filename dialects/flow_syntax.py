"""Pieces of custom assembly that several `flow` ops share."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

from xdsl.dialects.builtin import IntAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer

from flowir.dialects.dse import ConfigAttr, SpaceAttr
from flowir.dialects.literals import parse_text, print_text

Properties = dict[str, Attribute]


def parse_symbol(parser: Parser) -> SymbolRefAttr:
    """`@name`"""
    return SymbolRefAttr(parser.parse_symbol_name())


def print_symbol(printer: Printer, symbol: SymbolRefAttr) -> None:
    """`@name`"""
    printer.print_symbol_name(symbol.root_reference.data)


def parse_clauses(parser: Parser, properties: Properties, *allowed: str) -> None:
    """`at "site"`, `as "group"`, `space <…>`, `config <…>`: each optional, in any order."""
    readers: dict[str, tuple[str, Callable[[], Attribute]]] = {
        "site": ("at", lambda: StringAttr(parse_text(parser, "site name after `at`"))),
        "group": ("as", lambda: StringAttr(parse_text(parser, "decision group after `as`"))),
        "space": ("space", lambda: SpaceAttr.new(SpaceAttr.parse_parameters(parser))),
        "config": ("config", lambda: ConfigAttr.new(ConfigAttr.parse_parameters(parser))),
    }
    missing = list(allowed)
    while (name := _next_clause(parser, {readers[name][0]: name for name in missing})) is not None:
        properties[name] = readers[name][1]()
        missing.remove(name)


def _next_clause(parser: Parser, names: Mapping[str, str]) -> str | None:
    for keyword, name in names.items():
        if parser.parse_optional_keyword(keyword):
            return name
    return None


def print_clauses(printer: Printer, op: Operation) -> None:
    """The inverse of `parse_clauses`, in one order."""
    for keyword, name in (("at", "site"), ("as", "group")):
        if isinstance(value := op.properties.get(name), StringAttr):
            printer.print_string(f" {keyword} ")
            print_text(printer, value.data)
    for name in ("space", "config"):
        if isinstance(value := op.properties.get(name), SpaceAttr | ConfigAttr):
            printer.print_string(f" {name} ")
            value.print_parameters(printer)


def parse_attributes(parser: Parser) -> dict[str, Attribute]:
    """`attributes {…}`, optional."""
    attributes = parser.parse_optional_attr_dict_with_keyword()
    return {} if attributes is None else dict(attributes.data)


def parse_operands(parser: Parser) -> list[UnresolvedOperand]:
    """`(%a, %b)`"""
    return parser.parse_comma_separated_list(
        Parser.Delimiter.PAREN, parser.parse_unresolved_operand
    )


def print_operands(printer: Printer, operands: Sequence[SSAValue]) -> None:
    """`(%a, %b)`"""
    with printer.in_parens():
        printer.print_list(operands, printer.print_ssa_value)


def parse_marked_operands(parser: Parser, mark: str) -> tuple[list[UnresolvedOperand], list[int]]:
    """`(%a, mark %b)`: the operands, and the indices of those marked."""
    marked: list[bool] = []

    def operand() -> UnresolvedOperand:
        marked.append(parser.parse_optional_keyword(mark) is not None)
        return parser.parse_unresolved_operand()

    operands = parser.parse_comma_separated_list(Parser.Delimiter.PAREN, operand)
    return operands, [index for index, found in enumerate(marked) if found]


def print_marked_operands(
    printer: Printer, operands: Sequence[SSAValue], mark: str, marked: Container[int]
) -> None:
    """The inverse of `parse_marked_operands`."""

    def operand(item: tuple[int, SSAValue]) -> None:
        if item[0] in marked:
            printer.print_string(f"{mark} ")
        printer.print_ssa_value(item[1])

    with printer.in_parens():
        printer.print_list(list(enumerate(operands)), operand)


def parse_optional_typed_operands(parser: Parser) -> list[SSAValue]:
    """`(%a, %b : !t, !u)`, or nothing."""
    if parser.parse_optional_punctuation("(") is None:
        return []
    start = parser.pos
    operands = parser.parse_comma_separated_list(
        Parser.Delimiter.NONE, parser.parse_unresolved_operand
    )
    parser.parse_punctuation(":")
    types = parser.parse_comma_separated_list(Parser.Delimiter.NONE, parser.parse_type)
    parser.parse_punctuation(")")
    return list(parser.resolve_operands(operands, types, start))


def print_optional_typed_operands(printer: Printer, operands: Sequence[SSAValue]) -> None:
    """The inverse of `parse_optional_typed_operands`."""
    if not operands:
        return
    with printer.in_parens():
        printer.print_list(operands, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_list([operand.type for operand in operands], printer.print_attribute)


def parse_optional_count(parser: Parser, keyword: str) -> IntAttr | None:
    """`keyword N`, or nothing."""
    if parser.parse_optional_keyword(keyword) is None:
        return None
    return IntAttr(parser.parse_integer(allow_boolean=False))


def print_region(printer: Printer, region: Region) -> None:
    """A region without the arguments of its entry block: its op prints those."""
    printer.print_region(region, print_entry_block_args=False, print_empty_block=False)
