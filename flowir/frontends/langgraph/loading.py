"""Imports a graph from a module in a process of its own, with a time limit.

Importing a module runs it: what it does to files and networks is done. The process keeps it from
hanging or ending the one that asked, and from changing what that has imported.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowir.frontends.langgraph.facts import GraphImportError

TARGET = re.compile(r"(?P<module>[^:]+):(?P<name>[A-Za-z_]\w*)")
TIME_LIMIT_S = 60.0


@dataclass(frozen=True)
class Loaded:
    """What the process found.

    Attributes:
        ir: the text of the module; empty where only facts were asked for.
        adapters: the text of the Python file beside it.
        observations: model calls of recorded runs, as a CSV profile; empty without any.
        facts: as `facts_document` has them.
        questions, lints, notes: in words.
    """

    ir: str
    adapters: str
    observations: str
    facts: dict[str, Any]
    questions: list[str]
    lints: list[str]
    notes: list[str]


def load_graph(
    target: str,
    *,
    adapters: str = "graph_tools",
    bounds: Mapping[str, int] | None = None,
    inputs: tuple[str, ...] = (),
    result: str | None = None,
    only_facts: bool = False,
    trace: str | None = None,
    record: str | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> Loaded:
    """Import `package.module:graph` or `file.py:graph`; the other arguments as `from_langgraph`.

    Args:
        record: a file of inputs, one JSON object a line: the graph is run on each, and the runs are
            added to `trace` first. Nothing is run without it.

    Raises:
        GraphImportError: the module fails, hangs or has no such graph, or the graph is refused.
    """
    if TARGET.fullmatch(target) is None:
        raise GraphImportError(f"{target!r} names no graph; write my.module:graph or file.py:graph")
    if record is not None and trace is None:
        raise GraphImportError("where are the runs kept? give --trace runs.jsonl with --record")
    request = {
        "target": target,
        "adapters": adapters,
        "bounds": dict(bounds or {}),
        "inputs": list(inputs),
        "result": result,
        "only_facts": only_facts,
        "trace": trace,
        "record": record,
    }
    with tempfile.TemporaryDirectory(prefix="flowir-import-") as folder:
        answer = Path(folder, "answer.json")
        does = "importing it" if record is None else "importing and running it"
        said = _run([str(answer), json.dumps(request)], target, does, time_limit_s)
        if not answer.exists():
            raise GraphImportError(f"{target}: the module ended the process on import{said}")
        found = json.loads(answer.read_text(encoding="utf-8"))
    if (error := found.pop("error", None)) is not None:
        raise GraphImportError(error)
    return Loaded(**found)


def _run(arguments: list[str], target: str, does: str, time_limit_s: float) -> str:
    """Run the process; gives the last line of what it said, for a message."""
    process = subprocess.Popen(
        # -P: modules of the folder one works in do not stand in for those of Python.
        [sys.executable, "-P", "-m", "flowir.frontends.langgraph.worker", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=time_limit_s)
    except subprocess.TimeoutExpired:
        _end(process)
        raise GraphImportError(
            f"{target}: {does} took more than {time_limit_s:g} s; move what waits out of the "
            "module's top level, or raise --time-limit"
        ) from None
    except BaseException:
        _end(process)
        raise
    lines = said.strip().splitlines()
    return f" (exit code {process.returncode}{': ' + lines[-1] if lines else ''})"


def _end(process: subprocess.Popen[str]) -> None:
    """End the process and those it started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
