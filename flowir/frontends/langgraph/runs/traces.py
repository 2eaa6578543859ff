"""Recorded runs as JSON lines: one line per run.

    {"flowir_run": 1, "graph": "my.module:graph", "run": "…", "started": 1.7e9, "seconds": 4.2,
     "error": "", "visits": […], "decisions": […], "calls": […]}

A run holds names, counts and times, and nothing that anybody wrote: no prompts, answers or state.
Seconds count from the start of the run. Nodes of subgraphs are `outer/inner`; `within` tells the
runs of one subgraph in one run apart, 0 being the graph itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from flowir.frontends.langgraph.facts import GraphImportError

FORMAT = 1
MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Visit:
    """One run of a node."""

    node: str
    within: int
    step: int
    started: float
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Decision:
    """What a router answered, or where a node went by `Command` (then `router` is empty)."""

    node: str
    router: str
    answers: tuple[str, ...] = ()
    sends: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCall:
    """One call of a model; tokens are None where the provider did not say."""

    node: str
    model: str
    started: float
    seconds: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Run:
    """One run of a graph that has ended; `error` is the type of what it failed with, or empty."""

    graph: str
    run: str
    started: float
    seconds: float
    error: str
    visits: tuple[Visit, ...]
    decisions: tuple[Decision, ...]
    calls: tuple[ModelCall, ...]

    def line(self) -> str:
        """The run as a line of a file."""
        return json.dumps({"flowir_run": FORMAT, **asdict(self)}) + "\n"


def read_runs(path: str | Path) -> tuple[Run, ...]:
    """The runs of a file.

    Raises:
        GraphImportError: the file is missing or empty, or lines are bad: all of them, with reasons.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise GraphImportError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise GraphImportError(f"{path}: not UTF-8 text; give what flowir has recorded") from None
    runs: dict[str, Run] = {}
    problems: list[str] = []
    for number, text in enumerate(lines, start=1):
        if text.strip():
            try:
                run = _run(json.loads(text))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                problems.append(f"line {number}: {_why(error)}")
            else:
                runs[run.run] = run
    if problems:
        shown = problems[:MOST_PROBLEMS]
        if len(problems) > len(shown):
            shown.append(f"and {len(problems) - len(shown)} more")
        raise GraphImportError(f"{path}: {'; '.join(shown)}")
    if not runs:
        raise GraphImportError(f"{path}: no runs; record some with --record or the Recorder")
    return tuple(runs.values())


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg})"
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _run(found: Any) -> Run:
    if not isinstance(found, dict) or "flowir_run" not in found:
        raise ValueError("no recorded run; give what flowir has recorded")
    if found["flowir_run"] != FORMAT:
        raise ValueError(f"of format {found['flowir_run']!r}, but read is {FORMAT}; record again")
    return Run(
        _text(found["graph"], "graph"),
        _text(found["run"], "run"),
        _number(found["started"], "started"),
        _number(found["seconds"], "seconds"),
        _text(found["error"], "error"),
        tuple(_event(Visit, event) for event in found["visits"]),
        tuple(_decision(event) for event in found["decisions"]),
        tuple(_event(ModelCall, event) for event in found["calls"]),
    )


def _decision(event: Mapping[str, Any]) -> Decision:
    sends = {_text(k, "sends"): _count(v, "sends") for k, v in event["sends"].items()}
    answers = tuple(_text(answer, "answers") for answer in event["answers"])
    return Decision(_text(event["node"], "node"), _text(event["router"], "router"), answers, sends)


_Record = TypeVar("_Record", Visit, ModelCall)
_READ = {
    "node": "text",
    "model": "text",
    "error": "text",
    "within": "count",
    "step": "count",
    "started": "number",
    "seconds": "number",
    "input_tokens": "count or null",
    "output_tokens": "count or null",
}


def _event(kind: type[_Record], event: Mapping[str, Any]) -> _Record:
    found: dict[str, Any] = {}
    for name in (part.name for part in fields(kind)):
        value, what = event[name], _READ[name]
        if what.endswith("or null") and value is None:
            found[name] = None
        else:
            found[name] = _READERS[what.partition(" ")[0]](value, name)
    return kind(**found)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not a text")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value!r}, not a number of zero or more")
    return float(value)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}, not a count")
    return value


_READERS = {"text": _text, "number": _number, "count": _count}
