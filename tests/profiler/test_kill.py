"""Killed, interrupted, without room: no finished call is lost, and none is made again."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowir.profile.writing import RESERVE_BYTES
from tests.profiler.commands import ENVIRONMENT, arguments, invoke, rows, write
from tests.profiler.endpoint import Endpoint, Reply, endpoint, prompt


def start(folder: Path, url: str, *options: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    code = "from flowir.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments(folder, url, *options)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(running: Endpoint, requests: int) -> None:
    ends = time.monotonic() + 60
    while len(running.bodies) < requests and time.monotonic() < ends:
        time.sleep(0.002)
    assert len(running.bodies) >= requests


def test_kills_lose_no_finished_call_and_repeat_none(tmp_path: Path) -> None:
    """What is in the store when the process dies is there in the end, and is not asked again."""
    chance = random.Random(0)
    queries, slots = 60, 4
    write(tmp_path, queries)
    with endpoint(lambda body: Reply(prompt(body), delay_s=chance.random() / 50)) as running:
        finished: dict[str, dict[str, object]] = {}
        for _ in range(4):
            asked = len(running.bodies)
            process = start(tmp_path, running.url, "--concurrency", str(slots))
            wait_for(running, min(asked + chance.randrange(2, 30), 2 * queries))
            time.sleep(chance.random() / 20)
            process.kill()
            process.communicate()
            stored = {str(row["key"]): row for row in rows(tmp_path)}
            kept = ("output", "latency_s", "input_tokens", "ended_at")
            for name, row in finished.items():
                assert [stored[name][column] for column in kept] == [row[c] for c in kept]
            again = {(body["model"], prompt(body)) for body in running.bodies[asked:]}
            texts = ((row["model"], str(row["query_id"])) for row in finished.values())
            assert not again & {(model, f"Say: task {query[1:]}") for model, query in texts}
            finished = stored
        assert invoke(tmp_path, running.url).exit_code == 0
    assert len(rows(tmp_path)) == 2 * queries
    assert all(row["judge"] for row in rows(tmp_path))
    # Only what was under way at a kill was asked a second time.
    assert len(running.bodies) <= 2 * queries + 4 * 2 * slots


def test_a_second_profiler_on_the_same_store_is_refused_while_the_first_lives(
    tmp_path: Path,
) -> None:
    write(tmp_path, 40)
    with endpoint(lambda body: Reply(delay_s=0.3)) as running:
        process = start(tmp_path, running.url)
        wait_for(running, 3)
        result = invoke(tmp_path, running.url)
        assert result.exit_code == 1
        assert "another profiler" in result.output
        process.kill()
        process.communicate()
        running.answer = lambda body: Reply()
        assert invoke(tmp_path, running.url).exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_what_is_under_way(tmp_path: Path, number: int) -> None:
    write(tmp_path, 40)
    with endpoint(lambda body: Reply(delay_s=0.4)) as running:
        process = start(tmp_path, running.url)
        wait_for(running, 6)
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 130
        assert len(rows(tmp_path)) == len(running.bodies) < 80
        assert "still to be made" in said


def test_a_full_disk_stops_with_one_message_and_everything_paid_for_is_stored(
    tmp_path: Path,
) -> None:
    """On a file system of 7 MB, of which the reserve takes four."""
    script = (
        'mount -t tmpfs -o size=7m none "$0" && cp "$1"/w.mlir "$1"/dev.jsonl "$0" && '
        '"${@:2}"; code=$?; cp "$0"/p.sqlite* "$1"; exit $code'
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
    write(tmp_path, 80)
    code = "from flowir.cli.main import main; main()"
    with endpoint(lambda body: Reply("x" * 100_000)) as running:
        command = [sys.executable, "-c", code, *arguments(small, running.url, "--models", "m1")]
        done = subprocess.run(
            ["unshare", "-rm", "bash", "-c", script, str(small), str(tmp_path), *command],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert done.stderr.count("disk is full") == 1
        assert "every finished call is stored" in done.stderr
        assert 8 < len(running.bodies) < 80
        stored = rows(tmp_path)
        assert len(stored) == len(running.bodies)
        assert all(len(row["output"]) == 100_000 for row in stored)
        running.answer = lambda body: Reply()
        again = invoke(tmp_path, running.url, "--models", "m1")
    assert again.exit_code == 0, again.output
    assert len(running.bodies) == len(rows(tmp_path)) == 80
    assert RESERVE_BYTES > 8 * 100_000
