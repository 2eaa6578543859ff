"""What is emitted for graphs of primitives is the same program, and runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import assume, given, settings

from flowir.backends.asyncio.primitives import emit_primitives
from flowir.dialects import prim
from flowir.prim.from_ir import find_graph
from flowir.runtime.primitives.from_ir import program_of
from flowir.runtime.primitives.program import Program
from tests.budget import some
from tests.prim.graphs import graph_texts
from tests.runtime.primitives.graphs import BRANCH, MAP, RAG
from tests.runtime.primitives.pure_engines import parsed


def loaded(text: str) -> Program:
    """The program of an emitted file."""
    module = ModuleType("emitted")
    exec(compile(text, "<emitted>", "exec"), module.__dict__)
    program = module.PROGRAM
    assert isinstance(program, Program)
    return program


@pytest.mark.parametrize("text", [RAG, BRANCH, MAP], ids=["rag", "branch", "map"])
def test_an_emitted_file_is_the_same_program(text: str) -> None:
    module = parsed(text)
    assert loaded(emit_primitives(module)) == program_of(find_graph(module))


@pytest.mark.parametrize("text", [RAG, BRANCH, MAP], ids=["rag", "branch", "map"])
def test_an_emitted_file_is_as_ruff_would_have_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "emitted.py"
    file.write_text(emit_primitives(parsed(text)))
    for command in (["check", "--isolated", "--select", "E,F,I,W"], ["format", "--check"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--line-length", "100", str(file)],
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, found.stdout + file.read_text()


@settings(max_examples=some(25))
@given(graph_texts)
def test_any_graph_is_emitted_as_the_same_program(text: str) -> None:
    module = parsed(text)
    assume(isinstance(find_graph(module).result.owner, prim.PrimitiveOp))
    assert loaded(emit_primitives(module)) == program_of(find_graph(module))
