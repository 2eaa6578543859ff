"""What emitted files copy: answers are read as the reference reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.backends.asyncio.library import selection, values, written
from flowir.backends.asyncio.library.points import Estimate
from flowir.runtime import values as reference

ANSWERS = st.lists(
    st.sampled_from(
        ["```", "```py", "\n", "\n", " ", "x", "`", "accept", "REJECT", "ed", ": ", "**", "Hard",
         "very hard", "e", "12", "03", "1.", "é", "\r\n", "[1]", '"a"']
    ),
    max_size=9,
).map("".join)  # fmt: skip


@given(ANSWERS)
def test_verdicts(text: str) -> None:
    assert tuple(values.read_verdict(text)) == reference.verdict(text)


@given(ANSWERS, st.lists(st.sampled_from(["Hard", "very hard", "e", "accept"]), unique=True))
def test_labels(text: str, labels: list[str]) -> None:
    assert values.read_label(text, labels) == reference.label(text, labels)


@given(ANSWERS)
def test_code(text: str) -> None:
    blocks = list(reference.fenced(text))
    assert values.read_code(text) == (blocks[-1] if blocks else text)


@given(ANSWERS, st.integers(1, 4))
def test_picks(text: str, count: int) -> None:
    candidates = [f"candidate {i}" for i in range(count)]
    assert values.pick_candidate(text, candidates) == reference.pick(text, candidates)


@given(st.lists(st.sampled_from(["a", " a", "b", "b\n", "c"]), min_size=1, max_size=7))
def test_votes(given_: list[str]) -> None:
    assert values.plurality(given_) == reference.plurality(given_, given_)


def test_known_readings() -> None:
    """The rules of the documentation, word for word."""
    assert values.read_verdict(" **Accepted**: nice\nwork ") == (True, "nice\nwork")
    assert values.read_verdict("reject - too long") == (False, "too long")
    assert values.read_verdict("It is ACCEPT-able") == (False, "It is ACCEPT-able")
    assert values.read_label("**HARD**, I think", ["Hard", "easy"]) == "Hard"
    assert values.read_label("very hard indeed", ["very", "Very Hard"]) == "Very Hard"
    assert values.read_label("  medium-rare or so", ["easy"]) == "medium-rare"
    assert values.read_code("a\n```py\nx = 1\n```\nor\n```\ny\n\n```\nb") == "y\n"
    assert values.read_code("cut off:\n```py\nx = 1") == "x = 1"
    assert values.read_code("no code") == "no code"
    assert values.pick_candidate("Not 0 but 002, or 1", ["a", "b"]) == "b"
    assert values.pick_candidate("the best one", ["a", "b"]) == "a"
    assert values.pick_candidate("9" * 5000, ["a", "b"]) == "a"
    assert values.plurality(["x", "y ", "z", "y"]) == "y "
    assert values.plurality(["b", "a"]) == "b"
    assert values.numbered(["{x}", "y"]) == "1. {x}\n2. y"


def _points(*means: tuple[float, float, float]) -> tuple[written.Point, ...]:
    def estimate(mean: float) -> Estimate:
        return Estimate(mean, mean, mean)

    return tuple(
        written.Point(i, {}, *map(estimate, mean), baseline=not i) for i, mean in enumerate(means)
    )


@given(
    st.lists(st.tuples(*[st.integers(1, 4).map(float)] * 3), min_size=1, max_size=6),
    st.tuples(*[st.none() | st.integers(0, 5).map(float)] * 3),
)
def test_selection_is_by_definition(
    means: list[tuple[float, float, float]], limits: tuple[float | None, ...]
) -> None:
    """Against the definition: the best in the first objective that has no limit, among the rest."""
    points = _points(*means)
    old, selection.POINTS = selection.POINTS, points
    least, most, spend = limits
    within = [
        (accuracy, latency, cost, i)
        for i, (accuracy, latency, cost) in enumerate(means)
        if (least is None or accuracy >= least)
        and (most is None or latency <= most)
        and (spend is None or cost <= spend)
    ]
    try:
        if not within:
            with pytest.raises(selection.SelectionError, match="closest"):
                selection.select(min_accuracy=least, max_latency=most, max_cost=spend)
            return
        chosen = selection.select(min_accuracy=least, max_latency=most, max_cost=spend)
        accuracy, latency, cost = means[chosen.number]
        assert (accuracy, latency, cost, chosen.number) in within
        if least is None or None not in limits:
            assert accuracy == max(a for a, *_ in within)
        elif most is None:
            assert latency == min(s for _, s, *_ in within)
        else:
            assert cost == min(c for _, _, c, _ in within)
    finally:
        selection.POINTS = old
