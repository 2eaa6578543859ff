"""The command line of the profiler, on small workflows."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from flowir.cli.main import cli

WORKFLOW = """
flow.agent @x prompt "Say: {task}" space <models = ["m1", "m2"]> baseline <"m1">
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
"""


def write(folder: Path, rows: Sequence[Mapping[str, Any]] | int, workflow: str = WORKFLOW) -> None:
    """`w.mlir` and `dev.jsonl`; a number stands for so many plain rows."""
    if isinstance(rows, int):
        rows = [{"id": f"q{n}", "task": f"task {n}", "expected": "ok"} for n in range(rows)]
    (folder / "w.mlir").write_text(workflow)
    (folder / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def arguments(folder: Path, url: str | None, *options: str) -> list[str]:
    """The command line for what `write` wrote."""
    given = [] if url is None else ["--endpoint", url]
    files = ["--data", str(folder / "dev.jsonl"), "--store", str(folder / "p.sqlite")]
    return ["profile", str(folder / "w.mlir"), *files, *given, *options]


def invoke(folder: Path, url: str | None, *options: str, **env: str) -> Result:
    """Run the command in this process."""
    runner = CliRunner(env={"OPENAI_API_KEY": None, **env})
    return runner.invoke(cli, arguments(folder, url, *options))


def rows(folder: Path, table: str = "call") -> list[dict[str, Any]]:
    """What the store holds."""
    with closing(sqlite3.connect(folder / "p.sqlite")) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY rowid")]


def everything(folder: Path) -> bytes:
    """Every byte of every file beside the store."""
    return b"".join(
        path.read_bytes() for path in sorted(folder.iterdir()) if path.name.startswith("p.sqlite")
    )


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
