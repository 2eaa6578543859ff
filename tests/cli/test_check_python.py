"""`flowir check` of Python: the line, what is wrong with it, and the mend."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAD = '''from flowir.workflow import agent, workflow

@agent(models=["m"])
def ask(task: str) -> str:
    """{task}"""

'''
GOOD = (
    HEAD
    + """@workflow
def one(task: str) -> str:
    return ask(task)

@workflow
def two(task: str) -> str:
    return one(one(task))
"""
)


def check(folder, source: str, target: str) -> tuple[int, str, str]:
    """In a process of its own: modules stay imported."""
    (folder / "mine.py").write_text(source)
    code = "import sys; from flowir.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", target],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("target", ["mine.py", "mine.py:two", "mine:two"])
def test_good_workflows_are_said_to_be_good(target, tmp_path):
    code, out, err = check(tmp_path, GOOD, target)
    names = "one, two" if target == "mine.py" else "two"
    assert (code, out, err) == (0, f"{target}: {names}: well-formed\n", "")


BROKEN = {
    "an if": (
        GOOD.replace("return ask(task)", 'if ask(task) == "a":\n        return task'),
        'if ask(task) == "a":',
        "use branch(label",
    ),
    "an unknown input": (GOOD.replace("one(one(task))", "one(tsk=task)"), "return one(tsk", "task"),
    "a prompt": (GOOD.replace('"""{task}"""', '"""{tisk}"""'), "@agent", "{tisk}"),
    "no Python": (GOOD + "def (:\n", "def (", "invalid syntax"),
    "a failing import": (GOOD + "1 / 0\n", "1 / 0", "importing it failed: ZeroDivisionError"),
    "a failing trace": (
        GOOD.replace("return ask(task)", "return {}[0]"), "return {}[0]", "KeyError: 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_the_line_is_marked_and_the_mend_is_said(kind, tmp_path):
    source, line, message = BROKEN[kind]
    code, out, err = check(tmp_path, source, "mine.py")
    first, shown, marks = err.rstrip("\n").split("\n")
    number = next(
        n for n, text in enumerate(source.split("\n"), 1) if text.strip().startswith(line)
    )
    assert (code, out) == (1, "")
    assert first.startswith(f"{tmp_path / 'mine.py'}:{number}:")
    assert ": error: " in first
    assert message in first
    assert shown.strip().startswith(line)
    assert set(marks.strip()) == {"^"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("mine.py:tow", "mine.py:tow: there is no tow; did you mean two?; its workflows: one, two"),
        ("mine.py:ask", "ask is no @workflow"),
        ("yours.py", "yours.py: there is no such file; check the path"),
        ("yours:one", "No module named 'yours'"),
    ],
)
def test_a_workflow_that_is_not_there(target, message, tmp_path):
    code, out, err = check(tmp_path, GOOD, target)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


def test_a_module_without_workflows(tmp_path):
    code, _, err = check(tmp_path, HEAD, "mine.py")
    assert (code, err) == (1, "error: mine.py: it has no workflow; decorate a function with "
                              "@workflow\n")  # fmt: skip
