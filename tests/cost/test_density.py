"""The log density that a fit works on is that of the Pyro program, however it is added up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyro
import pytest
import torch

from flowir.cost.inference import Target
from flowir.cost.lattice import normal_lattice
from flowir.cost.model import (
    FEW_STEPS,
    QuantityData,
    SuccessData,
    quantity_model,
    success_data,
    success_model,
)

ARMS, QUERIES = 5, 30


def counts(most: int, seed: int = 0) -> SuccessData:
    rng = np.random.default_rng(seed)
    trials = rng.integers(0, most + 1, (ARMS, QUERIES)).astype(float)
    right = np.floor(rng.random((ARMS, QUERIES)) * (trials + 1)).clip(0, trials)
    kinds = tuple(int(kind) for kind in rng.integers(0, 4, ARMS))
    return success_data(kinds, right, trials, np.eye(ARMS), normal_lattice(34, 2))


def amounts() -> QuantityData:
    rng = np.random.default_rng(1)
    count = rng.integers(0, 4, (ARMS, QUERIES)).astype(float)
    mean = np.where(count > 0, rng.standard_normal((ARMS, QUERIES)), 0.0)
    squares = np.where(count > 1, rng.random((ARMS, QUERIES)), 0.0)
    difficulty, cholesky = rng.standard_normal((QUERIES, 2)), np.eye(ARMS)
    return QuantityData(
        *map(torch.as_tensor, (count, mean, squares, difficulty, cholesky)), centre=0.2, spread=0.7
    )


def places(target: Target, count: int) -> Any:
    return torch.as_tensor(np.random.default_rng(2).standard_normal((count, target.size)))


@pytest.mark.parametrize(
    ("model", "data"), [(success_model, counts(3)), (quantity_model, amounts())]
)
def test_it_is_the_joint_density_of_all_sites_point_by_point(model: Any, data: Any) -> None:
    target = Target(model, data)
    some = places(target, 4)
    together = target.log_density(some)
    for place, density in zip(some, together, strict=True):
        with pyro.poutine.condition(data=target.sites(place)):
            trace = pyro.poutine.trace(model).get_trace(data)
        assert float(density) == pytest.approx(float(trace.log_prob_sum()), rel=1e-12)
        assert float(target.log_density(place)) == pytest.approx(float(density), rel=1e-12)


@pytest.mark.parametrize("most", [1, 5, FEW_STEPS])
def test_few_calls_are_a_product_of_what_many_are_gamma_functions_of(most: int) -> None:
    data = counts(most, seed=most)
    assert data.steps is not None
    by_steps = Target(success_model, data)
    by_gamma = Target(success_model, replace(data, steps=None))
    some = places(by_steps, 3)
    torch.testing.assert_close(by_steps.log_density(some), by_gamma.log_density(some))
    torch.testing.assert_close(by_steps.gradient(some)[1], by_gamma.gradient(some)[1])


def test_many_calls_and_shares_of_calls_are_left_to_gamma_functions() -> None:
    assert counts(4 * FEW_STEPS).steps is None
    halves = np.array([[0.5, 1.0], [0.0, 2.0]])
    data = success_data((0, 0), halves, np.ones((2, 2)) * 2, np.eye(2), normal_lattice(8, 2))
    assert data.steps is None
