"""`flowir evaluate`: a model that judges, data without labels, judges that fail, a full disk."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowir.evaluation.store import Run, RunKey, RunStore
from flowir.profile.writing import RESERVE_BYTES
from tests.evaluation.test_command import QUERIES, answer, arguments, invoke, write
from tests.profiler.commands import ENVIRONMENT
from tests.profiler.endpoint import Endpoint, Reply, endpoint, error, prompt

PRICES = "model,input_per_mtok,output_per_mtok\njudge,1,1\n"


class Judged:
    """The models of `test_command`, and a judge that accepts `ok` unless something is wrong."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self.rubrics: list[str] = []
        self.broken = False

    def __call__(self, body: dict[str, Any]) -> Reply:
        if body["model"] != "judge":
            return answer(body)
        if self.broken:
            return error(400, "not now")
        text = prompt(body)
        self.rubrics.append(text[: text.index("\n\n{")])
        self.shown.append(json.loads(text[text.index("{") :]))
        return Reply("ACCEPT" if self.shown[-1]["answer"] == "ok" else "REJECT\nno")


@pytest.fixture
def models() -> Judged:
    return Judged()


@pytest.fixture
def served(models: Judged) -> Iterator[Endpoint]:
    with endpoint(models) as running:
        yield running


def runs(folder: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(folder / "e.sqlite")) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM run ORDER BY rowid")]


def found(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "e.json").read_text())
    return document


def judge_by_model(folder: Path, *more: str) -> list[str]:
    return ["--judge", "llm", "--judge-model", "judge", "--json", str(folder / "e.json"), *more]


def test_a_model_judges_by_a_rubric_and_its_calls_are_no_part_of_what_is_measured(
    tmp_path: Path, served: Endpoint, models: Judged
) -> None:
    write(tmp_path)
    (tmp_path / "rubric.txt").write_text("Be strict.")
    options = judge_by_model(tmp_path, "--rubric", str(tmp_path / "rubric.txt"))
    done = invoke(tmp_path, served.url, *options)
    assert done.exit_code == 0, done.output
    assert set(models.rubrics) == {"Be strict."}
    assert all(shown["expected"] == "ok" and "task" in shown["task"] for shown in models.shown)
    bad, good = (row["values"] for row in found(tmp_path)["rows"])
    assert (bad["accuracy"]["measured"], good["accuracy"]["measured"]) == (0.5, 1.0)
    assert bad["cost_usd"]["measured"] == pytest.approx(12e-6)
    assert found(tmp_path)["proxy"] == ""
    assert found(tmp_path)["judges"][0].startswith("llm (judge, rubric ")
    assert "the judge was asked" in done.output
    asked = len(served.bodies)
    assert invoke(tmp_path, served.url, *options).exit_code == 0
    assert len(served.bodies) == asked
    # Another rubric is another judge.
    done = invoke(tmp_path, served.url, *judge_by_model(tmp_path))
    assert done.exit_code == 1
    assert "were judged by llm (judge, rubric" in done.output


def test_no_answer_is_kept_once_all_is_judged(tmp_path: Path) -> None:
    write(tmp_path)

    def secretive(body: dict[str, Any]) -> Reply:
        return Reply("ACCEPT") if body["model"] == "judge" else Reply("an answer of its own")

    with endpoint(secretive) as running:
        done = invoke(tmp_path, running.url, *judge_by_model(tmp_path))
    assert done.exit_code == 0, done.output
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("e.sqlite*"))
    assert b"an answer of its own" not in stored
    assert {run["answer"] for run in runs(tmp_path)} == {""}


def test_without_labels_the_judge_is_a_proxy_and_every_output_says_so(
    tmp_path: Path, served: Endpoint, models: Judged
) -> None:
    write(tmp_path, expected=None)
    options = judge_by_model(tmp_path)
    plan = invoke(tmp_path, served.url, *options, "--plan")
    assert not served.bodies
    done = invoke(tmp_path, served.url, *options)
    assert done.exit_code == 0, done.output
    for output in (plan.output, done.output, found(tmp_path)["proxy"]):
        assert "the data have no label: what is right was said by the judge llm (judge)" in output
    assert "accuracy (by proxy)" in done.output
    assert all("expected" not in shown for shown in models.shown)


def test_a_judge_that_computes_cannot_do_without_labels(tmp_path: Path, served: Endpoint) -> None:
    write(tmp_path, expected=None)
    done = invoke(tmp_path, served.url)
    assert done.exit_code == 1
    assert 'no "expected" in any line' in done.output
    assert not served.bodies


def test_a_judge_that_fails_costs_no_run(tmp_path: Path, served: Endpoint, models: Judged) -> None:
    """Runs are stored as they end, and judged by the next command; nothing is judged wrong."""
    write(tmp_path)
    models.broken = True
    options = judge_by_model(tmp_path)
    first = invoke(tmp_path, served.url, *options)
    assert first.exit_code == 1
    assert "could not be judged" in first.output
    assert "hypervolume" not in first.output
    kept = runs(tmp_path)
    assert [run["correct"] for run in kept] == [None] * len(kept)
    assert all(run["answer"] for run in kept)
    models.broken = False
    second = invoke(tmp_path, served.url, *options)
    assert second.exit_code == 0, second.output
    assert [run["latency_s"] for run in runs(tmp_path)][: len(kept)] == [
        run["latency_s"] for run in kept
    ]
    work = [body for body in served.bodies if body["model"] != "judge"]
    assert len(work) == 2 * QUERIES


def test_the_judge_is_in_the_dollars(tmp_path: Path, served: Endpoint) -> None:
    """80 queries and their verdicts cost $0.012."""
    write(tmp_path, queries=80)
    lacking = invoke(tmp_path, served.url, *judge_by_model(tmp_path, "--max-dollars", "1"))
    assert lacking.exit_code == 1
    assert "there is none for judge" in lacking.output
    assert not served.bodies
    (tmp_path / "prices.csv").write_text(PRICES)
    options = ("--prices", str(tmp_path / "prices.csv"), "--max-dollars", "0.0055")
    done = invoke(tmp_path, served.url, *judge_by_model(tmp_path, *options))
    assert done.exit_code == 0, done.output
    assert "stopped at a limit: 0.0055 dollars" in done.output
    per_call = {"bad": 12e-6, "good": 120e-6, "judge": 12e-6}
    spent = sum(per_call[body["model"]] for body in served.bodies)
    assert 0 < spent <= 0.0055


def test_a_store_of_the_version_before_is_read(tmp_path: Path) -> None:
    key = RunKey("hash", "choices", "q")
    run = Run("asked", "exact", 1.0, 0.5, None, 1, 5, 7, 0)
    with RunStore(tmp_path / "e.sqlite") as store:
        store.add(key, run)
    with closing(sqlite3.connect(tmp_path / "e.sqlite")) as database:
        database.execute("ALTER TABLE run DROP COLUMN answer")
        database.execute("PRAGMA user_version = 1")
        database.commit()
    with RunStore(tmp_path / "e.sqlite") as store:
        assert store.runs == {key: run}


def test_a_full_disk_stops_with_one_message_and_every_run_is_stored(tmp_path: Path) -> None:
    """On a file system of 7 MB, of which the reserve takes four; the log of answers fills it."""
    script = (
        'mount -t tmpfs -o size=7m none "$0" && cp "$1"/front.mlir "$1"/data.jsonl "$0" && '
        '"${@:2}"; code=$?; cp "$0"/e.sqlite* "$1"; exit $code'
    )
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"],
            check=False,
            capture_output=True,
        ).returncode
    ):
        pytest.skip("needs user namespaces to make a small file system")
    small = tmp_path / "small"
    small.mkdir()
    write(tmp_path, queries=60)
    code = "from flowir.cli.main import main; main()"
    with endpoint(lambda body: Reply("x" * 100_000)) as running:
        command = [sys.executable, "-c", code, *arguments(small, running.url)]
        done = subprocess.run(
            ["unshare", "-rm", "bash", "-c", script, str(small), str(tmp_path), *command],
            env={**ENVIRONMENT, "OPENAI_API_KEY": "none"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert done.stderr.count("disk is full") == 1
        assert "every finished run is stored" in done.stderr
        stored = runs(tmp_path)
        assert 8 < len(running.bodies) == len(stored) < 120
        assert invoke(tmp_path, running.url).exit_code == 0
        assert len(running.bodies) == len(runs(tmp_path)) == 120
    assert RESERVE_BYTES > 8 * 100_000
