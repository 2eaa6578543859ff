"""Where in the user's source something is called, and what it is assigned to."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import FrameType

from xdsl.dialects.builtin import FileLineColLoc, IntAttr, LocationAttr, StringAttr
from xdsl.utils.exceptions import DiagnosticException

from flowir.errors import WorkflowError

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
def placed_errors() -> Iterator[None]:
    """What is wrong with an operation, as an error that names its line of Python.

    Raises:
        WorkflowError: instead of any error of verification.
    """
    try:
        yield
    except DiagnosticException as error:
        place = getattr(getattr(error, "op", None), "location", None)
        line = f"{located(place)}: " if isinstance(place, FileLineColLoc) else ""
        raise WorkflowError(f"{line}{error}") from None


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
