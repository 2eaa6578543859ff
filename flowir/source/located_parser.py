"""A parser that remembers where each operation stands, and says so when one is wrong."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from xdsl.context import Context
from xdsl.dialects.builtin import UNKNOWN_LOC, FileLineColLoc, IntAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.parser.generic_parser import ParserState
from xdsl.utils.exceptions import ParseError, UnregisteredConstructException, VerifyException
from xdsl.utils.lexer import Input, Position, Span, Token
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRToken, MLIRTokenKind, StringLiteral

from flowir.errors import nearest
from flowir.source.diagnostics import unclosed_brace
from flowir.source.wording import plainly

_INSIDE = r'(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+'


class TextLexer(MLIRLexer):
    """Reads what xDSL itself prints: text in any letters, which it takes for bytes where there is
    an escape too, and numbers such as `1e-06`, of which it reads the `1`. Where a string is not
    closed, it says so at once: xDSL's own pattern takes time exponential in what follows."""

    _unescaped_characters_regex = re.compile(f'"{_INSIDE}"')
    _fractional_suffix_regex = re.compile(r"\.[0-9]*([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+")
    _unfinished = re.compile(f'"{_INSIDE}')

    def _lex_string_literal(self, start_pos: Position) -> MLIRToken:
        if self._unescaped_characters_regex.match(self.input.content, start_pos) is None:
            self._refuse(start_pos)
        token = super()._lex_string_literal(start_pos)
        if token.kind is MLIRTokenKind.BYTES_LIT:
            literal = StringLiteral.from_span(token.span)
            with suppress(UnicodeDecodeError):
                literal.bytes_contents.decode("utf-8")
                return Token(MLIRTokenKind.STRING_LIT, literal)
        return token

    def _refuse(self, start: Position) -> NoReturn:
        good = self._unfinished.match(self.input.content, start)
        end = start if good is None else good.end()
        escape = self.input.content[end : end + 2]
        if escape.startswith("\\"):
            problem = f"unknown escape {escape}; write \\\\ for a backslash"
            raise ParseError(Span(end, end + 2, self.input), problem)
        problem = 'the string is not closed on its line; write \\n for a new line, \\" for a quote'
        raise ParseError(Span(start, end, self.input), problem)


class LocatedParser(Parser):
    """xDSL's parser, with the location of every operation that gives none itself.

    Whatever is wrong with the text is a `ParseError` with a place; xDSL's own parser raises bare
    errors for unknown operations and for attributes that do not verify.
    """

    def __init__(self, ctx: Context, text: str, name: str, first_line: int = 1) -> None:
        super().__init__(ctx, text, name)
        self._parser_state = ParserState(TextLexer(Input(text, name)))
        self._file = StringAttr(name)
        self._first_line = first_line
        self._starts = [0] + [i + 1 for i, character in enumerate(text) if character == "\n"]
        self._used: dict[str, Span] = {}
        self._made: dict[str, Span] = {}
        self._previous = self._current_token

    def parse_module(self, allow_implicit_module: bool = True) -> ModuleOp:
        try:
            return super().parse_module(allow_implicit_module)
        except ParseError as error:
            self._explain(error)
            raise

    def parse_operation(self) -> Operation:
        start = self.pos
        try:
            op = super().parse_operation()
        except UnregisteredConstructException as error:
            self._refuse_name(str(error))
        except (ValueError, VerifyException) as error:
            raise ParseError(self._previous.span, str(error)) from None
        if op.location == UNKNOWN_LOC:
            op.location = self._location(start)
        return op

    def resolve_operand(self, operand: UnresolvedOperand, type: Attribute) -> SSAValue[Any]:
        if operand.operand_name not in self.ssa_values:
            self._used.setdefault(operand.operand_name, operand.span)
        return super().resolve_operand(operand, type)

    def raise_error(
        self,
        msg: str,
        at_position: Any = None,
        end_position: Position | None = None,
    ) -> NoReturn:
        """As xDSL's; what is missing at the end of a line is missing there, not in the next."""
        token, before = self._current_token.span, self._previous.span
        if at_position in (None, token):
            if msg.endswith("is not registered"):
                self._refuse_name(msg)
            between = self.lexer.input.content[before.end : token.start]
            if "\n" in between and "expected" in msg.lower():
                at_position = Span(before.end - 1, before.end, self.lexer.input)
        if end_position is None:
            super().raise_error(msg, at_position)
        super().raise_error(msg, at_position, end_position)

    def _explain(self, error: ParseError) -> None:
        """Where xDSL only knows that something is wrong at the end: raise what is, and where.

        Raises:
            ParseError: instead of the one given.
        """
        undefined = next(iter(self.forward_ssa_references), None)
        if error.msg.startswith("values used but not defined") and undefined is not None:
            span = self._used[undefined]
            if undefined in self._made:
                line = self._location(self._made[undefined].start).line.data
                mend = f"not here: line {line} makes it in another region, which has to give it"
            else:
                known = [f"%{name}" for name in self._made]
                mend = f"nowhere made{nearest(f'%{undefined}', known)}"
            raise ParseError(span, f"%{undefined} is {mend}") from None
        content = self.lexer.input.content
        at_end = not content[error.span.start :].strip()
        if at_end and (brace := unclosed_brace(content)) is not None:
            raise ParseError(Span(brace, brace + 1, self.lexer.input), "this { is never closed")
        if error.msg == "Could not parse entire input!":
            token = self._current_token.span
            if token.text == "}":
                raise ParseError(token, "this } closes nothing; remove it") from None
            raise ParseError(token, "expected an operation, such as flow.workflow") from None

    def _register_ssa_definition(self, name: str, values: Sequence[SSAValue], span: Span) -> None:
        self._made[name] = span
        self._used.pop(name, None)
        super()._register_ssa_definition(name, values, span)

    def _consume_token(self, expected_kind: MLIRTokenKind | None = None) -> MLIRToken:
        self._previous = super()._consume_token(expected_kind)
        return self._previous

    def _refuse_name(self, problem: str) -> NoReturn:
        """The type or attribute that was read last has a name that nothing has."""
        span = self._previous.span
        known = [attr.name for dialect in self.ctx.loaded_dialects for attr in dialect.attributes]
        name = span.text.lstrip("!#")
        raise ParseError(span, f"{plainly(problem)}{nearest(name, known)}")

    def _get_op_by_name(self, name: str) -> type[Operation]:
        try:
            return super()._get_op_by_name(name)
        except ParseError:
            known = [op.name for dialect in self.ctx.loaded_dialects for op in dialect.operations]
            start = self.lexer.input.content.rfind(name, 0, self.pos)
            self.raise_error(
                f"unknown operation {name}{nearest(name, known)}", start, start + len(name)
            )

    def _location(self, position: int) -> FileLineColLoc:
        line = bisect_right(self._starts, position)
        column = position - self._starts[line - 1] + 1
        return FileLineColLoc(self._file, IntAttr(line + self._first_line - 1), IntAttr(column))
