"""`flowir import langgraph`: files are written whole or not at all; mistakes are one message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = "from typing import TypedDict\nfrom langgraph.graph import END, START, StateGraph\n"
GOOD = HEAD + (
    "class State(TypedDict):\n    text: str\n    out: str\n"
    "def upper(state: State):\n    return {'out': state['text'].upper()}\n"
    "print('said on import')\n"
    "builder = StateGraph(State)\nbuilder.add_node(upper)\nbuilder.add_edge(START, 'upper')\n"
    "graph = builder.compile()\n"
)


def flowir(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flowir.cli.main", "import", "langgraph", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_a_file_is_imported_and_what_is_written_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    done = flowir(tmp_path, "mine.py:graph", "-o", "wf.mlir")
    assert done.returncode == 0, done.stderr
    assert "said on import" not in done.stdout
    for command in (
        ["-m", "flowir.cli.opt", "wf.mlir", "-t", "asyncio", "-o", "out.py"],
        ["-c", "import asyncio, out; print(asyncio.run(out.run({'text': 'abc'}, llm=None)).value)"],
    ):
        last = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert last.returncode == 0, last.stderr
    assert last.stdout.split()[-1] == "ABC"


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("x = 1\nraise ValueError('broken')\n", "mine.py:graph", "mine.py:2: ValueError: broken"),
        ("import nowhere_to_be_found\n", "mine.py:graph", "nowhere_to_be_found"),
        ("import sys\nsys.exit(3)\n", "mine.py:graph", "SystemExit"),
        ("import os\nos._exit(3)\n", "mine.py:graph", "exit code 3"),
        ("def (\n", "mine.py:graph", "SyntaxError"),
        ("import time\ntime.sleep(1000)\n", "mine.py:graph", "more than 6 s"),
        (GOOD, "mine.py:grap", "it has the graphs graph"),
        (GOOD, "mine.py:upper", "not a compiled"),
        (GOOD, "mine.py:builder", "not compiled"),
        (GOOD, "other.py:graph", "no file other.py"),
        (GOOD, "no_such_module:graph", "no_such_module"),
        (GOOD, "mine.py", "names no graph"),
        (
            GOOD.replace("upper)", "'u', lambda s: {'out': ''})").replace("'upper'", "'u'"),
            "mine.py:graph",
            "lambda",
        ),
    ],
)
def test_mistakes_are_one_message_and_nothing_is_written(
    source: str, target: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(source)
    done = flowir(tmp_path, target, "-o", "wf.mlir", "--time-limit", "6")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"mine.py", "__pycache__"}


def test_files_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    done = flowir(tmp_path, "mine.py:graph", "-o", "missing/wf.mlir")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_facts_are_printed_of_graphs_that_are_not_lowered(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        GOOD.replace("'upper')\n", "'upper', )\nbuilder.nodes['upper'].defer\n")
    )
    done = flowir(tmp_path, "mine.py:graph", "--facts")
    assert done.returncode == 0, done.stderr
    assert "edge __start__ -> upper  plain, builder" in done.stdout
