"""Chains draw from a density whose moments are known, where importance weights would degenerate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from flowir.cost.hamiltonian import hamiltonian_draws


def test_many_skewed_dimensions() -> None:
    """Logarithms of Gamma(3) variables: mean ψ(3), variance ψ'(3), far from the Gaussian given."""

    def gradient(x: Any) -> tuple[Any, Any]:
        return (3 * x - x.exp()).sum(-1), 3 - x.exp()

    size = 300
    centre = torch.full((size,), float(np.log(3)), dtype=torch.float64)
    root = torch.eye(size, dtype=torch.float64) / 3**0.5
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flat, acceptance = hamiltonian_draws(gradient, centre, root, 256)
    assert flat.shape == (256, size)
    assert 0.5 < acceptance <= 1
    euler = 0.5772156649015329
    mean, variance = 1.5 - euler, np.pi**2 / 6 - 1.25
    values = flat.numpy()
    assert values.mean() == pytest.approx(mean, abs=0.01)
    assert values.var() == pytest.approx(variance, rel=0.05)
    assert ((values - mean) ** 3).mean() < -0.1  # the Gaussian it starts from has none
    assert len(np.unique(values[:, 0])) > 128  # chains move


def test_a_density_that_is_not_finite_everywhere_is_never_entered() -> None:
    def gradient(x: Any) -> tuple[Any, Any]:
        inside = (x > -1).all(-1)
        density = torch.where(inside, -0.5 * (x**2).sum(-1), torch.nan)
        return density, -x

    with torch.random.fork_rng():
        torch.manual_seed(0)
        centre, root = torch.ones(2, dtype=torch.float64), 0.1 * torch.eye(2, dtype=torch.float64)
        flat, _ = hamiltonian_draws(gradient, centre, root, 32)
    assert bool((flat > -1).all())
