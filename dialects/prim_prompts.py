"""Primitives of language models: prompts are prefilled, answers decoded, each whole or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr, SymbolRefAttr, UnitAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def, result_def, traits_def
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer

from flowir.dialects import flow_syntax as syntax
from flowir.dialects.dse import ConfigAttr
from flowir.dialects.literals import parse_optional_text, parse_text, print_text
from flowir.dialects.prim_ops import PrimitiveOp
from flowir.dialects.prim_syntax import parse_rest, print_rest
from flowir.dialects.prim_traits import AllocatesResults, Batchable, Streams
from flowir.dialects.prim_types import PieceAttr, StreamType


class PrefillOp(PrimitiveOp):
    """Reads pieces of a prompt into a KV cache."""

    callee = prop_def(SymbolRefAttr)
    config = opt_prop_def(ConfigAttr)
    prompt = prop_def(ArrayAttr[PieceAttr])
    output = result_def()

    traits = traits_def(Batchable(), AllocatesResults())

    @property
    def shown(self) -> Sequence[SSAValue]:
        """The operands that pieces show, by place."""
        return self.inputs[self.first_shown :]

    @property
    def first_shown(self) -> int:
        """Which of the inputs is the first that a piece shows."""
        return 0

    @property
    def continued(self) -> SSAValue | None:
        """The KV cache that it continues."""
        return self.inputs[0] if self.first_shown else None

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        callee = syntax.parse_symbol(parser)
        operands: list[UnresolvedOperand] = []
        if cls is FullPrefillingOp:
            operands += syntax.parse_operands(parser)
        first = len(operands)

        def piece() -> PieceAttr:
            role = "system" if parser.parse_optional_keyword("system") else "user"
            content: StringAttr | IntAttr
            if (literal := parse_optional_text(parser)) is not None:
                content = StringAttr(literal)
            else:
                content = IntAttr(len(operands) - first)
                operands.append(parser.parse_unresolved_operand())
            return PieceAttr.new([StringAttr(role), content, *PieceAttr.parse_marks(parser)])

        pieces = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, piece)
        properties: syntax.Properties = {"callee": callee, "prompt": ArrayAttr(pieces)}
        syntax.parse_clauses(parser, properties, "config")
        return parse_rest(cls, parser, operands, properties)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        syntax.print_symbol(printer, self.callee)
        if self.first_shown:
            syntax.print_operands(printer, self.inputs[: self.first_shown])

        def piece(one: PieceAttr) -> None:
            if one.role.data == "system":
                printer.print_string("system ")
            if isinstance(one.content, IntAttr):
                printer.print_ssa_value(self.shown[one.content.data])
            else:
                print_text(printer, one.content.data)
            printer.print_string(one.marks)

        printer.print_string("[")
        printer.print_list(self.prompt.data, piece)
        printer.print_string("]")
        _print_config(printer, self)
        print_rest(printer, self)


@irdl_op_definition
class PrefillingOp(PrefillOp):
    """Reads a whole prompt into a new KV cache.

    %kv = prim.prefilling @answer["Answer ", %q tokens 12, " from ", %c tokens 600 late]
        engine "llm" work <input = 620> : (!flow.text, !prim.chunks) -> !prim.kv
    """

    name = "prim.prefilling"


@irdl_op_definition
class PartialPrefillingOp(PrefillOp):
    """Reads the beginning of a prompt into a new KV cache, before the rest is known.

    %early = prim.partial_prefilling @answer["Answer ", %q tokens 12] engine "llm"
        work <input = 15> : (!flow.text) -> !prim.kv
    """

    name = "prim.partial_prefilling"


@irdl_op_definition
class FullPrefillingOp(PrefillOp):
    """Reads the rest of a prompt whose beginning is in a KV cache.

    %kv = prim.full_prefilling @answer(%early)[" from ", %c tokens 600 late] engine "llm"
        work <input = 605, context = 15> : (!prim.kv, !prim.chunks) -> !prim.kv
    """

    name = "prim.full_prefilling"

    @property
    def first_shown(self) -> int:
        return 1


class DecodeOp(PrimitiveOp):
    """Writes an answer, and reads it as the agent declares.

    `labels` are the words that the answer is held against, where the agent gives a label; `raw`
    says that the answer is wanted as it was written, as those of critics and selectors are.
    """

    callee = prop_def(SymbolRefAttr)
    config = opt_prop_def(ConfigAttr)
    labels = opt_prop_def(ArrayAttr[StringAttr])
    raw = opt_prop_def(UnitAttr)
    output = result_def()

    traits = traits_def(Batchable(), Streams(), AllocatesResults())

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        properties: syntax.Properties = {"callee": syntax.parse_symbol(parser)}
        operands = syntax.parse_operands(parser)
        if parser.parse_optional_keyword("labels"):
            words = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, lambda: StringAttr(parse_text(parser, "a label"))
            )
            properties["labels"] = ArrayAttr(words)
        if parser.parse_optional_keyword("raw"):
            properties["raw"] = UnitAttr()
        syntax.parse_clauses(parser, properties, "config")
        return parse_rest(cls, parser, operands, properties)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        syntax.print_symbol(printer, self.callee)
        syntax.print_operands(printer, self.inputs)
        if self.labels is not None:
            printer.print_string(" labels [")
            printer.print_list(self.labels.data, lambda word: print_text(printer, word.data))
            printer.print_string("]")
        if self.raw is not None:
            printer.print_string(" raw")
        _print_config(printer, self)
        print_rest(printer, self)


@irdl_op_definition
class DecodingOp(DecodeOp):
    """Writes a whole answer.

    %a = prim.decoding @answer(%kv) engine "llm" work <output = 30, context = 620>
        : (!prim.kv) -> !flow.text
    """

    name = "prim.decoding"


@irdl_op_definition
class PartialDecodingOp(DecodeOp):
    """Writes one more part of an answer that is a list: the list of the items of that part.

    The first part begins from a KV cache, every other goes on from the part before.

        %q1, %s1 = prim.partial_decoding @expand(%kv) part 1 of 3 engine "llm"
            : (!prim.kv) -> (!flow.list<!flow.text>, !prim.stream)
    """

    name = "prim.partial_decoding"

    output = result_def()
    rest = result_def(StreamType)


def _print_config(printer: Printer, op: PrefillOp | DecodeOp) -> None:
    if op.config is not None:
        printer.print_string(" config ")
        op.config.print_parameters(printer)
