"""The page of a run says all that its trace says, in a drawing and in words."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.cli.main import cli
from flowir.errors import PrimError
from flowir.prim.trace import QuerySpan, Span, Trace, ordered, read_trace, write_trace
from flowir.report.timeline import timeline
from tests.budget import some

SVG = "{http://www.w3.org/2000/svg}"


def span(
    query: str, node: int, engine: str | None, start: float, end: float, **more: object
) -> Span:
    found = Span(query, node, f"n{node}: embedding", "embedding", engine, node, start, end)
    return replace(found, **more)  # type: ignore[arg-type]


RUN = Trace(
    "rag <script>alert(1)</script>",
    (
        QuerySpan("a & b", 0.0, 0.5, 3),
        QuerySpan("failing", 0.1, None, 3, error='bad "quote" <b>'),
    ),
    ordered(
        [
            span("a & b", 0, "embedding", 0.0, 0.2, items=16, batch=1),
            span("failing", 0, "embedding", 0.0, 0.2, items=4, batch=1),
            span("a & b", 1, "llm", 0.0, 0.1, batch=2, kind="prefilling", name="x: prefilling"),
            span("a & b", 2, "llm", 0.1, 0.15, batch=2, kind="decoding", after=(1,)),
            span("a & b", 3, "llm", 0.3, 0.5, batch=3, kind="decoding", after=(0, 2)),
            span("failing", 3, "llm", 0.25, 0.3, batch=4, outcome="failed", note="<img>"),
        ]
    ),
    simulated=True,
)


class Page(HTMLParser):
    """Tags, and what rows of tables say."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        self.words += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_the_page_is_one_file_without_scripts_and_with_its_text_escaped() -> None:
    text = timeline(RUN)
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe", "b")]
    assert not [a for _, a in page.tags if "src" in a or "href" in a]
    assert "rag <script>alert(1)</script>" in page.words
    assert 'bad "quote" <b>' in page.words
    assert "simulated" in page.words


def test_every_span_is_drawn_and_told() -> None:
    page = Page(timeline(RUN))
    classes = [a.get("class") or "" for tag, a in page.tags if tag == "rect"]
    assert len([c for c in classes if c.startswith("q")]) == len(RUN.spans)
    assert classes.count("frame") == 4
    assert len([c for c in classes if "failed" in c]) == 1
    told = [row for row in page.rows if len(row) == 9][1:]
    assert [row[0] for row in told] == sorted(s.query for s in RUN.spans)
    assert "failed: <img>" in [row[8] for row in told]


def test_the_critical_path_is_marked_with_its_waits() -> None:
    page = Page(timeline(RUN))
    critical = [
        row[1] for row in page.rows if len(row) == 9 and row[7] == "yes" and row[0] == "a & b"
    ]
    assert critical == ["n0: embedding", "n3: embedding"]
    legs = [row for row in page.rows if len(row) == 4][1:3]
    assert legs == [
        ["n0: embedding", "embedding", "0.0", "200.0"],
        ["n3: embedding", "llm", "100.0", "200.0"],
    ]


def test_engines_are_summed_up() -> None:
    page = Page(timeline(RUN))
    lanes = [row for row in page.rows if len(row) == 5][1:]
    assert lanes == [
        ["embedding", "1", "20.0", "200.0", "40 %"],
        ["llm", "3", "1.3", "400.0", "80 %"],
    ]


def test_boxes_lie_within_the_drawing_and_batches_of_an_engine_not_on_each_other() -> None:
    text = timeline(RUN)
    drawing = ElementTree.fromstring(
        text[text.index("<svg") : text.rindex("</svg>") + 6].replace(
            "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1
        )
    )
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    frames = [
        tuple(float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        for rect in drawing.iter(f"{SVG}rect")
        if rect.attrib["class"] == "frame"
    ]
    for x, y, w, h in frames:
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
    for i, (x, y, w, h) in enumerate(frames):
        for x2, y2, w2, h2 in frames[:i]:
            apart = x + w <= x2 + 1e-6 or x2 + w2 <= x + 1e-6 or y + h <= y2 or y2 + h2 <= y
            assert apart


@settings(max_examples=some(15))
@given(st.floats(1e-5, 1e4))
def test_a_run_of_any_length_has_a_few_marks_of_time(end: float) -> None:
    trace = Trace("w", (QuerySpan("q", 0.0, end, 0),), (span("q", 0, "e", 0.0, end),))
    page = Page(timeline(trace))
    marks = [a for tag, a in page.tags if tag == "line"]
    assert 5 <= len(marks) <= 11


def test_a_run_of_nothing_is_a_page_too() -> None:
    assert "0 queries" in " ".join(Page(timeline(Trace("w", (), ()))).words.split())


def test_traces_read_as_they_were_written(tmp_path: Path) -> None:
    write_trace(tmp_path / "run.json", RUN)
    assert read_trace(tmp_path / "run.json") == RUN


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    write_trace(tmp_path / "run.json", RUN)
    result = CliRunner().invoke(cli, ["timeline", str(tmp_path / "run.json")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run.html").read_text() == timeline(RUN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", "no trace"),
        ('{"schema": 9, "spans": []}', "schema 9"),
        ('{"schema": 1, "spans": []}', "'workflow' is missing"),
        (
            '{"schema": 1, "workflow": "w", "simulated": false, "queries": [{"name": "q", '
            '"arrived_s": 2, "answered_s": 1, "result": 0}], "spans": []}',
            "before it starts",
        ),
    ],
)
def test_what_is_no_trace_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "run.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(PrimError, match=said):
        read_trace(file)
    result = CliRunner().invoke(cli, ["timeline", str(file)])
    assert result.exit_code == 1
    assert said in result.output
    assert not (tmp_path / "run.html").exists()
