"""The pieces of an answer while it is written: the same however the stream cuts it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.dialects import flow
from flowir.runtime.pieces import FORMS, Form, JsonReader, piece_reader, pieces_of
from flowir.runtime.values import InterpretationError, parse
from tests.budget import some

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SPACES = st.text(alphabet=" \t\n\r", max_size=3)
SCRAPS = st.lists(
    st.sampled_from(["1. ", "2) ", "- ", "one", "two words", "\n", "\r\n", "\r", "\u2028", " "]),
    max_size=12,
).map("".join)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """The text of a JSON array, laid out at will and perhaps fenced, and its elements."""
    values = draw(st.lists(VALUES, max_size=4))
    gap = draw(SPACES)
    inner = f"{gap},{draw(SPACES)}".join(
        json.dumps(value, ensure_ascii=draw(st.booleans())) for value in values
    )
    text = f"{gap}[{gap}{inner}{draw(SPACES)}]{draw(SPACES)}"
    if draw(st.booleans()):
        text = f"```{draw(st.sampled_from(['', 'json']))}\n{text}\n```"
    return text, values


def cut(draw: st.DrawFn, text: str) -> list[str]:
    """A text in pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    text = draw(SCRAPS | st.text())
    return text, cut(draw, text)


@st.composite
def cut_arrays(draw: st.DrawFn) -> tuple[list[str], list[Any]]:
    text, values = draw(arrays())
    return cut(draw, text), values


def read(form: Form, parts: list[str]) -> list[Any]:
    reader = piece_reader(form)
    return [*(piece for part in parts for piece in reader.feed(part)), *reader.close()]


@settings(max_examples=some(60))
@given(cut_texts(), st.sampled_from(["lines", "numbered"]))
def test_any_cut_of_a_text_gives_the_same_pieces(cut: tuple[str, list[str]], form: Form) -> None:
    text, parts = cut
    assert read(form, parts) == pieces_of(form, text)


@settings(max_examples=some(50))
@given(cut_texts())
def test_lines_are_those_that_a_whole_answer_is_read_as(cut: tuple[str, list[str]]) -> None:
    text, parts = cut
    whole = parse("lines", flow.ListType(flow.TextType()), text, (), "")
    assert read("lines", parts) == whole


@settings(max_examples=some(60))
@given(cut_arrays())
def test_any_cut_of_an_array_gives_its_elements(cut: tuple[list[str], list[Any]]) -> None:
    parts, values = cut
    assert read("json", parts) == values
    assert parse("json", flow.ListType(flow.JsonType()), "".join(parts), (), "") == values


@settings(max_examples=some(40))
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_an_element_comes_before_the_next_one_does(values: list[Any]) -> None:
    reader = piece_reader("json")
    reader.feed("[")
    for value in values:
        assert reader.feed(json.dumps(value) + " ,") == [value]


def test_a_line_comes_with_its_end() -> None:
    reader = piece_reader("lines")
    assert reader.feed("first\nsec") == ["first"]
    assert reader.feed("ond\n") == ["second"]
    assert reader.feed("third") == []
    assert reader.close() == ["third"]


def test_items_may_have_several_lines_and_words_around_them() -> None:
    text = "Here are three:\n\n1. Mercury\n2) Venus,\n   hot\n- Earth\n\nThat is all."
    assert pieces_of("numbered", text) == ["Mercury", "Venus,\nhot", "Earth"]


def test_an_item_comes_when_the_next_one_begins() -> None:
    reader = piece_reader("numbered")
    assert reader.feed("1. Mercury\n2. Ve") == []
    assert reader.feed("nus\n") == ["Mercury"]
    assert reader.close() == ["Venus"]


def test_an_array_behind_words_is_read_when_all_is_there() -> None:
    reader = piece_reader("json")
    assert reader.feed('Here they are:\n```json\n["a", "b"]\n```\n') == []
    assert reader.close() == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["", "no list", "[1, 2", "[1 2]", "[1, 2] and more", '{"a": 1}', "[1,]", "```json\n[1"]
)
def test_what_is_no_array_is_an_error(text: str) -> None:
    with pytest.raises(InterpretationError, match="JSON"):
        pieces_of("json", text)


def test_an_element_of_another_type_is_an_error_at_once() -> None:
    reader = JsonReader(flow.TextType())
    assert reader.feed('["a",') == ["a"]
    with pytest.raises(InterpretationError, match="JSON of type"):
        reader.feed(" 1,")


def test_every_form_has_a_reader_that_takes_an_empty_piece() -> None:
    for form in FORMS:
        assert piece_reader(form).feed("") == []
