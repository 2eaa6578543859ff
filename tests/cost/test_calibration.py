"""Simulation-based calibration (Talts et al. 2018): parameters drawn from the prior, observations
drawn given them, and the rank of the truth among posterior draws, which must be uniform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from flowir.configuration import Configuration
from flowir.cost.effects import (
    quantity_parameters,
    quantity_shapes,
    success_parameters,
    success_shapes,
)
from flowir.cost.inference import infer
from flowir.cost.lattice import normal_lattice
from flowir.cost.model import QuantityData, quantity_model, success_data, success_model
from flowir.cost.posterior import cholesky_of, conditional_mean
from flowir.cost.series import KINDS, Arm

Floats = npt.NDArray[np.float64]

ARMS = tuple(Arm("coder", Configuration(model)) for model in "abc")
DRAWS, QUERIES = 63, 40
SIMULATIONS = [4, pytest.param(100, marks=pytest.mark.slow)]
"""Few find gross mistakes within seconds; a hundred tell 90 % intervals that hold 80 %."""


def draw_sites(shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, Floats]:
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def assert_uniform(ranks: Floats) -> None:
    """ranks: [simulations, figures] share of draws below the truth; limits: four standard errors.

    Figures of one simulation move together, so their mean is judged like a single one.
    """
    assert ranks.mean() == pytest.approx(0.5, abs=4 * 0.29 / len(ranks) ** 0.5)
    inside = ((ranks > 0.05) & (ranks < 0.95)).mean()
    # Figures of one simulation are about half independent: three standard errors of half of them.
    assert inside > 0.9 - 3 * 0.3 / (len(ranks) * ranks.shape[1] / 2) ** 0.5
    if len(ranks) < 16:
        return
    for figure in ranks.T:
        histogram = np.histogram(figure, bins=3, range=(0, 1))[0]
        expected = len(figure) / 3
        assert ((histogram - expected) ** 2 / expected).sum() < 13.8  # χ²(2), 1 in 1000


@pytest.mark.parametrize("simulations", SIMULATIONS)
def test_success(simulations: int) -> None:
    rng = np.random.default_rng(5)
    nodes, kinds = normal_lattice(34, 2), (0, 0, 0)
    cholesky = cholesky_of(ARMS, kinds)
    trials = np.tile([[3.0], [2.0], [1.0]], (1, QUERIES))
    ranks = []
    for simulation in range(simulations):
        truth = draw_sites(success_shapes(3, 2, len(KINDS)), rng)
        figures, location, loading, concentration = success_figures(truth, cholesky, nodes)
        theta = rng.standard_normal((QUERIES, 2))
        mean = conditional_mean(location[:, None] + loading @ theta.T)
        rate = rng.beta(mean * concentration[:, None], (1 - mean) * concentration[:, None])
        right = rng.binomial(trials.astype(int), rate).astype(float)
        data = success_data(kinds, right, trials, cholesky, nodes)
        draws = infer(success_model, data, method="laplace", draws=DRAWS, seed=simulation)
        posterior = success_figures(draws.values, cholesky, nodes)[0]
        ranks.append((posterior < figures).mean(0))
    assert_uniform(np.array(ranks))


def success_figures(
    sites: dict[str, Floats], cholesky: Floats, nodes: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """[..., 5] mean success of each arm, chance that two share a query, log concentration."""
    location, loading, log_concentration = success_parameters(
        sites, np.zeros(3, dtype=np.int64), cholesky, np
    )
    mean = conditional_mean(location[..., None] + loading @ nodes.T)
    both = (mean[..., 0, :] * mean[..., 1, :]).mean(-1)
    figures = np.concatenate([mean.mean(-1), both[..., None], log_concentration[..., :1]], axis=-1)
    return figures, location, loading, np.exp(log_concentration)


@pytest.mark.parametrize("simulations", SIMULATIONS)
def test_quantities(simulations: int) -> None:
    import torch

    rng = np.random.default_rng(6)
    cholesky = cholesky_of(ARMS, [0, 0, 0])
    ranks = []
    for simulation in range(simulations):
        truth = draw_sites(quantity_shapes(3, 2), rng)
        own = quantity_parameters(truth, 1.0, 0.5, cholesky, np)
        difficulty = rng.standard_normal((QUERIES, 2))
        values = simulate_quantity(own, difficulty, rng)
        mean = values.mean(-1)
        squares = ((values - mean[..., None]) ** 2).sum(-1)
        data = QuantityData(
            *map(
                torch.as_tensor, (np.full((3, QUERIES), 3.0), mean, squares, difficulty, cholesky)
            ),
            1.0,
            0.5,
        )
        draws = infer(quantity_model, data, method="laplace", draws=DRAWS, seed=simulation)
        posterior = quantity_parameters(draws.values, 1.0, 0.5, cholesky, np)
        names = ("location", "specific", "noise")
        ranks.append([(posterior[n][:, 0] < own[n][0]).mean() for n in names])
    assert_uniform(np.array(ranks))


def simulate_quantity(
    own: dict[str, Floats], difficulty: Floats, rng: np.random.Generator
) -> Floats:
    """[3, Q, 3] logarithms of three samples."""
    shape = (3, len(difficulty))
    shared = rng.standard_normal(shape[1])
    nu = own["nu"][:, None]
    mix = (nu - 2) / rng.chisquare(np.broadcast_to(nu, shape))
    location = own["location"][:, None] + own["slope"] @ difficulty.T
    location = location + own["loading"][:, None] * shared
    strays = own["specific"][:, None] * rng.standard_normal(shape)
    noise = own["noise"][:, None, None] * rng.standard_normal((*shape, 3))
    return np.asarray(location[..., None] + np.sqrt(mix)[..., None] * (strays[..., None] + noise))
