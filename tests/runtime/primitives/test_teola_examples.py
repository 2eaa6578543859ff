"""The four workflows of Teola run on their corpus: by themselves, emitted, and together."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest

from flowir.examples.teola import tools
from flowir.examples.teola.__main__ import LOWERED, WORKFLOWS, graph_of, main
from flowir.examples.teola.tools import CORPUS
from flowir.passes.pipelines import TEOLA
from flowir.prim.trace import read_trace
from flowir.report.timeline import timeline
from flowir.runtime.primitives.command_line import main as run_program
from flowir.runtime.primitives.from_ir import program_of

QUESTION = "Who discovered the two moons of Mars?"
MOONS = (
    "The Moon raises the tides.",
    "Asaph Hall discovered the moons of Mars.",
    "Venus has no moon.",
    "Comets have tails.",
)
QUESTIONS = str(files("flowir.examples.teola") / "questions.jsonl")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a run says on stdout; it says on stderr that no model answered."""
    assert main([*arguments, "--stand-in"]) == 0
    said = capsys.readouterr()
    assert "stand-in" in said.err
    return said.out


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_passes_change_no_answer(workflow: str, capsys: pytest.CaptureFixture[str]) -> None:
    optimised = answer(capsys, workflow, "--question", QUESTION)
    assert optimised == answer(capsys, workflow, "--question", QUESTION, "--modules")
    assert optimised.strip()
    assert len(list(graph_of(workflow, TEOLA).primitives)) >= len(
        list(graph_of(workflow, LOWERED).primitives)
    )


def test_retrieval_finds_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Asaph Hall" in answer(capsys, "advanced_rag", "--question", QUESTION)


def test_queries_at_the_same_time_get_what_they_get_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = tmp_path / "run.json"
    together = answer(capsys, "naive_rag", "--queries", QUESTIONS, "--trace", str(trace))
    lines = [json.loads(line) for line in together.splitlines()]
    asked = [json.loads(line)["question"] for line in Path(QUESTIONS).read_text().splitlines()]
    alone = [answer(capsys, "naive_rag", "--question", question) for question in asked]
    assert [line["answer"] + "\n" for line in lines] == alone
    run = read_trace(trace)
    assert [query.name for query in run.queries] == ["1", "2", "3", "4"]
    started = {query.name: query.arrived_s for query in run.queries}
    assert max(started.values()) < min(span.end_s for span in run.spans)
    assert "naive_rag" in timeline(run)


def test_the_code_of_the_workflows_does_what_their_engines_do() -> None:
    """In `flow` it is called; in `prim` the engines do it."""

    async def run() -> tuple[list[str], list[str]]:
        index = tools.ingest(await tools.embed(list(MOONS)))
        found = tools.nearest_16(index, await tools.embed("moons of Mars"))
        return found, await tools.best_3("Who discovered the moons of Mars?", found)

    found, best = asyncio.run(run())
    assert sorted(found) == sorted(MOONS)
    assert tools.first(best) == MOONS[1]
    assert len(best) == 3
    assert tools.second(best) != tools.third(best)
    windows = tools.windows(MOONS)
    assert windows[0].splitlines()[0] == ">>> " + MOONS[0]
    assert tools.prefixed(windows[2], "About Venus.") == f"About Venus.\n{MOONS[2]}"
    assert "Phobos" in asyncio.run(tools.search("Who discovered the moons of Mars?"))


def emitted(workflow: str, folder: Path) -> Path:
    """The workflow as a file, by the tools that a user has."""
    source, file = str(files("flowir.examples.teola") / f"{workflow}.mlir"), folder / "w.py"
    code = "import sys; from flowir.cli.opt import main; sys.exit(main())"
    options = [source, "-p", "teola", "-t", "asyncio", "-o", str(file)]
    subprocess.run([sys.executable, "-c", code, *options], check=True)
    return file


def ran(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(file), *arguments], capture_output=True, text=True, cwd=file.parent
    )


def test_an_emitted_file_answers_as_the_workflow_does(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = emitted("advanced_rag", tmp_path)
    options = ["--question", QUESTION, "--corpus", str(CORPUS), "--stand-in"]
    done = ran(file, *options, "--trace", "run.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == answer(capsys, "advanced_rag", "--question", QUESTION)
    assert read_trace(tmp_path / "run.json").queries[0].answered_s is not None


BAD: Sequence[tuple[Sequence[str], str]] = [
    ([], "no documents and no question; --help says how to give it"),
    (["--question", "q", "--corpus", "nowhere"], "nowhere: no such folder"),
    (["--question", "q", "--documents", "["], "--documents is not JSON"),
    (["--question", "q", "--documents", "[1]"], "documents is not list[text]: [1]"),
    (["--question", "q", "--documents", '["a"]', "--engines", "no.json"], "no.json"),
    (["--question", "q", "--documents", '["a"]', "--embedder", "x"], "--embedder x: write"),
    (["--question", "q", "--documents", '["a"]', "--reranker", "y"], "--reranker y: write"),
    (["--documents", '["a"]', "--queries", "no.jsonl"], "no.jsonl: cannot be read"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=[said for _, said in BAD])
def test_a_mistake_is_one_message(
    arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = [*arguments, "--stand-in", "--trace", str(tmp_path / "run.json")]
    program = program_of(graph_of("advanced_rag"))
    assert run_program(program, None, arguments=run) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert said in errors[0]
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no query"),
        ("{", "line 1: not JSON"),
        ("[]", "line 1: no JSON object"),
        ('{"question": "q"}\n{"questoin": "q"}', "query 2: no question"),
        ('{"question": "q", "qestion": "q"}', "did you mean question?"),
    ],
)
def test_queries_are_checked_before_any_runs(
    text: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(text)
    assert main(["se_generation", "--queries", str(file), "--stand-in"]) == 1
    assert said in capsys.readouterr().err
