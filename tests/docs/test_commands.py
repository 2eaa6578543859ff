"""As a new user would: every command of the README and the tutorial does what is shown."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.console import Command, File, Ran, Shell, difference, steps
from tests.docs.reader import FIRST, README, TROUBLES, TUTORIAL, page_text, read, reading

HALF = "## The same on an endpoint"


def wrong(ran: list[Ran]) -> str:
    """What is not as shown, one paragraph for each command."""
    parts = []
    for one in ran:
        differs = difference(one.command.shown, one.printed)
        if (one.code != 0) != one.command.fails:
            differs += f"\nexit code {one.code}"
        if differs:
            parts.append(f"$ {one.command.text}\n{differs}\nall of it:\n{one.printed}")
    return "\n\n".join(parts)


@pytest.mark.slow
def test_the_front_of_the_readme_and_half_of_the_tutorial(tmp_path: Path) -> None:
    """The slow tests do the rest."""
    (demo,) = (c for c in commands(page_text(README)) if c.text == FIRST)
    half = page_text(TUTORIAL).split(HALF)[0]
    with reading(tmp_path, runs=2) as shell:
        ran = shell.do(demo)
        assert ran is not None
        parts = (text.split("Predicted beside simulated")[0] for text in (demo.shown, ran.printed))
        assert not difference(*parts), ran.printed
        rest = read(shell, half, {FIRST: ran})
    assert len(rest) > 10
    assert not wrong(rest), wrong(rest)


@pytest.mark.slow
def test_every_command_in_the_order_of_the_pages(tmp_path: Path) -> None:
    done: dict[str, Ran] = {}
    with reading(tmp_path) as shell:
        for page in (README, TUTORIAL, TROUBLES):
            ran = read(shell, page_text(page), done)
            assert not wrong(ran), wrong(ran)
        assert len(ran) > 10


@pytest.mark.slow
def test_make_demo_in_a_fresh_clone(tmp_path: Path) -> None:
    """With an environment of its own, made by the command itself."""
    clone = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("no git, or no clone: nobody says which files belong to it")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    done = subprocess.run(["make", "demo"], cwd=clone, capture_output=True, text=True)
    if "No matching distribution" in done.stderr or "ConnectionError" in done.stderr:
        pytest.skip("no package index can be reached to make an environment from")
    assert done.returncode == 0, done.stderr
    (shown,) = (c.shown for c in commands(page_text(README)) if c.text == FIRST)
    # What make and pip say while they work comes before.
    printed = done.stdout[done.stdout.index("Pareto front of") :]
    assert not difference(shown, printed), printed


def commands(page: str) -> list[Command]:
    return [step for step in steps(page) if isinstance(step, Command)]


def test_pages_are_taken_apart_as_they_are_read() -> None:
    file = '```python title="a.py"\nx = 1\n```\ntext\n'
    page = f"{file}```console\n$ one \\\n    more\nout\n\n$ two\n```\n"
    assert steps(page) == [
        File("a.py", "x = 1\n"),
        Command("one \\\n    more", "out\n\n"),
        Command("two", ""),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("1.48 s [1.41, 1.57]\n", "1.47 s  [1.41, 1.56]\n", True),
        ("1.48 s\n", "1.98 s\n", False),
        ("88 % ?\n", "86 % ?\n", True),
        ("88 % ?\n", "86 %\n", False),
        ("270 configurations\n", "271 configurations\n", False),
        ("gpt-3.5-turbo-0613\n", "gpt-3.5-turbo-0125\n", False),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\n…\nz\n", "a\nb\nc\n", False),
        ("took … s\n", "took 12.8 s\n", True),
        ("took … s\n", "took 12.8 m\n", False),
        ("", "warning: something\n", False),
        ("  a   b\n ────\n", " a b\n", True),
    ],
)
def test_what_counts_as_the_same(shown: str, printed: str, same: bool) -> None:
    assert (difference(shown, printed) == "") == same


def test_an_error_shown_is_an_error_expected() -> None:
    assert Command("x", "Error: no\n").fails
    assert Command("x", "w.mlir:1:2: error: no\n").fails
    assert not Command("x", "within the error bars\n").fails


def test_a_command_that_stays_has_printed_what_is_shown_and_ends_when_told(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, {"8080": "8099"})
    try:
        ran = shell.do(Command("sh -c 'echo at 8080; sleep 1000' &", "[1] …\nat 8080\n"))
        assert ran is not None
        assert not difference(ran.command.shown, ran.printed)
        assert ran.code == 0
        asked = shell.do(Command("kill -0 %1; kill %1", ""))
        assert asked is not None
        failed = shell.do(Command("sh -c 'echo no; exit 3' &", "[2] …\nwell\n"))
        assert failed is not None
        assert (failed.code, failed.printed.splitlines()[1:]) == (3, ["no"])
    finally:
        shell.close()


def test_the_shell_keeps_its_folder_and_its_variables(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, {"EIGHT": "eight"})
    for text in ("mkdir inner && cd inner", "export A='x  y'\n"):
        assert shell.do(Command(text, "")) is not None
    ran = shell.do(Command('echo "$A EIGHT" | wc -c; echo "$A EIGHT"; pwd; exit 3', ""))
    assert ran is not None
    assert (ran.code, ran.printed) == (3, f"11\nx  y EIGHT\n{tmp_path.resolve()}/inner\n")
