"""Races in the calculus: votes at quorum and `first`, against runs drawn one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.calculus.expectation import expect
from flowir.calculus.races import with_lanes
from flowir.calculus.realised import realise
from flowir.calculus.scenarios import CallModel
from flowir.calculus.terms import Block, Checker, First, Join, Term, ToolCall, Vote
from flowir.calculus.truths import quorum
from flowir.runtime.racing import settled
from tests.budget import some
from tests.calculus.samples import call, call_model, point, workflow

N = 40_000


def noisy(p: float, seconds: float, scale: float) -> CallModel:
    model = call_model(np.full((1, N), p), seconds=seconds, recovery=np.full((1, N), 0.3))
    return replace(model, latency_scale=np.full((1, N), scale))


@settings(max_examples=some(60))
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["right", "common", "own"])),
        min_size=1,
        max_size=5,
    )
)
def test_a_vote_is_decided_when_the_runtime_would_decide_it(
    cast: list[tuple[int, str]],
) -> None:
    labels = [f"own {i}" if kind == "own" else kind for i, (_, kind) in enumerate(cast)]
    expected = next(
        moment
        for moment in sorted(time for time, _ in cast)
        if settled(
            [
                label if time <= moment else None
                for (time, _), label in zip(cast, labels, strict=True)
            ]
        )
        is not None
    )
    found = quorum(
        [np.array([[float(time)]]) for time, _ in cast],
        [np.array([[label == "right"]]) for label in labels],
        [np.array([[label == "common"]]) for label in labels],
        [1] * len(cast),
    )
    assert found.item() == expected


def test_a_quorum_saves_time_and_changes_no_success() -> None:
    scenarios = point([noisy(0.7, 1.0, 0.5)])
    terms: list[Term] = [call(1, 0), call(2, 0), call(3, 0)]
    waits, ends = (workflow([*terms, Vote((1, 2, 3), 4, q)]) for q in (False, True))
    slow, fast = realise(waits, [[0]], scenarios), realise(ends, [[0]], scenarios)
    np.testing.assert_array_equal(slow.right, fast.right)
    np.testing.assert_array_equal(slow.cost, fast.cost)
    assert (fast.latency <= slow.latency).all()
    assert (fast.latency < slow.latency).mean() > 0.5
    exact = expect(waits, [[0]], scenarios), expect(ends, [[0]], scenarios)
    np.testing.assert_array_equal(exact[0].success, exact[1].success)


def drawn_one_by_one(
    after: tuple[float, ...], checker: bool, rng: np.random.Generator
) -> np.ndarray:
    """[N, 3] right, calls, seconds of a race, each run a sorted list of events."""
    kinds = ((0.9, 2.0, 0.6), (0.5, 1.0, 0.4), (0.7, 1.5, 0.5))
    found = np.empty((N, 3))
    for run in range(N):
        verdicts = []
        for (p, seconds, scale), delay in zip(kinds, after, strict=True):
            right = rng.random() < p
            accepted = not checker or rng.random() < (0.9 if right else 0.3)
            time = delay + seconds * np.exp(scale * rng.standard_normal()) + 0.3 * checker
            verdicts.append((time, right, accepted))
        verdicts.sort()
        time, right, _ = next((v for v in verdicts if v[2]), verdicts[-1])
        found[run] = right, sum(delay < time for delay in after), time
    return found


@pytest.mark.parametrize("checker", [False, True])
@pytest.mark.parametrize("after", [(0.0, 0.0, 0.0), (0.0, 1.5, 0.0), (0.5, 0.0, 2.0)])
def test_both_tracks_have_the_means_of_runs_drawn_one_by_one(
    after: tuple[float, ...], checker: bool
) -> None:
    judge = Checker("tests", "check", latency_s=0.3) if checker else None
    terms = [*(call(i + 1, 0, by=i) for i in range(3)), First("f", (1, 2, 3), 4, judge, after)]
    scenarios = point([noisy(0.9, 2.0, 0.6), noisy(0.5, 1.0, 0.4), noisy(0.7, 1.5, 0.5)])
    scenarios = replace(scenarios, checkers=point([noisy(1, 1, 0)], tests=(0.9, 0.3)).checkers)
    race = workflow(terms)
    truth = drawn_one_by_one(after, checker, np.random.default_rng(7))
    error = truth.std(axis=0) / np.sqrt(N)
    exact = expect(race, [[0, 0, 0]], scenarios)
    runs = realise(race, [[0, 0, 0]], scenarios)
    means = [exact.success[0, 0], exact.calls[0, 0], exact.latency[0, 0]]
    drawn = [runs.right.mean(), runs.calls.mean(), runs.latency.mean()]
    assert (np.abs(truth.mean(axis=0) - means) <= 4.5 * error + 1e-6).all()
    assert (np.abs(truth.mean(axis=0) - drawn) <= 6.5 * error + 1e-6).all()


def test_without_noise_the_order_is_that_of_the_latencies() -> None:
    models = [call_model(0.6, seconds=s) for s in (3.0, 1.0)]
    sure = workflow([call(1, by=0), call(2, by=1), First("f", (1, 2), 3)])
    found = expect(sure, [[0, 0]], point(models))
    assert (found.success.item(), found.latency.item()) == pytest.approx((0.6, 1.0))
    hedged = workflow([call(1, by=0), call(2, by=1), First("f", (1, 2), 3, None, (0.0, 2.5))])
    found = expect(hedged, [[0, 0]], point(models))
    assert (found.latency.item(), found.calls.item()) == pytest.approx((3.0, 2.0))


def test_in_sequence_candidates_are_made_until_one_is_accepted() -> None:
    judge = Checker("tests", "check")
    race = workflow([call(1), call(2), First("f", (1, 2), 3, judge)])
    found = expect(race, [[0]], point([call_model(0.5)], tests=(1.0, 0.0)), "sequential")
    assert found.success.item() == pytest.approx(0.75)
    assert found.calls.item() == pytest.approx(1.5)


def test_a_lane_is_what_only_its_race_reads() -> None:
    terms: Callable[[bool], list[Term]] = lambda writes: [  # noqa: E731
        call(1, 0),
        call(2, 1),
        call(3, 1),
        ToolCall("t", "tidy", (3,), 4, writes=writes),
        call(5, 2),
        First("f", (4, 5), 6),
        Join("all", (6, 1), 7),
    ]

    def made(writes: bool) -> list[list[int]]:
        laned = with_lanes(Block(tuple(terms(writes)), 7, (0,)))
        (race,) = (term for term in laned.terms if isinstance(term, First))
        return [[term.output for term in lane.terms] for lane in race.lanes]

    assert made(writes=False) == [[3, 4], [2, 5]]
    assert made(writes=True) == [[], [2, 5]]
