"""Runs a graph on inputs that a person gave for it, and records what it does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowir.frontends.langgraph.facts import GraphImportError


def read_inputs(path: str | Path) -> list[dict[str, Any]]:
    """States to begin with, one JSON object a line.

    Raises:
        GraphImportError: the file is missing or empty, or lines are no objects: all of them.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise GraphImportError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise GraphImportError(f"{path}: not UTF-8 text; give one JSON object a line") from None
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict):
            found.append(value)
        else:
            problems.append(f"line {number} is no JSON object")
    if problems:
        raise GraphImportError(f"{path}: {'; '.join(problems[:20])}")
    if not found:
        raise GraphImportError(f"{path}: no inputs; give one JSON object a line, the state's keys")
    return found


def record(
    compiled: Any, inputs: Sequence[dict[str, Any]], path: str | Path, graph: str
) -> list[str]:
    """Run a graph on each input in turn; what failed, in words. The runs are added to the file."""
    from flowir.frontends.langgraph.runs.recorder import Recorder

    recorder = Recorder(path, graph)
    failed: list[str] = []

    async def main() -> None:
        for number, state in enumerate(inputs, start=1):
            config = {
                "callbacks": [recorder],
                "configurable": {"thread_id": f"flowir-{number}"},
            }
            try:
                await compiled.ainvoke(state, config)
            except Exception as error:
                failed.append(f"the run on input {number} failed: {type(error).__name__}: {error}")

    asyncio.run(main())
    return failed
