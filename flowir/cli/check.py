"""`flowir check`: whether a file is a workflow, and if not what is wrong and where."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from io import StringIO

from flowir.cli.opt import main as flowir_opt
from flowir.errors import FlowirError
from flowir.source.python import check_python, is_python


def run(target: str) -> int:
    """The exit code of reading and verifying a file; its mistake is shown with a caret."""
    if is_python(target):
        try:
            print(check_python(target))
        except FlowirError as error:
            text = str(error)
            print(text if ": error: " in text.split("\n")[0] else f"error: {text}", file=sys.stderr)
            return 1
        return 0
    with redirect_stdout(StringIO()):
        code = flowir_opt(["--", target] if target.startswith("-") else [target])
    if code == 0:
        print(f"{target}: a well-formed module")
    return code
