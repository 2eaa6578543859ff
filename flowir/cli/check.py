"""`flowir check`: whether a file is a workflow, and if not what is wrong and where."""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from io import StringIO

from flowir.cli.opt import main as flowir_opt


def run(path: str) -> int:
    """The exit code of reading and verifying a file; its mistake is shown with a caret."""
    with redirect_stdout(StringIO()):
        code = flowir_opt(["--", path] if path.startswith("-") else [os.fspath(path)])
    if code == 0:
        print(f"{path}: a well-formed module")
    return code
