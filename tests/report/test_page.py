"""The page stands alone, shows every point, and takes what models write for text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from flowir.report.gather import Report, gather
from flowir.report.plots import LEFT, RIGHT, WIDTH
from flowir.report.render import render


class Reader(HTMLParser):
    """Tags with their attributes, ids, and text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.shown: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.shown.append(data)

    @property
    def ids(self) -> list[str]:
        return [i for _, attributes in self.tags if (i := attributes.get("id")) is not None]


def test_it_needs_nothing_else(page: str) -> None:
    for tag, attributes in Reader(page).tags:
        assert tag not in ("link", "iframe", "object", "embed")
        for name in ("src", "srcset", "action"):
            assert name not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", page)


def test_every_link_leads_somewhere_and_no_id_comes_twice(page: str) -> None:
    read = Reader(page)
    assert len(read.ids) == len(set(read.ids))
    links = {a["href"] for tag, a in read.tags if tag == "a"}
    assert {str(link)[1:] for link in links} <= set(read.ids)


def test_text_of_models_is_text(page: str, report: Report) -> None:
    """The prompt stands in the hint of a box and in the Python; it makes no element."""
    read = Reader(page)
    assert all(tag != "img" for tag, _ in read.tags)
    assert any("{{ 7 * 7 }}" in (a.get("title") or "") for _, a in read.tags)
    assert page.count("<script") == page.count("</script>") == 2
    assert len(report.points) >= 2


def test_every_point_is_there_with_its_python(page: str, report: Report) -> None:
    read = Reader(page)
    shown = "".join(read.shown)
    for point in report.points:
        assert f"point-{point.number}" in read.ids
        assert point.row.accuracy in shown
        assert point.python in shown
        compile(point.python, "emitted", "exec")
    found = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert found is not None
    document = json.loads(found.group(1))
    assert len(document["points"]) == len(report.points)


def test_what_is_assumed_is_said(page: str, report: Report) -> None:
    shown = "".join(Reader(page).shown)
    assert report.front.facts.assumptions
    for sentence in report.front.facts.assumptions:
        assert sentence in shown
    assert "nothing here is a measurement of the whole workflow" in shown
    assert str(report.front.facts.seed) in shown


def test_figures_have_words(page: str) -> None:
    """Every picture has a text alternative, every input a label, every header cell a scope."""
    read = Reader(page)
    labels = {a.get("for") for tag, a in read.tags if tag == "label"}
    for tag, attributes in read.tags:
        if tag == "svg" or attributes.get("role") == "img" or tag == "meter":
            assert attributes.get("aria-label")
        if tag == "input":
            assert attributes.get("aria-label") or attributes.get("id") in labels
        if tag == "th":
            assert attributes.get("scope")


def test_dots_stand_where_their_numbers_are(report: Report) -> None:
    """Places are ordered as the values are, within the frame."""
    for plot in report.plots:
        values = [p.estimates[plot.across.quantity] for p in report.front.points]
        xs = [dot.x for dot in plot.dots]
        assert np.argsort(xs).tolist() == np.argsort([v.mean for v in values]).tolist()
        for dot in plot.dots:
            assert LEFT <= dot.x_low <= dot.x <= dot.x_high <= WIDTH - RIGHT
        ticks = [place for place, _ in plot.across.ticks]
        assert len(ticks) >= 2
        assert ticks == sorted(ticks)


def test_the_timeline_follows_the_operands(report: Report) -> None:
    """`a` and `b` start together, `end` after the slower one, which is on the critical path."""
    for point in report.points:
        bars = {bar.site: bar for bar in point.bars}
        assert bars["a"].start == bars["b"].start == 0.0
        assert bars["end"].start == max(bars["a"].end, bars["b"].end)
        slower = max(("a", "b"), key=lambda site: bars[site].end)
        assert bars[slower].critical
        assert bars["end"].critical
        assert [bars[site].superstep for site in ("a", "b", "end")] == [0, 0, 1]


def test_rows_of_a_graph_follow_the_arrows(report: Report) -> None:
    (workflow,) = report.points[0].graph
    rows = [[box.lines[0] for box in row] for row in workflow.rows]
    assert [sorted(row) for row in rows][1] == ["a", "b"]
    assert rows[-1] == ["result: text"]


def test_without_observations_the_front_is_shown_all_the_same(module: ModuleOp) -> None:
    read = Reader(render(gather(module)))
    assert "point-0" in read.ids
    assert "agents" not in read.ids
