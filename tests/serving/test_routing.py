"""Routing against asking every configuration, and its margin against the truth."""

from __future__ import annotations

from itertools import count, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Block, Call, Decision, Workflow
from flowir.configuration import Configuration
from flowir.errors import ServingError
from flowir.serving import routing
from flowir.serving.calibration import calibrate, lost, routed, weakest
from flowir.serving.routing import Kernel, Nearest, Router, Uniform, known_success, strengths
from tests.budget import some

ROWS = np.array(list(product(range(3), repeat=3)))
STAGES = ("a", "b", "c")


def monotone(seed: int, queries: int) -> np.ndarray:
    """[27, Q] products of success rates that grow with the model."""
    rng = np.random.default_rng(seed)
    rates = np.sort(rng.random((3, 3, queries)), axis=1)
    found = np.ones((27, queries))
    for stage in range(3):
        found *= rates[stage, ROWS[:, stage]]
    return found


def router(success: np.ndarray, margin: float = 0.0) -> Router:
    classifier = Uniform(success.shape[1])
    return Router(STAGES, ROWS, ROWS.astype(float), success, classifier, 26, margin)


@given(st.integers(0, 10_000), st.floats(0.0, 0.5))
@settings(max_examples=some(50), deadline=None)
def test_where_success_is_monotone_pruning_loses_nothing(seed: int, margin: float) -> None:
    found = router(monotone(seed, 5), margin)
    asked = list(found.settle(np.zeros(1)))
    assert np.array_equal(asked[-1], found.kept(np.zeros(1)))
    assert len(asked) <= 26
    for before, after in pairwise(asked):
        assert (after >= before).all()


def test_what_is_known_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "EVERY", 0)
    found = router(monotone(3, 5), 0.2)
    ticks = count()
    sizes = []
    for seconds in range(8):
        kept = found.route(np.zeros(1), seconds, lambda: float(next(ticks)))
        assert (2, 2, 2) in kept
        sizes.append(len(kept))
    assert sizes == sorted(sizes)
    whole = found.route(np.zeros(1))
    assert len(whole) == int(found.kept(np.zeros(1)).sum()) >= sizes[-1]


def test_classifiers_weigh_what_is_near() -> None:
    known = np.array([[0.0], [1.0], [10.0], [11.0]])
    assert Nearest(known, 2).weights(np.array([0.4])).tolist() == [0.5, 0.5, 0.0, 0.0]
    assert Uniform(4).weights(np.array([0.4])).tolist() == [0.25] * 4
    weights = Kernel(known, 0.1).weights(np.array([0.4]))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] > weights[1] > 10 * weights[2]


def test_known_success_is_that_of_the_calculus() -> None:
    """Two calls in sequence, of which the second never recovers: a product, averaged over draws."""
    rng = np.random.default_rng(0)
    draws, queries = 3, 4
    models = tuple(Configuration(name) for name in ("small", "large"))
    decisions = tuple(Decision("w", name, "", models) for name in ("a", "b"))
    calls = tuple(
        CallModel(rng.random((2, 12)), np.zeros((2, 12)), np.zeros((2, 12)), np.zeros((2, 12)))
        for _ in decisions
    )
    body = Block((Call("a", 0, (0,), 1), Call("b", 1, (1,), 2)), 2, (0,))
    workflow = Workflow("w", body, decisions, ())
    rows = np.array(list(product(range(2), repeat=2)))
    found = known_success(workflow, Scenarios(draws, queries, calls), rows)
    expected = np.array([calls[0].success[a] * calls[1].success[b] for a, b in rows])
    assert found == pytest.approx(expected.reshape(4, draws, queries).mean(axis=1))


def population(seed: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Features [Q, 1] and [27, Q] whether each configuration was right."""
    rng = np.random.default_rng(seed)
    difficulty = rng.standard_normal(queries)
    success = np.empty((27, queries))
    ability = np.array([-0.3, 0.8, 2.0])[ROWS].mean(axis=1)
    success = 1 / (1 + np.exp(-3 * (ability[:, None] + 0.5 - difficulty)))
    features = difficulty[:, None] + 0.5 * rng.standard_normal((queries, 1))
    return features, (rng.random(queries) < success).astype(float)


def test_accuracy_is_lost_by_no_more_than_the_tolerance() -> None:
    """On a fresh population, in nearly all of twelve fits: the confidence is 95 %."""
    tolerance, passed = 0.03, 0
    truth_features, truth = population(10_000, 800)
    gained = []
    for seed in range(12):
        known_features, known = population(seed, 300)
        classifier = Kernel(known_features)
        start = Router(STAGES, ROWS, ROWS.astype(float), known, classifier, 26)
        found = calibrate(start, *population(seed + 500, 600), tolerance)
        assert found.risk <= tolerance
        kept = routed(found.router, truth_features[:800])
        loss = lost(found.router, kept, truth[:, :800])
        passed += bool(loss.mean() <= tolerance)
        gained.append(kept.mean())
        if seed == 0:
            total = ROWS.sum(axis=1)
            picked = weakest(found.router, kept)
            assert all(total[p] == total[k].min() for p, k in zip(picked, kept, strict=True))
    assert passed >= 10
    assert np.mean(gained) > 0.1


def test_messages() -> None:
    with pytest.raises(ServingError, match="20 requests cannot show a loss of at most"):
        calibrate(router(monotone(0, 5)), np.zeros((20, 1)), np.ones((27, 20)), 0.02)
    with pytest.raises(ServingError, match="a tolerance of 0 cannot be shown"):
        calibrate(router(monotone(0, 5)), np.zeros((20, 1)), np.ones((27, 20)), 0.0)
    with pytest.raises(ServingError, match="do not fit together"):
        Router(STAGES, ROWS, ROWS[:3].astype(float), monotone(0, 5), Uniform(5), 26)


def test_strengths_of_choices() -> None:
    found = strengths(np.array([[0, 1], [-1, 0]]), [[1.0, 3.0], [2.0, 5.0]])
    assert found.tolist() == [[1.0, 5.0], [-np.inf, 2.0]]
