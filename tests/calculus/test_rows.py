"""Each row of the calculus table against enumeration of every outcome."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.calculus import rows

probabilities = st.floats(0.0, 1.0)
several = st.lists(probabilities, min_size=1, max_size=5)


def chance(happens: tuple[bool, ...], p: list[float]) -> float:
    return prod(x if yes else 1 - x for yes, x in zip(happens, p, strict=True))


@given(probabilities, probabilities, probabilities)
def test_call_mixes_success_and_recovery(u: float, p: float, p0: float) -> None:
    assert rows.call(u, p, p0) == pytest.approx(u * p + (1 - u) * p0, abs=1e-12)


@given(several)
def test_all_and_any_over_every_pattern(p: list[float]) -> None:
    patterns = [(x, chance(x, p)) for x in product([False, True], repeat=len(p))]
    assert rows.all_of(*p) == pytest.approx(sum(c for x, c in patterns if all(x)), abs=1e-12)
    assert rows.any_of(*p) == pytest.approx(sum(c for x, c in patterns if any(x)), abs=1e-12)


@st.composite
def ballots(draw: st.DrawFn) -> tuple[list[float], list[float], list[int]]:
    n = draw(st.integers(1, 6))
    sized = {"min_size": n, "max_size": n}
    return (
        draw(st.lists(probabilities, **sized)),
        draw(st.lists(st.sampled_from([0.0, 0.25, 0.7, 1.0]), **sized)),
        draw(st.lists(st.integers(1, 3), **sized) if n < 5 else st.just([1] * n)),
    )


@given(ballots())
def test_vote_is_plurality_over_all_3_to_the_n_patterns(
    ballot: tuple[list[float], list[float], list[int]],
) -> None:
    p, g, votes = ballot
    expected = 0.0
    for labels in product(["right", "common", "own"], repeat=len(p)):
        weight = 1.0
        cast: list[object] = []
        for i, label in enumerate(labels):
            of_wrong = g[i] if label == "common" else 1 - g[i]
            weight *= p[i] if label == "right" else (1 - p[i]) * of_wrong
            cast += [label if label != "own" else i] * votes[i]
        most = max(map(cast.count, cast))
        winner = next(label for label in cast if cast.count(label) == most)
        expected += weight * (winner == "right")
    assert rows.vote(p, g, votes) == pytest.approx(expected, abs=1e-12)
    arrays = [np.full((2, 3), x) for x in p]
    assert rows.vote(arrays, [np.full(3, x) for x in g], votes) == pytest.approx(expected)


def test_vote_of_many_is_polynomial() -> None:
    """Where wrong answers agree and ties lose, plurality is the binomial upper tail."""
    n, p = 41, 0.55
    tail, term = 0.0, (1 - p) ** n
    for k in range(n + 1):
        tail += term if k > n / 2 else 0.0
        term *= (n - k) / (k + 1) * p / (1 - p)
    assert rows.vote([p] * n, [1.0] * n) == pytest.approx(tail, abs=1e-12)
    assert rows.vote([p] * n, [0.5] * n) > tail


@given(st.lists(probabilities, min_size=1, max_size=5), probabilities, probabilities)
def test_fallback_over_every_history(p: list[float], on_right: float, on_wrong: float) -> None:
    runs = [0.0] * len(p)
    success = 0.0

    def tier(k: int, weight: float) -> None:
        nonlocal success
        runs[k] += weight
        for right, x in ((True, p[k]), (False, 1 - p[k])):
            accept = on_right if right else on_wrong
            if k == len(p) - 1:
                success += weight * x * right
            else:
                success += weight * x * accept * right
                tier(k + 1, weight * x * (1 - accept))

    tier(0, 1.0)
    row = rows.fallback(p, on_right, on_wrong)
    assert row.success == pytest.approx(success, abs=1e-12)
    assert row.runs == pytest.approx(runs, abs=1e-12)


@given(
    probabilities,
    probabilities,
    probabilities,
    probabilities,
    probabilities,
    st.integers(0, 4),
)
def test_refine_over_every_history(
    initial: float, kept: float, mended: float, on_right: float, on_wrong: float, bound: int
) -> None:
    totals = {"success": 0.0, "checks": 0.0, True: 0.0, False: 0.0}

    def judge(right: bool, weight: float, left: int) -> None:
        if left == 0:
            totals["success"] += weight * right
            return
        totals["checks"] += weight
        accept = on_right if right else on_wrong
        totals["success"] += weight * accept * right
        totals[right] += weight * (1 - accept)
        becomes = kept if right else mended
        judge(True, weight * (1 - accept) * becomes, left - 1)
        judge(False, weight * (1 - accept) * (1 - becomes), left - 1)

    judge(True, initial, bound)
    judge(False, 1 - initial, bound)
    row = rows.refine(initial, kept, mended, on_right, on_wrong, bound)
    assert row.success == pytest.approx(totals["success"], abs=1e-12)
    assert row.checks == pytest.approx(totals["checks"], abs=1e-12)
    assert row.runs_on_right == pytest.approx(totals[True], abs=1e-12)
    assert row.runs_on_wrong == pytest.approx(totals[False], abs=1e-12)


@given(probabilities, st.integers(0, 40))
def test_map_needs_every_item(p: float, width: int) -> None:
    array = np.array([p])
    assert rows.map(array, width) == pytest.approx(p**width, abs=1e-12)
    assert rows.map(array, width, mean=True) == pytest.approx(p)


def test_what_is_certain_costs_no_arithmetic() -> None:
    p = np.array([0.3, 0.4])
    assert rows.call(1.0, p, 0.0) is p
    assert rows.call(0.0, p, 0.0) == 0.0
    assert rows.all_of(1.0, p, 1.0) is p
    assert rows.select(1.0, p) is p
    assert rows.branch([1.0, 0.0], [p, p * 2]) is p
