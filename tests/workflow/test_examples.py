"""The shipped examples in Python trace to the IR of their .mlir files, up to names."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files

import pytest
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from flowir.calculus.from_ir import find_workflow
from flowir.search.annotate import workflow_hash
from tests.strategies_ir import parse


def unnamed_hash(module: Operation) -> str:
    """The hash of the entry and all it calls, sites forgotten."""
    copy = module.clone()
    for op in copy.walk():
        if isinstance(op.properties.get("site"), StringAttr):
            del op.properties["site"]
    return workflow_hash(find_workflow(copy))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("code_repair", "code_repair"),
        ("flowcompile", "math"),
        ("flowcompile", "hotpotqa"),
        ("flowcompile", "livecodebench"),
    ],
)
def test_an_example_in_python_is_its_text(folder, name):
    text = (files("flowir.examples") / folder / f"{name}.mlir").read_text()
    python = import_module(f"flowir.examples.{name}_workflow")
    traced = getattr(python, name).to_ir().module
    assert unnamed_hash(traced) == unnamed_hash(parse(text))
