"""What a joiner decides, brackets and lines included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.plan.joiner import Decision, JoinerError, read_decision


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ("Thought: high\nAction: Finish(Everest (8848 m))", ("finish", "Everest (8848 m)", "high")),
        ("Action: Finish(a\nb (c)\nd)", ("finish", "a\nb (c)\nd", "")),
        ("Thought: no\nAction: Replan(the price (EUR))\n", ("replan", "the price (EUR)", "no")),
        ('Action: Finish("quoted $1")', ("finish", "quoted $1", "")),
        ("Finish(42)", ("finish", "42", "")),
        ("**Action:** Finish(42)", ("finish", "42", "")),
        ("Thought: x\nAction: Finish(never closed", ("finish", "never closed", "x")),
        ("Thought: x\nAction: Replan", ("replan", "", "x")),
        ("Action: Replan(a)\nThought: rather\nAction: Finish(b)", ("finish", "b", "rather")),
        ("Action: Finish(see\nReplan(x)\nabove)", ("finish", "see\nReplan(x)\nabove", "")),
        ("Action: Finish()", ("finish", "", "")),
    ],
)  # fmt: skip
def test_the_decision_is_read_whole(answer: str, decision: tuple[str, str, str]) -> None:
    action, text, thought = decision
    assert read_decision(answer) == Decision(action, text, thought)  # type: ignore[arg-type]


TEXTS = st.text(st.characters(blacklist_categories=["Cs"])).map(str.strip)


@given(TEXTS.filter(lambda text: text[:1] not in ("'", '"') and "inish" not in text.lower()))
def test_any_answer_comes_back(text: str) -> None:
    if "eplan" not in text.lower():
        assert read_decision(f"Thought: t\nAction: Finish({text})").text == text


@given(st.text().filter(lambda text: "inish" not in text.lower() and "eplan" not in text.lower()))
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(JoinerError, match="Finish"):
        read_decision(text)
