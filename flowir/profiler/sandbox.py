"""Runs Python that a model wrote: in a process of its own, with limits, without our environment.

The limits keep accidents away (endless loops, all of the memory, a full disk). They are no wall
against somebody who means harm: run the profiler in a container where that matters.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SECONDS = 10.0
MEMORY_BYTES = 1 << 30
FILE_BYTES = 16 << 20
PROCESSES = 64
OUTPUT_KEPT = 2000

_RUNNER = """
import os, resource, sys
word = sys.stdin.readline()
for limit, value in (("RLIMIT_AS", {memory}), ("RLIMIT_CPU", {seconds}),
                     ("RLIMIT_FSIZE", {file}), ("RLIMIT_CORE", 0)):
    resource.setrlimit(getattr(resource, limit), (value, value))
done = os.dup(1)
text = open("program.py", encoding="utf-8").read()
exec(compile(text, "program.py", "exec"), {{"__name__": "__main__", "__builtins__": __builtins__}})
sys.stdout.flush()
os.write(done, ("\\n" + word).encode())
"""


class SandboxError(Exception):
    """The sandbox could not be set up: nothing is known about the program."""


@dataclass(frozen=True)
class Ran:
    """What became of a program: whether it ran to its end, and the end of what it said."""

    passed: bool
    said: str


def run_python(program: str, seconds: float = SECONDS) -> Ran:
    """Run a program to its end, or to a limit.

    It passes iff its last line was reached without an error: leaving early (`sys.exit`) is none.

    Raises:
        SandboxError: no process could be started.
    """
    word = secrets.token_hex(16)
    runner = _RUNNER.format(memory=MEMORY_BYTES, seconds=int(seconds) + 1, file=FILE_BYTES)
    try:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            tempfile.TemporaryFile() as said,
        ):
            Path(folder, "program.py").write_text(program, "utf-8", errors="replace")
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", runner],
                cwd=folder,
                env={"PATH": os.defpath, "HOME": folder, "LANG": "C.UTF-8"},
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.communicate(f"{word}\n".encode(), timeout=seconds)
            except subprocess.TimeoutExpired:
                return Ran(False, f"it did not end within {seconds:g} s")
            finally:
                _kill_group(process)
            said.seek(0, os.SEEK_END)
            said.seek(max(0, said.tell() - OUTPUT_KEPT))
            end = said.read().decode("utf-8", "replace")
    except OSError as error:
        raise SandboxError(f"the sandbox could not be started ({error})") from error
    passed = process.returncode == 0 and end.rstrip().endswith(word)
    return Ran(passed, end.replace(word, "").strip())


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
