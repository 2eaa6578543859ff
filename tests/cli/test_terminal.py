"""A long search on a terminal: what it shows, and that it stops and says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

pty = pytest.importorskip("pty")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "flowcompile"
TOOL = Path(sys.executable).parent / "flowir-opt"


def arguments(options: str, output: Path) -> list[str]:
    """So many scenarios of three objectives that a few seconds are not enough."""
    return [
        str(TOOL),
        str(EXAMPLE / "math.mlir"),
        f"--profile={EXAMPLE / 'math.synthetic.csv'}",
        f"--prices={EXAMPLE / 'prices.csv'}",
        f"--dse={options}",
        "-o",
        str(output),
    ]


def on_a_terminal(command: list[str]) -> tuple[int, str]:
    """The exit code of a command, and all that it shows on a pseudo-terminal."""
    master, slave = pty.openpty()
    shown = b""
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    try:
        running = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment
        )
    finally:
        os.close(slave)
    try:
        while True:
            try:
                part = os.read(master, 1 << 16)
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
            shown += part
        return running.wait(timeout=60), shown.decode()
    finally:
        os.close(master)
        running.kill()


SMALL = "draws=2 scenarios=4096 survivors=16 latency=p95"


def test_a_search_out_of_time_gives_a_partial_front_and_says_so(tmp_path: Path) -> None:
    output = tmp_path / "front.mlir"
    code, shown = on_a_terminal(arguments(f"max-seconds=3 limit=3000000 {SMALL}", output))
    assert code == 0
    assert "exploring" in shown
    assert re.search(r"exploring: [\d,]+ points evaluated, [\d,]+ on the front", shown)
    # The line that was rewritten is gone before anything else is written.
    assert shown.rindex("\x1b[2K") < shown.rindex("warning:")
    assert re.search(
        r"warning: the search was stopped by max-seconds=3 after [\d,]+ points; "
        r"the front is partial, the best of these",
        shown,
    )
    text = output.read_text()
    assert 'method = "partial"' in text
    assert text.count("#dse.point") > 1


def test_a_pipe_sees_the_warning_and_nothing_of_the_progress(tmp_path: Path) -> None:
    output = tmp_path / "front.mlir"
    done = subprocess.run(
        arguments(f"max-memory=1 {SMALL}", output), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "warning: the search was stopped by max-memory=1 after 0 points; "
        "the front is partial, the best of these"
    ]
    assert 'method = "partial"' in output.read_text()
