"""The fluid bound against the linear program written out, and against what engines really do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from flowir.errors import ServingError
from flowir.serving.fluid import Demand, utilisation
from flowir.serving.forecast import delay_cost
from flowir.serving.stagewise import StageWise
from flowir.sim.serving.bounds import bound_rate
from flowir.sim.serving.clusters import cluster
from flowir.sim.serving.simulate import simulate
from flowir.sim.serving.workload import MIX, arrivals, look_alike, poisson
from tests.budget import some


def demand(seed: int, requests: int, configurations: int, models: int) -> Demand:
    rng = np.random.default_rng(seed)
    work = rng.exponential(1.0, (requests, configurations, models))
    open_ = rng.random((requests, configurations)) < 0.6
    open_[np.arange(requests), rng.integers(0, configurations, requests)] = True
    return Demand(work, open_)


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=some(25), deadline=None)
def test_it_is_the_optimum_of_the_linear_program(
    seed: int, requests: int, configurations: int, models: int
) -> None:
    one = demand(seed, requests, configurations, models)
    other = demand(seed + 1, 3, 2, models)
    capacity = np.random.default_rng(seed).uniform(0.5, 3.0, models)
    assert utilisation([one, other], capacity) == pytest.approx(
        written_out([one, other], capacity), rel=1e-5
    )


def written_out(demands: list[Demand], capacity: np.ndarray) -> float:
    """A variable for every request and configuration, and θ."""
    columns, rows, bounds = [], [], []
    number = 0
    for each in demands:
        for work, open_ in zip(each.work, each.open, strict=True):
            columns += list(work)
            rows += [number] * len(work)
            bounds += [(0, None if is_open else 0) for is_open in open_]
            number += 1
    upper = np.column_stack([np.array(columns).T, -capacity])
    equal = np.zeros((number, len(columns) + 1))
    equal[rows, np.arange(len(columns))] = 1
    found = linprog(
        np.append(np.zeros(len(columns)), 1.0), A_ub=upper, b_ub=np.zeros(len(capacity)),
        A_eq=equal, b_eq=np.ones(number), bounds=[*bounds, (0, None)],
    )  # fmt: skip
    return float(found.fun)


@given(st.integers(0, 10_000))
@settings(max_examples=some(20), deadline=None)
def test_no_whole_assignment_is_below_it(seed: int) -> None:
    small = demand(seed, 4, 3, 2)
    capacity = np.array([1.0, 2.0])
    choices = [np.flatnonzero(row) for row in small.open]
    best = min(
        float((small.work[np.arange(4), list(row)].sum(axis=0) / capacity).max())
        for row in product(*choices)
    )
    assert utilisation([small], capacity) <= best * (1 + 1e-6)


def test_one_model_is_a_sum() -> None:
    work = np.array([[[2.0], [1.0]], [[3.0], [5.0]]])
    every = Demand(work, np.ones((2, 2), dtype=bool))
    assert utilisation([every], np.array([8.0])) == pytest.approx((1 + 3) / 8)
    first = Demand(work, np.array([[True, False], [False, True]]))
    assert utilisation([first], np.array([8.0])) == pytest.approx((2 + 5) / 8)


def test_a_model_without_capacity() -> None:
    with pytest.raises(ServingError, match="at least one replica"):
        utilisation([demand(0, 2, 2, 2)], np.array([1.0, 0.0]))


def test_no_scheduler_passes_it() -> None:
    """Thrice the load it can bear, all of it at once: served no faster than the bound."""
    rng = np.random.default_rng(5)
    came = arrivals(MIX, poisson(240, 30.0, rng), look_alike(2000), rng)
    bound = bound_rate(came, 30.0, (1, 1, 1))
    served = simulate(came, cluster((1, 1, 1)), StageWise(delay_cost))
    assert served.ended.max() * bound >= len(came)
