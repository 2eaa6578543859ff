"""Data sets of sub-agents as files: one JSON lines file for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from flowir.errors import ProfilerError
from flowir.files import write_atomically
from flowir.profiler.requests import Example


def write_datasets(folder: str | Path, examples: Mapping[str, Sequence[Example]]) -> list[Path]:
    """Write `AGENT.jsonl` for every agent into a folder, which is made if need be.

    Raises:
        ProfilerError: a file cannot be written.
    """
    written = []
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for agent, some in examples.items():
            path = Path(folder, f"{agent}.jsonl")
            lines = (json.dumps(_row(one), ensure_ascii=False) + "\n" for one in some)
            write_atomically(path, "".join(lines))
            written.append(path)
    except OSError as error:
        raise ProfilerError(f"{folder}: data sets cannot be written ({error.strerror})") from None
    return written


def _row(one: Example) -> dict[str, object]:
    return {
        "sub_agent": one.agent,
        "id": one.query,
        "variant": one.variant,
        "messages": [{"role": role, "content": content} for role, content in one.messages],
        "expected": one.expected,
        "input_correct": one.input_correct,
        "proxy": one.proxy,
    }
