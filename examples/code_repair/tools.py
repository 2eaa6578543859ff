"""The tools of the code_repair workflow."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TIME_LIMIT_S = 10.0
MEMORY_LIMIT_BYTES = 512 * 1024 * 1024

_RUNNER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
import doctest
namespace = {{"__name__": "candidate"}}
exec(compile(open("candidate.py").read(), "candidate.py", "exec"), namespace)
examples = doctest.DocTestParser().get_doctest(open("task.txt").read(), namespace, "task", None, 0)
sys.exit(1 if doctest.DocTestRunner(verbose=False).run(examples).failed else 0)
"""


def visible_tests(task: str, code: str) -> tuple[bool, str]:
    """Whether `code` passes the doctest examples of `task`, and what the interpreter said.

    The code runs in a subprocess of its own with a limit on time and memory. A task without
    examples is accepted, and a program that does not end is rejected.
    """
    shown = re.sub(r"\"{3}|'{3}", "\n", task)
    if not doctest.DocTestParser().get_examples(shown):
        return True, "the task shows no examples"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "candidate.py").write_text(code)
        Path(folder, "task.txt").write_text(shown)
        limits = {"memory": MEMORY_LIMIT_BYTES, "seconds": int(TIME_LIMIT_S)}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _RUNNER.format(**limits)],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False, f"it did not end within {TIME_LIMIT_S:g} s"
    return done.returncode == 0, (done.stdout + done.stderr)[-2000:]


def normalised(code: str) -> str:
    """The code without comments, spacing and docstring; as it is where it does not parse."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code.strip()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
