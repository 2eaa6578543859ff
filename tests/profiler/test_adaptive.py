"""Adaptive profiling: the belief, what calls are worth, and which are asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin
from xdsl.parser import Parser

from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.profile.calls import Call, Judgement, Key
from flowir.profiler.adaptive.arms import AMOUNT, SUCCESS, Arm, covariance
from flowir.profiler.adaptive.belief import Cells, amount, conditioned, success
from flowir.profiler.adaptive.chooser import Adaptive, seen_in
from flowir.profiler.adaptive.fronts import Subjects
from flowir.profiler.adaptive.value import Pool, allocated, area, chosen, held
from flowir.profiler.engine import Situation
from flowir.profiler.planning import grid
from flowir.profiler.requests import Example, Request
from flowir.profiler.workflow import spaces, subject_of
from flowir.search.pareto import hypervolume
from tests.budget import some

MODELS = ("small", "middle", "large")
ARMS = [Arm(a, Configuration(m, b)) for a in ("x", "y") for m in MODELS for b in (100, 1000)]
WORKFLOW = """
flow.agent @x prompt "{task}" space <models = ["small", "middle", "large"], budgets = [100, 1000]>
flow.agent @y prompt "{task}" space <models = ["small", "middle", "large"], budgets = [100, 1000]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.text
  %b = flow.call @y(%a) : (!flow.text) -> !flow.text
  flow.return %b : !flow.text
}
"""


def test_the_prior_is_a_covariance_and_near_budgets_share_more() -> None:
    budgets = [None, "high", 0, 100, 1000, 10_000]
    arms = [Arm("x", Configuration("m", b), right) for b in budgets for right in (True, False)]
    found = covariance(arms, SUCCESS)
    assert np.linalg.eigvalsh(found).min() > 0
    place = {(arm.configuration.budget, arm.input_correct): i for i, arm in enumerate(arms)}
    row = found[place[1000, True]]
    assert row[place[100, True]] > row[place[0, True]] > row[place[1000, False]]


def test_a_linear_belief_is_that_of_gaussian_conditioning() -> None:
    """Against conditioning in the space of observations, which inverts another matrix."""
    rng = np.random.default_rng(1)
    arms, queries = ARMS[:4], 3
    prior, query = covariance(arms, AMOUNT), 0.7
    weight = rng.integers(0, 3, (4, queries)) * 2.0
    target = rng.normal(size=(4, queries))
    joint = np.zeros((7, 7))
    joint[:4, :4], joint[4:, 4:] = prior, query**2 * np.eye(queries)
    rows = [(a, q) for a in range(4) for q in range(queries) if weight[a, q]]
    design = np.array([np.eye(7)[a] + np.eye(7)[4 + q] for a, q in rows])
    noise = np.diag([1.0 / weight[a, q] for a, q in rows])
    gain = joint @ design.T @ np.linalg.inv(design @ joint @ design.T + noise)
    found = conditioned(np.linalg.inv(prior), query, weight, target)
    seen = np.array([target[a, q] for a, q in rows])
    np.testing.assert_allclose(found.mean, gain @ seen, atol=1e-8)
    np.testing.assert_allclose(found.covariance, joint - gain @ design @ joint, atol=1e-8)


def test_an_amount_has_the_noise_within_arms() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0.0, 0.25, (2, 400)) + np.array([[0.0], [2.0]])
    seen = [(a, q, float(values[a, q])) for a in range(2) for q in range(400)]
    cells = Cells.of((2, 400), seen)
    found = amount(ARMS[:2], cells, float((values**2).sum()), 0.0)
    assert found.noise == pytest.approx(0.25, rel=0.06)
    assert found.gaussian.mean[1] - found.gaussian.mean[0] == pytest.approx(2.0, abs=0.05)


def test_success_agrees_with_importance_sampling() -> None:
    """Of two arms on five queries, half a million draws from the prior, weighted."""
    arms, queries, draws = ARMS[:2], 5, 500_000
    seen = [(a, q, float(q < (2, 4)[a])) for a in range(2) for q in range(queries)]
    found = success(arms, Cells.of((2, queries), seen))
    rng = np.random.default_rng(3)
    root = np.linalg.cholesky(covariance(arms, SUCCESS))
    theta = root @ rng.normal(size=(2, draws))
    hard = SUCCESS.query * rng.normal(size=(queries, draws))
    score = theta[:, None] + hard + 0.5
    right = np.array([[q < most for q in range(queries)] for most in (2, 4)])[..., None]
    weight = np.exp(-np.logaddexp(0.0, np.where(right, -score, score)).sum(axis=(0, 1)))
    weight /= weight.sum()
    mean = theta @ weight
    deviation = np.sqrt((theta - mean[:, None]) ** 2 @ weight)
    np.testing.assert_allclose(found.mean[:2], mean, atol=0.15)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance))[:2], deviation, rtol=0.12)


def test_what_a_model_does_in_one_agent_says_something_of_it_in_another() -> None:
    cells = Cells.of((len(ARMS), 20), [(4, q, 1.0) for q in range(20)])
    cells.count[0, :] = 20 * [1.0]
    mean = success(ARMS, cells).mean[: len(ARMS)]
    of = {(arm.agent, arm.configuration.model): mean[i] for i, arm in enumerate(ARMS)}
    assert of["y", "large"] > of["y", "middle"] > of["y", "small"]


points = st.integers(1, 8).flatmap(
    lambda n: arrays(np.float64, (2, n), elements=st.floats(0.01, 0.99))
)


@given(points)
def test_the_area_is_the_hypervolume_and_the_choice_attains_it(table: np.ndarray) -> None:
    right, spent = table
    corner = 0.8
    losses = np.column_stack([-right, spent])
    most = hypervolume(losses, (0.0, corner)) / corner
    assert area(right[:, None], spent[:, None], corner)[0] == pytest.approx(most)
    rows = chosen(right, spent)
    assert area(right[rows, None], spent[rows, None], corner)[0] == pytest.approx(most)
    assert len(np.unique(rows)) == len(rows)


@given(points, st.floats(0.05, 1.2))
def test_what_a_point_holds_is_the_slope_of_the_area_in_its_accuracy(
    table: np.ndarray, corner: float
) -> None:
    """Σ right · held is the area; a point that is beaten, or lies beyond the corner, has none."""
    right, spent = table[0][:, None], table[1][:, None]
    shares = held(right, spent, corner)
    assert (right * shares).sum() == pytest.approx(area(right, spent, corner)[0])
    assert shares.min() >= 0.0
    inside = [row for row in chosen(table[0], table[1]) if table[1][row] < corner]
    assert set(np.flatnonzero(shares[:, 0])) <= set(inside)


def pool_of(right: np.ndarray, spent: list[float]) -> Pool:
    """Points of one arm each, whose amounts are known."""
    amounts = np.repeat(np.array(spent)[:, None], right.shape[1], axis=1)
    return Pool(right, (amounts,), np.eye(len(right)))


@settings(max_examples=some(30))
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05, 0.2]))
def test_a_choice_lacks_nothing_only_where_nothing_is_unsure(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    right = rng.uniform(0.2, 0.8, (12, 1)) + spread * rng.normal(size=(12, 128))
    pool = pool_of(np.clip(right, 0, 1), list(rng.uniform(0.1, 1.0, 12)))
    if spread == 0.0:
        assert pool.regret() < 1e-12
    else:
        assert pool.regret() > 0.0


def test_a_close_rival_weighs_and_a_hopeless_arm_does_not() -> None:
    rng = np.random.default_rng(5)
    right = np.array([[0.7], [0.69], [0.2]]) + 0.05 * rng.normal(size=(3, 512))
    weights = pool_of(right, [0.5, 0.5, 0.9]).weights()
    assert weights[1] > 0.5 * weights[0]
    assert weights[2] == 0.0


def test_a_dear_point_that_may_be_far_better_weighs_before_it_is_chosen() -> None:
    rng = np.random.default_rng(8)
    right = np.stack([np.full(512, 0.6), 0.55 + 0.2 * rng.normal(size=512)])
    pool = pool_of(right, [1.0, 10.0])
    assert len(pool.choices()[0][0]) == 1
    assert pool.regret() > 0.005
    assert pool.weights()[1] > 0.0


counts = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0.01, 10.0), min_size=n, max_size=n),
        st.lists(st.integers(1, 4), min_size=n, max_size=n),
    )
)


@given(counts, st.integers(1, 5))
def test_calls_go_where_they_leave_the_least_variance(
    case: tuple[list[float], list[int]], size: int
) -> None:
    """Against every way of sharing them out: Σ gain / n is the least."""
    gains, before = np.array(case[0]), np.array(case[1], dtype=float)
    left = np.full(len(gains), 3)
    found = Counter(allocated(gains, before, left, size))
    ways = (w for w in product(range(4), repeat=len(gains)) if sum(w) == min(size, left.sum()))
    least = min(float((gains / (before + np.array(way))).sum()) for way in ways)
    after = before + np.array([found[arm] for arm in range(len(gains))])
    assert float((gains / after).sum()) == pytest.approx(least, rel=1e-6)


def test_numbers_of_calls_grow_with_the_root_of_what_an_arm_weighs() -> None:
    """Neyman's allocation; what weighs nothing comes when all else is asked to the end."""
    gains = np.array([1.0, 4.0, 9.0, 0.0])
    found = Counter(allocated(gains, np.ones(4), np.full(4, 10_000), 597))
    assert [1 + found[arm] for arm in range(4)] == [100, 200, 300, 1]
    assert Counter(allocated(gains, np.ones(4), np.full(4, 2), 7)) == {0: 2, 1: 2, 2: 2, 3: 1}


def test_draws_have_the_mean_and_covariance_of_the_gaussian() -> None:
    rng = np.random.default_rng(7)
    prior = np.linalg.inv(covariance(ARMS[:3], AMOUNT))
    found = conditioned(prior, 0.5, np.ones((3, 2)), rng.normal(size=(3, 2)))
    draws = found.draws(40_000, rng)
    np.testing.assert_allclose(draws.mean(axis=1), found.mean[:3], atol=1e-9)
    np.testing.assert_allclose(np.cov(draws), found.covariance[:3, :3], rtol=0.05, atol=0.01)


# The chooser, on a workflow of two agents.

ROOM = dict.fromkeys(MODELS, 4)


def made(queries: int = 12) -> tuple[list[Request], Subjects]:
    context = Context()
    for dialect in (Builtin, flow.Flow):
        context.load_dialect(dialect)
    module = Parser(context, WORKFLOW).parse_module()
    subject = subject_of(module)
    known = spaces(subject, ("x", "y"))
    examples = {
        a: [Example(a, f"q{n}", (("user", f"{n}"),), "ok") for n in range(queries)] for a in known
    }
    return grid(examples, known, 1), Subjects.of(subject, known)


def answered(request: Request, *, sure: bool = False) -> Call:
    """Larger models are right more often and slower; budgets make no difference."""
    key: Key = request.key
    strength = MODELS.index(key.configuration.model)
    chance = (int(key.query[1:]) * 7 + strength) % 10
    right = float(sure or chance < 3 + 3 * strength)
    seconds = (0.5, 1.0, 4.0)[strength]
    judged = Judgement("exact", right)
    return Call(key, (), None, "", seconds, None, 10, 10, 0.01 * seconds, judgement=judged)


def asked_of(chooser: Adaptive, stored: dict[Key, Call] | None = None) -> list[Request]:
    """All that a chooser asks, a round at a time; checks the rules of a `Chooser`."""
    calls, asked = dict(stored or {}), []
    while batch := chooser(Situation(calls, frozenset(), ROOM, 0.0)):
        counts = Counter(one.model for one in batch)
        assert all(counts[m] <= ROOM[m] for m in counts)
        for one in batch:
            assert one.key not in calls
            calls[one.key] = answered(one)
        asked += batch
    return asked


def test_a_chooser_asks_all_once_where_nothing_is_ever_enough() -> None:
    requests, subjects = made(5)
    chooser = Adaptive(requests, subjects, tolerance=-1.0)
    assert sorted(map(str, requests)) == sorted(map(str, asked_of(chooser)))
    assert chooser.done


def test_a_chooser_starts_with_every_arm_stops_early_and_repeats_itself() -> None:
    requests, subjects = made()
    chooser = Adaptive(requests, subjects, tolerance=0.02)
    asked = asked_of(chooser)
    arms = {(one.key.agent, one.key.configuration) for one in asked[: len(ARMS)]}
    assert len(arms) == len(ARMS)
    assert chooser.done
    assert chooser.regret <= 0.02
    assert len(asked) < len(requests)
    assert asked == asked_of(Adaptive(requests, subjects, tolerance=0.02))
    assert chooser(Situation({}, frozenset(), ROOM, 0.0)) == []


def test_a_chooser_goes_on_from_what_is_stored() -> None:
    requests, subjects = made()
    asked = asked_of(Adaptive(requests, subjects, tolerance=0.02))
    stored = {one.key: answered(one) for one in asked}
    again = Adaptive(requests, subjects, tolerance=0.02)
    assert asked_of(again, stored) == []
    assert again.done
    half = {one.key: answered(one) for one in asked[: len(asked) // 2]}
    assert len(asked_of(Adaptive(requests, subjects, tolerance=0.02), half)) < len(asked)


def test_a_model_that_is_given_up_does_not_hold_up_the_others() -> None:
    requests, subjects = made()
    chooser = Adaptive(requests, subjects, tolerance=-1.0)
    calls: dict[Key, Call] = {}
    room = {"small": 4, "middle": 4}
    while batch := chooser(Situation(calls, frozenset(), room, 0.0)):
        assert {one.model for one in batch} <= room.keys()
        calls |= {one.key: answered(one) for one in batch}
    assert len(calls) == 2 * len(requests) / 3
    assert chooser.done


def test_choosing_behind_gives_nothing_until_it_is_ready_and_never_stops_early() -> None:
    requests, subjects = made(8)
    chooser = Adaptive(requests, subjects, tolerance=-1.0, behind=True)
    calls: dict[Key, Call] = {}
    under_way: list[Request] = []
    while True:
        taken = Counter(one.model for one in under_way)
        room = {m: 4 - taken[m] for m in MODELS if taken[m] < 4}
        if room:
            situation = Situation(dict(calls), frozenset(o.key for o in under_way), room, 0.0)
            batch = chooser(situation)
            assert all(one.key not in calls and one not in under_way for one in batch)
            under_way += batch
        if not under_way:
            break
        ended = under_way.pop(0)
        calls[ended.key] = answered(ended)
    chooser.close()
    assert len(calls) == len(requests)


def test_calls_of_other_things_and_without_a_judgement_say_nothing_of_success() -> None:
    requests, _ = made(3)
    arms, queries = {arm: i for i, arm in enumerate(ARMS)}, {f"q{n}": n for n in range(3)}
    call = answered(requests[0])
    unjudged = Call(*(requests[1].key, (), None, "", 1.0, None, 1, 1, None))
    other = Call(*(requests[2].key._replace(query="else"), (), None, "", 1.0, None, 1, 1, None))
    seen = seen_in([call, unjudged, other], arms, queries)
    assert len(seen.success) == 1
    assert len(seen.seconds) == 2
    assert len(seen.dollars) == 1


def test_what_is_on_no_front_is_asked_less() -> None:
    """The small model is cheap and bad, the middle one slower and better, the rest slow and bad."""
    requests, subjects = made(40)
    chooser = Adaptive(requests, subjects, tolerance=-1.0, per_dollar=False)
    calls: dict[Key, Call] = {}
    while len(calls) < 160:
        for one in chooser(Situation(calls, frozenset(), ROOM, 0.0)):
            calls[one.key] = with_bad_large(one)
    counts = Counter(key.configuration.model for key in calls)
    assert counts["large"] < min(counts["small"], counts["middle"])


def with_bad_large(request: Request) -> Call:
    """As `answered`, but the large model is never right."""
    call = answered(request)
    if request.model != "large":
        return call
    return replace(call, judgement=Judgement("exact", 0.0))
