"""Workflows as commands are given them: textual IR, or Python, with the functions of its tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import FileLineColLoc, ModuleOp
from xdsl.ir import Operation
from xdsl.utils.exceptions import DiagnosticException, ParseError
from xdsl.utils.lexer import Location

from flowir.dialects import flow
from flowir.search.annotate import annotated_workflow, front_from_ir
from flowir.search.front import Front
from flowir.source.diagnostics import (
    DEEP,
    UsageError,
    describe_parse_error,
    located,
    nesting_depth,
)
from flowir.source.located_parser import LocatedParser
from flowir.source.python import is_python, traced
from flowir.source.wording import plainly
from flowir.universe import context


@dataclass(frozen=True)
class Given:
    """A verified module, which workflow of it is meant, and functions of tools by name.

    Attributes:
        name: None where it is for the module to say.
        tools: empty where the IR says where they are imported from.
    """

    module: ModuleOp
    name: str | None = None
    tools: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


def read_workflow(target: str, name: str | None = None) -> Given:
    """The workflow of `FILE.mlir`, `FILE.py[:WORKFLOW]` or `MODULE:WORKFLOW`.

    Raises:
        FlowirError: it is missing, or means nothing; the message has the place.
    """
    if is_python(target):
        workflow = traced(target, name)
        module = workflow.to_ir()
        return Given(module.module, workflow.name, workflow.functions())
    return Given(read_ir(target), name)


def read_module(target: str | Path) -> ModuleOp:
    """The module of a target, see :func:`read_workflow`.

    Raises:
        FlowirError: it is missing, or means nothing; the message has the place.
    """
    return read_workflow(str(target)).module


def read_front(path: str, name: str | None = None) -> tuple[ModuleOp, flow.WorkflowOp, Front]:
    """The module of a file, the workflow of it that has a front, and the front.

    Raises:
        FlowirError: the file is missing or no module, or has no front that can be used.
    """
    if is_python(path):
        raise UsageError(
            f"{path}: Python has no front; flowir compile {path} -o front.mlir writes one"
        )
    module = read_ir(path)
    workflow = annotated_workflow(module, name)
    return module, workflow, front_from_ir(workflow)


def read_ir(path: str) -> ModuleOp:
    """The verified module of a file of textual IR.

    Raises:
        UsageError: the file is missing or no module; the message has place and line.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from None
    if not text.strip():
        raise UsageError(f"{path}: empty; there is no module to read")
    try:
        module = LocatedParser(context(), text, path, 1).parse_module()
        module.verify()
    except ParseError as error:
        raise UsageError(describe_parse_error(error)) from None
    except DiagnosticException as error:
        raise UsageError(_placed(error, text)) from None
    except RecursionError:
        depth = nesting_depth(text)
        if depth < DEEP:
            raise
        raise UsageError(
            f"{path}: regions are nested {depth} deep, deeper than can be read (about 120); "
            "move inner parts into workflows of their own and call them"
        ) from None
    return module


def _placed(error: DiagnosticException, text: str) -> str:
    """The message at the operation that is wrong, where the error knows it."""
    message = plainly(str(error))
    op = getattr(error, "op", None)
    if not isinstance(op, Operation) or not isinstance(place := op.location, FileLineColLoc):
        return message
    line = place.line.data
    where = Location(place.filename.data, line, place.column.data)
    return located(message, where, text.split("\n")[line - 1])
