"""What is printed reads back as what it was."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from hypothesis import given, settings
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.parser import Parser
from xdsl.printer import Printer

from flowir.dialects.dse import Dse
from flowir.dialects.flow import Flow
from flowir.source.located_parser import LocatedParser
from tests.budget import some
from tests.dialects.modules import Sample, samples


def read(text: str, parser: Callable[[Context, str], Parser]) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Flow, Dse):
        context.load_dialect(dialect)
    return parser(context, text).parse_module()


def written(module: ModuleOp, generic: bool) -> str:
    stream = StringIO()
    Printer(stream=stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def located(context: Context, text: str) -> Parser:
    return LocatedParser(context, text, "module.mlir")


@pytest.mark.parametrize(
    ("generic", "parser"),
    # xDSL's own parser takes some strings of the generic form for bytes.
    [(False, Parser), (False, located), (True, located)],
    ids=["custom, xDSL's parser", "custom", "generic"],
)
@settings(max_examples=some(25))
@given(sample=samples())
def test_modules_read_back(
    generic: bool, parser: Callable[[Context, str], Parser], sample: Sample
) -> None:
    module = sample.module
    module.verify()
    text = written(module, generic)
    back = read(text, parser)
    back.verify()
    same = back.is_structurally_equivalent(module)
    assert same
    assert written(back, generic) == text
