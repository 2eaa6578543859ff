"""The hierarchical model, as Pyro programs.

Success. Query q has a latent difficulty θ_q ~ N(0, I) of `factors` dimensions, shared by all agents
and configurations. Series e (an arm and a kind of event) succeeds on q with probability

    p_eq | θ_q ~ Beta(m κ_e, (1 - m) κ_e),    m = logistic(a_e + λ_e · θ_q),

so calls of one arm on one query share p_eq (over-dispersion κ_e), different arms share θ_q. Given
θ_q, counts are beta-binomial; θ_q is summed out on Gauss-Hermite nodes (a generalised linear mixed
model, McCulloch and Searle 2001, section 8.4, with a beta-binomial response). The location a_e and
the logarithms of κ_e are partially pooled with a Gaussian prior whose correlation says which arms
are alike (:func:`flowir.cost.series.correlation`).

Quantities. The logarithm y of a latency or a token count is, for sample s,

    y_eqs = β_e + γ_e · θ̂_q + λ_e h_q + τ_e b_eq + ε_eqs,    ε_eqs ~ N(0, v_eq),

with h_q, b_eq standard normal and v_eq ~ InvGamma(ν_e / 2, ν_e σ_e² / 2): noise scales that differ
by query give heavy tails. Sums of squares are then σ_e² F(n - 1, ν_e) distributed (Smyth 2004,
"Linear models and empirical Bayes methods", equation 8) and the means are Gaussian with a rank one
covariance across arms. θ̂_q is the posterior mean from the success part, which latencies do not
inform: difficulty means difficulty of being right.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.cost.effects import (
    quantity_parameters,
    quantity_shapes,
    success_parameters,
    success_shapes,
)
from flowir.cost.series import KINDS

Floats = npt.NDArray[np.float64]

EDGE = 1e-4
"""Conditional means keep this distance from 0 and 1, so that no outcome is impossible."""


def quadrature(factors: int, points: int) -> tuple[Floats, Floats]:
    """Gauss-Hermite nodes [Z, factors] and weights [Z] for N(0, I), negligible ones dropped."""
    x, w = np.polynomial.hermite_e.hermegauss(points)
    nodes = np.array(list(itertools.product(x, repeat=factors))).reshape(-1, factors)
    weights = np.array([np.prod(c) for c in itertools.product(w / w.sum(), repeat=factors)])
    kept = weights > 1e-6 * weights.max()
    return nodes[kept], weights[kept] / weights[kept].sum()


@dataclass(frozen=True)
class SuccessData:
    """Counts as torch tensors: distinct queries once, with how often each occurs.

    Attributes:
        kinds: [E].
        pairs: [U, 2] distinct (right, trials); the first is (0, 0).
        patterns: [E, P] index into `pairs`; columns are distinct.
        multiplicity: [P] number of queries with that pattern.
        cholesky: [E, E] of the prior correlation.
        nodes, log_weights: [Z, factors] and [Z] quadrature.
    """

    kinds: Any
    pairs: Any
    patterns: Any
    multiplicity: Any
    cholesky: Any
    nodes: Any
    log_weights: Any


def success_data(
    kinds: tuple[int, ...],
    right: Floats,
    trials: Floats,
    cholesky: Floats,
    nodes: Floats,
    weights: Floats,
) -> SuccessData:
    """Tensors of a table of counts [E, Q]."""
    import torch

    flat = np.stack([right.ravel(), trials.ravel()], axis=1)
    pairs, index = np.unique(np.vstack([[[0.0, 0.0]], flat]), axis=0, return_inverse=True)
    patterns, multiplicity = np.unique(
        index.reshape(-1)[1:].reshape(right.shape), axis=1, return_counts=True
    )
    return SuccessData(
        torch.as_tensor(np.asarray(kinds, dtype=np.int64)),
        torch.as_tensor(pairs),
        torch.as_tensor(patterns),
        torch.as_tensor(multiplicity.astype(float)),
        torch.as_tensor(cholesky),
        torch.as_tensor(nodes),
        torch.as_tensor(np.log(weights)),
    )


def success_model(data: SuccessData) -> None:
    """Location, loadings and concentration of every series; difficulty summed out."""
    import pyro
    import torch

    shapes = success_shapes(len(data.kinds), data.nodes.shape[1], len(KINDS))
    sites = _standard_normals(shapes, data.nodes)
    location, loading, log_concentration = success_parameters(
        sites, data.kinds, data.cholesky, torch
    )
    node_means = EDGE + (1 - 2 * EDGE) * torch.sigmoid(location[:, None] + loading @ data.nodes.T)
    per_pair = log_beta_binomial(node_means, torch.exp(log_concentration), data.pairs)
    per_node = data.log_weights + sum(
        per_pair[e].index_select(0, data.patterns[e]) for e in range(len(data.kinds))
    )
    likelihood = torch.logsumexp(per_node, dim=-1) @ data.multiplicity
    pyro.factor("counts", likelihood)


def log_beta_binomial(mean: Any, concentration: Any, pairs: Any) -> Any:
    """[E, U, Z] log Beta-binomial probability of each (right, trials), up to the binomial factor.

    mean: [E, Z]; concentration: [E]; pairs: [U, 2].
    """
    import torch

    alpha = (mean * concentration[:, None])[:, None, :]
    beta = ((1 - mean) * concentration[:, None])[:, None, :]
    right, wrong = pairs[None, :, :1], pairs[None, :, 1:] - pairs[None, :, :1]
    total = concentration[:, None, None]
    return (
        torch.lgamma(alpha + right)
        - torch.lgamma(alpha)
        + torch.lgamma(beta + wrong)
        - torch.lgamma(beta)
        - torch.lgamma(total + right + wrong)
        + torch.lgamma(total)
    )


@dataclass(frozen=True)
class QuantityData:
    """Statistics of one log quantity as torch tensors, arms first: [E, Q].

    `difficulty` [Q, factors] is the posterior mean of θ; `cholesky` [E, E] that of the prior
    correlation; `centre` and `spread` are the crude mean and standard deviation of all means.
    """

    count: Any
    mean: Any
    squares: Any
    difficulty: Any
    cholesky: Any
    centre: float
    spread: float


def quantity_model(data: QuantityData) -> None:
    """Location, loadings and scales of the log of one quantity for every arm."""
    import pyro
    import torch

    arms, factors = data.count.shape[0], data.difficulty.shape[1]
    sites = _standard_normals(quantity_shapes(arms, factors), data.mean)
    effects = quantity_parameters(sites, data.centre, data.spread, data.cholesky, torch)
    observed = data.count > 0
    degrees = torch.clamp(data.count - 1, min=0.0)
    half_nu = 0.5 * effects["nu"][:, None]
    repeated = degrees > 0
    # The floor is the resolution of clocks and counters: identical repeats are not noise-free.
    floor = 1e-4 * degrees
    half = 0.5 * torch.where(repeated, degrees, torch.ones_like(degrees))
    scale = effects["nu"][:, None] * effects["noise"][:, None] ** 2
    ratio = (data.squares + floor) / scale
    log_f = (
        torch.lgamma(half_nu + half)
        - torch.lgamma(half_nu)
        - torch.lgamma(half)
        + (half - 1) * torch.log(ratio.clamp(min=1e-12))
        - torch.log(scale)
        - (half_nu + half) * torch.log1p(ratio)
    )
    pyro.factor("spread", torch.where(repeated, log_f, torch.zeros_like(log_f)).sum())

    noise = (scale + data.squares + floor) / (effects["nu"][:, None] + degrees)
    precision = torch.where(
        observed,
        1 / (effects["specific"][:, None] ** 2 + noise / data.count.clamp(min=1.0)),
        torch.zeros_like(noise),
    )
    residual = data.mean - effects["location"][:, None] - effects["slope"] @ data.difficulty.T
    loading = effects["loading"][:, None]
    information = 1 + (loading**2 * precision).sum(0)
    score = (loading * precision * residual).sum(0)
    log_det = torch.log(torch.where(observed, precision, torch.ones_like(precision))).sum(0)
    quadratic = (precision * residual**2).sum(0) - score**2 / information
    pyro.factor("means", 0.5 * (log_det - torch.log(information) - quadratic).sum())


def _standard_normals(shapes: Mapping[str, tuple[int, ...]], like: Any) -> dict[str, Any]:
    import pyro
    import pyro.distributions as dist

    zero, one = like.new_zeros(()), like.new_ones(())
    return {
        name: pyro.sample(name, dist.Normal(zero, one).expand(shape).to_event(len(shape)))
        for name, shape in shapes.items()
    }
