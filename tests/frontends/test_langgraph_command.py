"""`flowir import langgraph`: files are written whole or not at all; mistakes are one message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowir.frontends.langgraph import GraphImportError, load_graph
from flowir.frontends.langgraph.runs.traces import read_runs

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
        ("while True:\n    pass\n", "mine.py:graph", "more than 6 s"),
        ("input('who are you? ')\n", "mine.py:graph", "EOFError"),
        (
            GOOD + "import threading\nthreading.Thread(target=print).start()\n1/0",
            "mine.py:graph",
            "mine.py:15: ZeroDivisionError",
        ),
        (
            GOOD.replace(
                "builder.add_node(upper)",
                "exec('def made(s): return {}')\nbuilder.add_node('upper', made)",
            ),
            "mine.py:graph",
            "has no source",
        ),
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
    limit = "6" if words == "more than 6 s" else "60"
    done = flowir(tmp_path, target, "-o", "wf.mlir", "--time-limit", limit)
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


MARKING = HEAD + (
    "from pathlib import Path\n"
    "class State(TypedDict):\n    text: str\n    out: str\n"
    "def upper(state: State):\n"
    "    Path('ran.txt').open('a').write(state['text'])\n"
    "    if state['text'] == 'bad':\n        raise ValueError('a bad text')\n"
    "    return {'out': state['text'].upper()}\n"
    "builder = StateGraph(State)\nbuilder.add_node(upper)\nbuilder.add_edge(START, 'upper')\n"
    "graph = builder.compile()\n"
)


def test_nothing_is_run_unless_asked_and_what_is_run_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MARKING)
    (tmp_path / "inputs.jsonl").write_text('{"text": "ab"}\n\n{"text": "bad"}\n{"text": "cd"}\n')
    done = flowir(tmp_path, "mine.py:graph", "-o", "wf.mlir")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran.txt").exists()
    trace = ["--trace", "runs.jsonl"]
    done = flowir(tmp_path, "mine.py:graph", "-o", "wf.mlir", "--record", "inputs.jsonl", *trace)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ran.txt").read_text() == "abbadcd"
    assert "the run on input 2 failed: ValueError: a bad text" in done.stdout
    runs = read_runs(tmp_path / "runs.jsonl")
    assert [run.error for run in runs] == ["", "ValueError", ""]
    assert "in 3 runs" in (tmp_path / "wf.mlir").read_text()
    done = flowir(tmp_path, "mine.py:graph", "-o", "wf.mlir", *trace)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ran.txt").read_text() == "abbadcd"
    assert "in 3 runs" in (tmp_path / "wf.mlir").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--record", "inputs.jsonl"], "give --trace runs.jsonl with --record"),
        (["--record", "none.jsonl", "--trace", "runs.jsonl"], "none.jsonl cannot be read"),
        (["--record", "inputs.jsonl", "--trace", "runs.jsonl"], "line 2 is no JSON object"),
        (["--trace", "none.jsonl"], "none.jsonl cannot be read"),
        (["--trace", "inputs.jsonl"], "line 1: no recorded run"),
        (["--bound", "upper"], "not of the form NODE=N"),
        (["--bound", "nobody=3"], "'nobody', which is no node"),
        (["--input", "nothing"], "the state has no key 'nothing'"),
        (["--result", "text2"], "no node writes the result 'text2'"),
    ],
)
def test_options_that_do_not_fit_are_one_message(
    options: list[str], words: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MARKING)
    (tmp_path / "inputs.jsonl").write_text('{"text": "ab"}\n[1]\n')
    done = flowir(tmp_path, "mine.py:graph", "-o", "wf.mlir", *options)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"mine.py", "inputs.jsonl", "__pycache__"}


@pytest.mark.parametrize(
    "target",
    [
        "../mine.py:graph",
        "/etc/passwd:graph",
        "..:graph",
        ".mine:graph",
        "mine;import os:graph",
        "$(touch made.txt):graph",
        "mine.py:graph.__class__",
        "mine.py:__import__('os')",
        "--help.py:graph",
        "json.py:graph",
        "my-graph.py:graph",
        ":graph",
        "mine:",
        "",
    ],
)
def test_targets_are_names_and_nothing_else(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither paths out of the folder nor code in the target do anything."""
    names = {"mine.py", "json.py", "my-graph.py"}
    for name in names:
        (tmp_path / name).write_text(MARKING)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GraphImportError) as caught:
        load_graph(target, only_facts=True)
    assert len(str(caught.value).splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {*names, "__pycache__"}


def test_a_file_of_a_package_is_imported_as_a_part_of_it(tmp_path: Path) -> None:
    package = tmp_path / "shop" / "flows"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "parts.py").write_text(GOOD)
    (package / "whole.py").write_text("from .parts import graph\n")
    done = flowir(tmp_path, "shop/flows/whole.py:graph", "-o", "wf.mlir")
    assert done.returncode == 0, done.stderr
    assert "import shop.flows.parts as parts_code" in (tmp_path / "wf_tools.py").read_text()
