"""A run on a page of HTML: a lane for each engine, its batches, and the critical path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from flowir.prim.trace import Span, Trace
from flowir.report.ticks import ticks

WIDTH = 1000.0
"""Of the drawing, in its own units; a page scales it."""

ROW, GAP, LABEL = 22.0, 10.0, 150.0
"""Height of a row, space between lanes, and room for their names."""

MARGIN = 40.0
"""At the right, for the last mark of time."""

COLOURS = 6
"""Of queries; the style sheet has as many, and queries beyond take them again."""


@dataclass(frozen=True)
class Box:
    """A share of a batch, drawn.

    Attributes:
        colour: which of the colours of queries.
        phase: `prefill`, `decode`, or `other`.
        critical: whether it is on the critical path of its query.
        said: all there is to say of it.
    """

    x: float
    y: float
    width: float
    height: float
    colour: int
    phase: str
    critical: bool
    failed: bool
    label: str
    said: str


@dataclass(frozen=True)
class Frame:
    """Around the shares of a batch."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Lane:
    """An engine: how many calls it had, their mean size, and how busy it was."""

    name: str
    y: float
    height: float
    batches: int
    items: float
    busy_s: float
    share: float


@dataclass(frozen=True)
class Leg:
    """A step of a critical path: the wait before it, and itself."""

    span: Span
    waited_s: float


def timeline(trace: Trace) -> str:
    """The page: one file that needs no other, and no script."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["ms"] = lambda seconds: f"{1000 * seconds:,.1f}"
    source = files("flowir.report").joinpath("page/timeline.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(_page(trace))


def _page(trace: Trace) -> Mapping[str, Any]:
    """What the template shows."""
    end = max((span.end_s for span in trace.spans), default=0.0) or 1.0
    legs = {query.name: _legs(trace, query.name) for query in trace.queries}
    critical = {(name, leg.span.node) for name, path in legs.items() for leg in path}
    colours = {query.name: number % COLOURS for number, query in enumerate(trace.queries)}
    lanes: list[Lane] = []
    boxes: list[Box] = []
    frames: list[Frame] = []
    y = GAP
    for name in trace.engines:
        spans = [span for span in trace.spans if span.engine == name]
        rows = _rows(spans)
        for row, batches in enumerate(rows):
            for batch in batches:
                top = y + row * ROW
                drawn = _boxes(batch, top, end, colours, critical)
                boxes += drawn
                left = min(box.x for box in drawn)
                right = max(box.x + box.width for box in drawn)
                frames.append(Frame(left, top, right - left, ROW - 3))
        height = ROW * len(rows)
        lanes.append(_lane(name, y, height, rows, end))
        y += height + GAP
    return {
        "trace": trace,
        "lanes": lanes,
        "boxes": boxes,
        "frames": frames,
        "ticks": [(LABEL + _scaled(at, end), at) for at in ticks(0.0, end)],
        "width": WIDTH,
        "label": LABEL,
        "height": y + 24,
        "axis": y,
        "legs": legs,
        "critical": critical,
        "colours": colours,
        "end_s": end,
        "spans": sorted(trace.spans, key=lambda s: (s.query, s.start_s, s.node)),
    }


def _legs(trace: Trace, query: str) -> list[Leg]:
    path = trace.critical_path(query)
    asked = next(one for one in trace.queries if one.name == query)
    found, before = [], asked.arrived_s
    for span in path:
        found.append(Leg(span, max(0.0, span.start_s - before)))
        before = span.end_s
    return found


def _rows(spans: Iterable[Span]) -> list[list[list[Span]]]:
    """Batches in as few rows as they need, the earliest first."""
    batches: dict[int | None, list[Span]] = {}
    for span in spans:
        batches.setdefault(span.batch, []).append(span)
    rows: list[tuple[float, list[list[Span]]]] = []
    for batch in sorted(batches.values(), key=lambda b: (min(s.start_s for s in b), b[0].node)):
        start, end = min(s.start_s for s in batch), max(s.end_s for s in batch)
        for place, (until, row) in enumerate(rows):
            if until <= start:
                row.append(batch)
                rows[place] = (end, row)
                break
        else:
            rows.append((end, [batch]))
    return [row for _, row in rows]


def _boxes(
    batch: Sequence[Span],
    top: float,
    end: float,
    colours: Mapping[str, int],
    critical: set[tuple[str, int]],
) -> list[Box]:
    """Shares of one time stand above each other, those of one request behind each other."""
    together: dict[tuple[float, float], list[Span]] = {}
    for span in batch:
        together.setdefault((span.start_s, span.end_s), []).append(span)
    found = []
    for (start, stop), spans in together.items():
        height = (ROW - 3) / len(spans)
        for place, span in enumerate(spans):
            found.append(
                Box(
                    LABEL + _scaled(start, end),
                    top + place * height,
                    max(0.8, _scaled(stop - start, end)),
                    height,
                    colours.get(span.query, 0),
                    _phase(span.kind),
                    (span.query, span.node) in critical,
                    span.outcome != "done",
                    span.name if height > 12 and _scaled(stop - start, end) > 70 else "",
                    _said(span),
                )
            )
    return found


def _lane(
    name: str, y: float, height: float, rows: Sequence[Sequence[Sequence[Span]]], end: float
) -> Lane:
    batches = [batch for row in rows for batch in row]
    intervals = sorted((min(s.start_s for s in b), max(s.end_s for s in b)) for b in batches)
    busy, until = 0.0, 0.0
    for start, stop in intervals:
        busy += max(0.0, stop - max(start, until))
        until = max(until, stop)
    items = sum(span.items for batch in batches for span in batch)
    return Lane(name, y, height, len(batches), items / len(batches), busy, busy / end)


def _phase(kind: str) -> str:
    return "prefill" if "prefill" in kind else "decode" if "decod" in kind else "other"


def _said(span: Span) -> str:
    words = [
        f"{span.name} of query {span.query}",
        f"{span.engine}, batch {span.batch}, {span.items} item{'s' * (span.items != 1)}",
        f"{1000 * span.start_s:.1f} to {1000 * span.end_s:.1f} ms",
    ]
    words += [span.outcome] if span.outcome != "done" else []
    return "; ".join([*words, *([span.note] if span.note else [])])


def _scaled(seconds: float, end: float) -> float:
    return round((WIDTH - LABEL - MARGIN) * seconds / end, 2)
