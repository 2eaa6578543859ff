"""A parser that remembers where each operation stands, and says so when one is wrong."""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import suppress
from typing import NoReturn

from xdsl.context import Context
from xdsl.dialects.builtin import UNKNOWN_LOC, FileLineColLoc, IntAttr, StringAttr
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.parser.generic_parser import ParserState
from xdsl.utils.exceptions import ParseError, UnregisteredConstructException, VerifyException
from xdsl.utils.lexer import Input, Position, Span, Token
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRToken, MLIRTokenKind, StringLiteral

from flowir.cli.diagnostics import nearest

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

    def parse_operation(self) -> Operation:
        start = self.pos
        try:
            op = super().parse_operation()
        except (UnregisteredConstructException, ValueError, VerifyException) as error:
            self.raise_error(str(error))
        if op.location == UNKNOWN_LOC:
            op.location = self._location(start)
        return op

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
