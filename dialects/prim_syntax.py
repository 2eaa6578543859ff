"""Custom assembly that all primitives share.

%r = prim.NAME HEAD part 1 of 2 at "site" engine "e" work <…> if %g after(%x : !t) spare
    : (types) -> type
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from xdsl.dialects.builtin import FloatData, FunctionType, StringAttr, UnitAttr
from xdsl.ir import Attribute
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer

from flowir.dialects import flow_syntax as syntax
from flowir.dialects.literals import parse_float, parse_text, print_text
from flowir.dialects.prim_types import PartAttr, WorkAttr, guard, number_text

if TYPE_CHECKING:
    from flowir.dialects.prim_ops import PrimitiveOp

    _OpT = TypeVar("_OpT", bound=PrimitiveOp)


def parse_clauses(parser: Parser) -> syntax.Properties:
    """`part 1 of 2 at "site" engine "e" work <…> waste 0.2`: each optional, in this order."""
    properties: syntax.Properties = {}
    if parser.parse_optional_keyword("part"):
        properties["part"] = PartAttr.new(PartAttr.parse_words(parser))
    for word, name in (("at", "site"), ("engine", "engine")):
        if parser.parse_optional_keyword(word):
            properties[name] = StringAttr(parse_text(parser, f"name after `{word}`"))
    if parser.parse_optional_keyword("work"):
        properties["work"] = WorkAttr.new(WorkAttr.parse_parameters(parser))
    if parser.parse_optional_keyword("waste"):
        properties["waste"] = parse_float(parser)
    return properties


def parse_rest(
    kind: type[_OpT],
    parser: Parser,
    operands: list[UnresolvedOperand],
    properties: Mapping[str, Attribute],
) -> _OpT:
    """What follows the head of a primitive, whose inputs are not yet resolved."""
    start = parser.pos
    found = {**properties, **parse_clauses(parser)}
    guards = []
    if parser.parse_optional_keyword("if"):
        guards = [parser.resolve_operand(parser.parse_unresolved_operand(), guard)]
    after = []
    if parser.parse_optional_keyword("after"):
        after = syntax.parse_optional_typed_operands(parser)
    if parser.parse_optional_keyword("spare"):
        found["spare"] = UnitAttr()
    attributes = syntax.parse_attributes(parser)
    parser.parse_punctuation(":")
    function = parser.parse_attribute()
    if not isinstance(function, FunctionType):
        parser.raise_error(f"{kind.name}: expected a type such as (!flow.text) -> !prim.kv", start)
    if len(function.inputs) != len(operands):
        parser.raise_error(
            f"{kind.name}: {len(operands)} inputs, but types of {len(function.inputs)}", start
        )
    return kind.build(
        operands=[
            parser.resolve_operands(operands, function.inputs.data, start),
            guards,
            after,
        ],
        result_types=[function.outputs.data]
        if kind.VARIED_RESULTS
        else [[each] for each in function.outputs.data],
        properties=found,
        attributes=attributes,
    )


def print_rest(printer: Printer, op: PrimitiveOp) -> None:
    """The inverse of `parse_rest`."""
    if op.part is not None:
        printer.print_string(f" part {op.part.words}")
    for word, name in (("at", op.site), ("engine", op.engine)):
        if name is not None:
            printer.print_string(f" {word} ")
            print_text(printer, name.data)
    if op.work is not None:
        printer.print_string(" work ")
        op.work.print_parameters(printer)
    if isinstance(op.waste, FloatData):
        printer.print_string(f" waste {number_text(op.waste.data)}")
    if op.guard is not None:
        printer.print_string(" if ")
        printer.print_ssa_value(op.guard)
    if op.after:
        printer.print_string(" after")
        syntax.print_optional_typed_operands(printer, op.after)
    if op.spare is not None:
        printer.print_string(" spare")
    printer.print_op_attributes(op.attributes, print_keyword=True)
    printer.print_string(" : ")
    printer.print_attribute(
        FunctionType.from_lists(
            [value.type for value in op.inputs], [result.type for result in op.results]
        )
    )
