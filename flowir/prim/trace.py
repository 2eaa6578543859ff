"""What happened when: the primitives of a run, or of a simulation, on their engines.

    {"schema": 1, "workflow", "simulated", "engines": […], "queries": [{"name", "arrived_s",
      "answered_s", "result", "error"}], "spans": [{"query", "node", "name", "kind", "engine",
      "batch", "start_s", "end_s", "items", "after", "outcome", "note"}]}

Seconds count from the start of the run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from flowir.errors import PrimError
from flowir.files import write_atomically

SCHEMA = 1

Outcome = Literal["done", "failed", "cancelled"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Span:
    """A primitive of a query, or the share of it that one batch did.

    Attributes:
        node: its index in the query's graph.
        engine: None where it took no time.
        batch: tells batches, and requests of a language model, apart; None without an engine.
        items: of it, in this batch.
        after: indices of the nodes it needed.
        note: what else there is to say, such as why it failed.
    """

    query: str
    node: int
    name: str
    kind: str
    engine: str | None
    batch: int | None
    start_s: float
    end_s: float
    items: int = 1
    after: tuple[int, ...] = ()
    outcome: Outcome = "done"
    note: str = ""


@dataclass(frozen=True)
class QuerySpan:
    """A query.

    Attributes:
        answered_s: None where it failed.
        result: index of the node that gives its answer.
        error: why it failed.
    """

    name: str
    arrived_s: float
    answered_s: float | None
    result: int
    error: str = ""


@dataclass(frozen=True)
class Trace:
    """A run of queries, in the order in which they arrived; spans by when they started."""

    workflow: str
    queries: tuple[QuerySpan, ...]
    spans: tuple[Span, ...]
    simulated: bool = False

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that did something, by name."""
        return tuple(sorted({span.engine for span in self.spans if span.engine is not None}))

    def critical_path(self, query: str) -> tuple[Span, ...]:
        """From the answer backwards, of what each needed the one that ended last; in order.

        What it waited for in the queue of an engine is the gap before a span.
        """
        last: dict[int, Span] = {}
        for span in self.spans:
            if span.query == query and (
                span.node not in last or span.end_s >= last[span.node].end_s
            ):
                last[span.node] = span
        asked = next((one for one in self.queries if one.name == query), None)
        found: list[Span] = []
        current = None if asked is None else last.get(asked.result)
        while current is not None:
            found.append(current)
            before = [last[node] for node in current.after if node in last]
            current = max(before, key=lambda one: (one.end_s, one.node), default=None)
        return tuple(reversed(found))


def write_trace(path: str | Path, trace: Trace) -> None:
    """Write a trace.

    Raises:
        PrimError: the file cannot be written.
    """
    document = {
        "schema": SCHEMA,
        "workflow": trace.workflow,
        "simulated": trace.simulated,
        "engines": trace.engines,
        "queries": [asdict(query) for query in trace.queries],
        "spans": [asdict(span) for span in trace.spans],
    }
    try:
        write_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise PrimError(f"{path}: cannot be written ({error.strerror})") from None


def read_trace(path: str | Path) -> Trace:
    """Read a trace.

    Raises:
        PrimError: the file is missing, no trace, or one of another schema.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PrimError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise PrimError(f"{path}: not JSON ({error})") from None
    if not isinstance(document, dict) or "spans" not in document:
        raise PrimError(f"{path}: no trace of a run; write one with --trace")
    if document.get("schema") != SCHEMA:
        raise PrimError(
            f"{path}: a trace of schema {document.get('schema')}, this flowir reads {SCHEMA}; "
            "run again"
        )
    try:
        return Trace(
            str(document["workflow"]),
            tuple(_query(entry) for entry in document["queries"]),
            tuple(_span(entry) for entry in document["spans"]),
            bool(document["simulated"]),
        )
    except KeyError as error:
        raise PrimError(f"{path}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise PrimError(f"{path}: {error}") from None


def ordered(spans: Iterable[Span]) -> tuple[Span, ...]:
    """By start, end, query and node."""
    return tuple(sorted(spans, key=lambda s: (s.start_s, s.end_s, s.query, s.node)))


def _query(entry: Mapping[str, Any]) -> QuerySpan:
    query = QuerySpan(**entry)
    _times(query.name, query.arrived_s, query.answered_s)
    return query


def _span(entry: Mapping[str, Any]) -> Span:
    span = Span(**{**entry, "after": tuple(entry["after"])})
    _times(span.name, span.start_s, span.end_s)
    if span.outcome not in OUTCOMES:
        raise ValueError(f"{span.name}: outcome {span.outcome!r} is none of {', '.join(OUTCOMES)}")
    return span


def _times(name: str, start: Any, end: Any) -> None:
    for seconds in (start, start if end is None else end):
        if not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise ValueError(f"{name}: {seconds!r} are no seconds")
    if end is not None and end < start:
        raise ValueError(f"{name} ends at {end} s, before it starts at {start} s")
