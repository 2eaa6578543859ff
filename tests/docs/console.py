"""The commands that a page shows, run in order in one folder, and what they print beside what the
page says they do.

On a page

- a fenced block with `title="NAME"` is the file NAME, which is written where the reader would;
- in a block of `console`, a line that begins with `$ ` is a command (it goes on after a backslash),
  and what follows is all that it prints, on either stream;
- `…` in a line stands for anything in that line, a line of `…` alone for any lines;
- a command that ends in ` &` goes on while the page does, and has printed what is shown; the line
  `[1] …` is the shell's, and `kill %1` ends it. What a shell says of jobs that end is not shown.

Numbers with a point or a unit may differ by 5 %, since machines round differently; spaces and the
rules of tables do not count. A command fails where an error is shown, and nowhere else.

`python -m tests.docs.update` writes what commands print into the pages, where it differs.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])(?<!\w-)\d+(?:\.\d+)?(?!\.?\w)")
UNIT = re.compile(r" ?(%|s\b|×|points|/ 1000|\])")
RULE = re.compile(r"[\s─━]*")
TOLERANCE = 0.05
TIME_S = 300.0
POLL_S = 0.1
STARTS_S = 60.0


@dataclass(frozen=True)
class File:
    """A file that the reader is to write."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command, and what the page says that it prints."""

    text: str
    shown: str

    @property
    def fails(self) -> bool:
        """Whether an error is shown."""
        return re.search(r"(?m)^Error: |(?i:\berror:) ", self.shown) is not None

    @property
    def stays(self) -> bool:
        """Whether it goes on while other commands run."""
        return self.text.endswith(" &")


@dataclass(frozen=True)
class Ran:
    """A command that was run."""

    command: Command
    code: int
    printed: str


def steps(page: str) -> list[File | Command]:
    """Files and commands of a page, from top to bottom."""
    found: list[File | Command] = []
    for language, title, text in FENCE.findall(page):
        if title:
            found.append(File(title, text))
        elif language == "console":
            found.extend(_commands(text))
    return found


def _commands(block: str) -> Iterator[Command]:
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        lines = part.splitlines(keepends=True)
        length = next(n for n, line in enumerate(lines, 1) if not line.rstrip().endswith("\\"))
        yield Command("".join(lines[:length]).rstrip("\n"), "".join(lines[length:]))


class Shell:
    """A shell that stays: its folder and its variables are those of the command before."""

    def __init__(self, folder: Path, env: Mapping[str, str], instead: Mapping[str, str]) -> None:
        """
        Args:
            folder: where it starts.
            env: its variables at first.
            instead: texts in files and commands, and what is used in their place.
        """
        self.folder = folder
        self._env = dict(env)
        self._instead = instead
        self._jobs: list[subprocess.Popen[bytes]] = []

    def do(self, step: File | Command) -> Ran | None:
        """Write a file, or run a command."""
        if isinstance(step, File):
            (self.folder / step.name).write_text(self._replaced(step.text), encoding="utf-8")
            return None
        if step.stays:
            return self._begun(step)
        state = self.folder / ".state"
        text = self._numbered(self._replaced(step.text))
        script = f"{text}\ncode=$?\n(pwd; env -0) > {state}\nexit $code\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_S,
        )
        if state.exists():
            where, _, variables = state.read_text().partition("\n")
            state.unlink()
            self.folder = Path(where)
            self._env = dict(pair.split("=", 1) for pair in variables.split("\0") if "=" in pair)
        return Ran(step, done.returncode, self._restored(done.stdout))

    def close(self) -> None:
        """End what still runs."""
        for job in self._jobs:
            job.terminate()
        for job in self._jobs:
            job.wait(TIME_S)

    def _begun(self, command: Command) -> Ran:
        """Start a command, and wait until it has printed what is shown, or has ended."""
        number = len(self._jobs) + 1
        log = self.folder / f".job{number}"
        script = f"exec {self._replaced(command.text).removesuffix('&')}"
        with log.open("wb") as file:
            job = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._jobs.append(job)
        ends = time.monotonic() + STARTS_S
        while True:
            ended = job.poll() is not None or time.monotonic() > ends
            printed = self._restored(f"[{number}] {job.pid}\n{log.read_text('utf-8', 'replace')}")
            if ended or not difference(command.shown, printed):
                return Ran(command, job.returncode or 0, printed)
            time.sleep(POLL_S)

    def _numbered(self, text: str) -> str:
        """The jobs of `kill %1` as processes: every command has a shell of its own."""
        return re.sub(r"(?<=^kill )%(\d+)", lambda m: str(self._jobs[int(m[1]) - 1].pid), text)

    def _restored(self, text: str) -> str:
        for old, new in self._instead.items():
            text = text.replace(new, old)
        return text

    def _replaced(self, text: str) -> str:
        for old, new in self._instead.items():
            text = text.replace(old, new)
        return text


def plain_environment(cache: Path, bin_: Path) -> dict[str, str]:
    """Variables of a new user: no keys, fits in a folder of their own, the program on the path."""
    kept = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    path = f"{bin_}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return env | {
        "PATH": path,
        "FLOWIR_CACHE_DIR": str(cache),
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",  # Both streams in the order of a terminal.
        "PYTHONUTF8": "1",
    }


def difference(shown: str, printed: str) -> str:
    """What is printed and not as shown, in words; empty where all is as the page says."""
    expected, found = _lines(shown), _lines(printed)
    pattern, numbers = "", []
    for line in expected:
        if line == "…":
            pattern += r"(?:.*\n)*?"
            continue
        end = 0
        for match in NUMBER.finditer(line):
            pattern += _literal(line[end : match.start()]) + r"(\d+(?:\.\d+)?)"
            numbers.append((match[0], _has_unit(line, match)))
            end = match.end()
        pattern += _literal(line[end:]) + r"\n"
    match = re.fullmatch(pattern, "".join(f"{line}\n" for line in found))
    if match is None:
        return _first(expected, found)
    for (number, unit), other in zip(numbers, match.groups(), strict=True):
        if not _close(number, other, unit):
            return f"shown {number}, printed {other}"
    return ""


def _lines(text: str) -> list[str]:
    squeezed = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in squeezed if not RULE.fullmatch(line)]


def _literal(text: str) -> str:
    return ".*?".join(re.escape(part) for part in text.split("…"))


def _has_unit(line: str, match: re.Match[str]) -> bool:
    return line[: match.start()].endswith(("$", "[")) or bool(UNIT.match(line, match.end()))


def _close(left: str, right: str, unit: bool) -> bool:
    if "." not in left + right and not unit:
        return left == right
    step = 10.0 ** -max(len(text.partition(".")[2]) for text in (left, right))
    a, b = float(left), float(right)
    return abs(a - b) <= max(1.001 * step, TOLERANCE * max(a, b))


def _first(expected: list[str], found: list[str]) -> str:
    """The first line that differs, as well as one can tell."""
    for line, other in zip(expected, found, strict=False):
        if line == "…":
            break
        if difference(line, other) if len(expected) + len(found) > 2 else True:
            return f"shown   {line!r}\nprinted {other!r}"
    shown, printed = "\n".join(expected), "\n".join(found)
    return f"shown:\n{shown}\nprinted:\n{printed}"
