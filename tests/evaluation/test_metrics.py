"""Laws of what an evaluation says, and independent ways to compute it."""

from __future__ import annotations

import itertools
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.evaluation import comparison
from flowir.evaluation.agreement import (
    coverage,
    mean_absolute_error,
    pairwise,
    predictive_interval,
    spearman,
)
from flowir.evaluation.fronts import attained, expected_utility

Array = npt.NDArray[np.float64]
SEEDS = st.integers(0, 10**6)


def drawn(seed: int, points: int, quantities: int = 3, *, ties: bool = False) -> tuple[Array, ...]:
    rng = np.random.default_rng(seed)
    values = rng.random((2, points, quantities))
    return tuple(np.round(values, 1) if ties else values)


@given(SEEDS, st.integers(3, 9))
def test_ranks_correlate_as_scipy_says(seed: int, points: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    x, y = (some[:, 0] for some in drawn(seed, points, ties=True))
    found = spearman(x, y)
    if found is None:
        assert np.ptp(x) == 0.0 or np.ptp(y) == 0.0
    else:
        assert found == pytest.approx(stats.spearmanr(x, y).statistic)


@given(SEEDS, st.integers(2, 8))
def test_pairs_are_counted_one_by_one(seed: int, points: int) -> None:
    x, y = (some[:, 0] for some in drawn(seed, points, ties=True))
    scores = [
        1.0
        if (x[i] - x[j]) * (y[i] - y[j]) > 0
        else 0.5
        if (x[i] == x[j]) != (y[i] == y[j])
        else 0.0
        for i, j in itertools.combinations(range(points), 2)
        if (x[i], y[i]) != (x[j], y[j])
    ]
    assert pairwise(x, y) == (pytest.approx(np.mean(scores)) if scores else None)


@given(SEEDS, st.integers(3, 8))
def test_a_perfect_prediction(seed: int, points: int) -> None:
    _, measured = drawn(seed, points)
    signs = np.array([1.0, -1.0, -1.0])
    first = measured[:, 0]
    assert spearman(first, first) == pytest.approx(1.0)
    assert pairwise(first, first) == 1.0
    assert mean_absolute_error(first, first) == 0.0
    claimed, reached, best = attained(measured, measured, signs)
    assert claimed == pytest.approx(reached) == pytest.approx(best)
    utility, most = expected_utility(measured, measured, signs)
    assert utility == pytest.approx(most)


@given(SEEDS, st.integers(3, 8))
def test_order_of_points_and_units_do_not_count(seed: int, points: int) -> None:
    predicted, measured = drawn(seed, points)
    signs = np.array([1.0, -1.0, -1.0])
    order = np.random.default_rng(seed).permutation(points)
    units = np.array([100.0, 1e-3, 7.0])
    found = (*attained(predicted, measured, signs), *expected_utility(predicted, measured, signs))
    again = predicted[order] * units, measured[order] * units
    assert (*attained(*again, signs), *expected_utility(*again, signs)) == pytest.approx(found)
    assert spearman(np.exp(predicted[:, 0]), measured[:, 0]) == pytest.approx(
        spearman(predicted[:, 0], measured[:, 0])
    )


@given(SEEDS, st.integers(2, 6))
def test_nothing_attains_more_than_all_points_do(seed: int, points: int) -> None:
    predicted, measured = drawn(seed, points)
    signs = np.array([1.0, -1.0, -1.0])
    _, reached, best = attained(predicted, measured, signs)
    assert 0.0 <= reached <= best + 1e-12 <= 1.0 + 1e-12
    utility, most = expected_utility(predicted, measured, signs)
    assert utility <= most + 1e-12


@given(SEEDS, st.integers(1, 5), st.integers(1, 3))
def test_hypervolume_is_the_sum_over_the_cells_of_a_grid(
    seed: int, points: int, quantities: int
) -> None:
    predicted, measured = drawn(seed, points, quantities)
    found = attained(predicted, measured, -np.ones(quantities))
    everything = np.concatenate([predicted, measured])
    low, high = everything.min(axis=0), everything.max(axis=0)
    far = low + 1.1 * (high - low)
    edges = [np.unique([*everything[:, k], far[k]]) for k in range(quantities)]

    def volume(some: Array) -> float:
        total = 0.0
        for cell in itertools.product(*(range(len(edge) - 1) for edge in edges)):
            corner = np.array([edges[k][i] for k, i in enumerate(cell)])
            size = np.prod([edges[k][i + 1] - edges[k][i] for k, i in enumerate(cell)])
            total += size * float((some <= corner).all(axis=1).any())
        return float(total / np.prod(far - low))

    assert found[0] == pytest.approx(volume(predicted))
    assert found[2] == pytest.approx(volume(measured))


def test_a_wrong_choice_costs_what_it_costs() -> None:
    # One point is better in both, the prediction has it the other way round.
    predicted, measured = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 0.0]])
    assert expected_utility(predicted, measured, np.ones(2)) == (0.0, pytest.approx(1.0))
    assert attained(predicted, measured, np.ones(2)) == pytest.approx((1.0, 0.01 / 1.21, 1.0))


@pytest.mark.parametrize("credible", [0.5, 0.9])
def test_predictive_intervals_cover_what_they_say(credible: float) -> None:
    rng = np.random.default_rng(1)
    spread, noise = 0.03, 0.05
    z = NormalDist().inv_cdf(0.5 + credible / 2.0)
    measured = rng.normal(0.6, np.hypot(spread, noise), size=20_000)
    low, high = predictive_interval(0.6 - z * spread, 0.6 + z * spread, 0.6, noise, credible)
    intervals = np.tile([low, high], (len(measured), 1))
    assert coverage(intervals, measured) == pytest.approx(credible, abs=0.012)


def test_equal_values_have_no_standard_error() -> None:
    """Sums of equal floats are rounded; that is no spread."""
    mean, error = comparison._mean([0.1] * 7)
    assert (round(mean, 12), error) == (0.1, 0.0)
    assert comparison._mean([1.0, 3.0]) == (2.0, 1.0)
