"""Where in the user's source something is called, and what it is assigned to."""

from __future__ import annotations

import ast
import linecache
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import FrameType

from xdsl.dialects.builtin import FileLineColLoc, IntAttr, LocationAttr, ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import DiagnosticException

from flowir.dialects.flow_checks import describe, module_symbols
from flowir.errors import FlowirError, WorkflowError

_HERE = str(Path(__file__).parent)
_Span = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class Place:
    """A call in the user's source; `name` is the variable it is assigned to, if there is one."""

    file: str
    line: int
    column: int
    name: str | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def location(self) -> FileLineColLoc:
        """As operations have it."""
        return FileLineColLoc(StringAttr(self.file), IntAttr(self.line), IntAttr(self.column))


def located(location: LocationAttr) -> str:
    """`file:line` of an operation's location."""
    if isinstance(location, FileLineColLoc):
        return f"{location.filename.data}:{location.line.data}"
    return "somewhere"


@contextmanager
def placed_errors(module: ModuleOp) -> Iterator[None]:
    """What is wrong with an operation or declaration of a module, with its line of Python.

    Raises:
        WorkflowError: instead of any error of verification.
        FlowirError: as it is, its place before the message where the message names one.
    """
    try:
        yield
    except DiagnosticException as error:
        op = getattr(error, "op", None)
        place = _line(op) if isinstance(op, Operation) else None
        raise WorkflowError(_placed(place, error)) from None
    except FlowirError as error:
        raise type(error)(_placed(_line_named(str(error), module), error)) from None


def _placed(place: str | None, error: Exception) -> str:
    return str(error) if place is None else f"{place}: {error}"


def _line(op: Operation) -> str | None:
    return located(op.location) if isinstance(op.location, FileLineColLoc) else None


def _line_named(message: str, module: ModuleOp) -> str | None:
    """The line of the operation that a message begins with, or of the first symbol it has."""
    for op in module.walk():
        if message.startswith(f"{describe(op)}: "):
            return _line(op)
    symbols = module_symbols(module) or {}
    for name in re.findall(r"@(\w+)", message):
        if name in symbols:
            return _line(symbols[name])
    return None


def here() -> Place:
    """The innermost call outside this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    assert frame is not None
    code = frame.f_code
    span: _Span = next(islice(code.co_positions(), frame.f_lasti // 2, None))
    source = "".join(linecache.getlines(code.co_filename, frame.f_globals))
    name = _assigned(source).get(span)
    return Place(code.co_filename, span[0] or frame.f_lineno, (span[2] or 0) + 1, name)


@lru_cache(maxsize=32)
def _assigned(source: str) -> dict[_Span, str]:
    """The variable that each call of a file is assigned to, by the span of the call."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    return {
        (call.lineno, call.end_lineno, call.col_offset, call.end_col_offset): name
        for node in ast.walk(tree)
        for name, value in _bindings(node)
        for call in _calls(value)
    }


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """(variable, expression) pairs of an assignment; `xs.append(e)` counts as one to `xs`."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield name, value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            for target, value in zip(targets, values, strict=False):
                if isinstance(target, ast.Name):
                    yield target.id, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[ast.Call() as value]
        ):
            yield name, value


def _calls(value: ast.expr) -> Iterator[ast.Call]:
    """The calls whose result is the value, or an element of it."""
    match value:
        case ast.Call():
            yield value
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            for element in elements:
                yield from _calls(element)
        case ast.ListComp(elt=element):
            yield from _calls(element)
