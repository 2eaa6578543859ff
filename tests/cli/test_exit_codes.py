"""Exit codes, by real processes where signals are in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowir.cli import opt
from flowir.cli.main import COMMANDS, cli
from tests.profiler.endpoint import Reply, endpoint
from tests.serving_http import ONE_CALL, until

BIN = Path(sys.executable).parent

READING = {
    "check": ["check", "FILE"],
    "compile": ["compile", "FILE", "--profile", "o.csv"],
    "diff": ["diff", "FILE", "b.mlir"],
    "emit": ["emit", "FILE"],
    "evaluate": ["evaluate", "FILE", "--data", "d.jsonl"],
    "explain": ["explain", "FILE", "--profile", "o.csv", "--point", "0"],
    "fit": ["fit", "FILE"],
    "plan": ["plan", "compile", "FILE"],
    "profile": ["profile", "FILE", "--data", "d.jsonl"],
    "report": ["report", "FILE", "-o", "r.html"],
    "run": ["run", "FILE", "--input", "task=x"],
    "select": ["select", "FILE", "--point", "0"],
    "simulate": ["simulate", "FILE", "--profile", "o.csv"],
    "timeline": ["timeline", "FILE"],
}
"""A command line of each command that reads a file first."""

OTHERS = {"demo", "doctor", "import", "latency", "serve"}
"""They read something else first; `serve` gives 0, see tests/serving/test_http_process.py."""


def interrupted(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """What a process gives that gets Ctrl-C while it reads a file: a pipe, so it waits there."""
    pipe = folder / ("pipe.csv" if "fit" in command else "pipe.mlir")
    os.mkfifo(pipe)
    told = [str(pipe) if word == "FILE" else word for word in command]
    process = subprocess.Popen(
        told, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: process.poll() is not None or _is_read(pipe))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, said


def _is_read(pipe: Path) -> bool:
    """Whether somebody waits at the other end; it then goes on waiting, for there is a writer."""
    try:
        os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    return True


def test_every_command_is_looked_at() -> None:
    assert READING.keys() | OTHERS == COMMANDS.keys()


@pytest.mark.parametrize(
    "name",
    [name if name == "check" else pytest.param(name, marks=pytest.mark.slow) for name in READING],
)
def test_control_c_gives_130_and_no_traceback(name: str, tmp_path: Path) -> None:
    code, said = interrupted([str(BIN / "flowir"), *READING[name]], tmp_path)
    assert (code, said.strip()) == (130, "interrupted")


def test_control_c_gives_130_of_the_driver_too(tmp_path: Path) -> None:
    code, said = interrupted([str(BIN / "flowir-opt"), "FILE"], tmp_path)
    assert (code, said.strip()) == (130, "interrupted")


def test_a_second_control_c_drops_what_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "w.mlir").write_text(ONE_CALL)
    (tmp_path / "d.jsonl").write_text('{"id": "1", "task": "a", "expected": "b"}\n')
    with endpoint(lambda body: Reply(delay_s=600.0)) as served:
        command = [
            str(BIN / "flowir"), "profile", "w.mlir", "--data", "d.jsonl", "--endpoint", served.url,
        ]  # fmt: skip
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=os.environ | {"OPENAI_API_KEY": "none"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            until(lambda: bool(served.bodies))
            process.send_signal(signal.SIGINT)
            for line in process.stderr:
                if "once more to drop them" in line:
                    break
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "missing.mlir"], 1),
        (["chekc", "missing.mlir"], 2),
        (["check"], 2),
        (["fit", "missing.csv", "--seed", "one"], 2),
        (["serve", "missing.mlir", "--scheduler", "none"], 2),
        (["--version"], 0),
    ],
)
def test_a_mistake_is_1_and_a_command_line_that_means_nothing_2(
    arguments: list[str], code: int
) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["missing.mlir"], 1),
        (["missing.mlir", "-p", "flow-selec"], 1),
        (["missing.mlir", "-t", "asyncioo"], 1),
        (["missing.mlir", "--no-such-option"], 2),
        (["missing.mlir", "-t"], 2),
    ],
)
def test_the_driver_has_the_same_codes(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opt.main(arguments) == code
    assert "error: " in capsys.readouterr().err
