"""The hierarchical model, as Pyro programs.

Success. Query q has a latent difficulty θ_q ~ N(0, I) of `factors` dimensions, shared by all agents
and configurations. Series e (an arm and a kind of event) succeeds on q with probability

    p_eq | θ_q ~ Beta(m κ_e, (1 - m) κ_e),    m = logistic(a_e + λ_e · θ_q),

so calls of one arm on one query share p_eq (over-dispersion κ_e), different arms share θ_q. Given
θ_q, counts are beta-binomial; θ_q is summed out on a lattice (a generalised linear mixed
model, McCulloch and Searle 2001, section 8.4, with a beta-binomial response). The location a_e and
the logarithms of κ_e are partially pooled with a Gaussian prior whose correlation says which arms
are alike (:func:`flowir.cost.series.correlation`).

Quantities. The logarithm y of a latency or a token count is, for sample s,

    y_eqs = β_e + γ_e · θ̂_q + λ_e h_q + √w_eq (τ_e b_eq + σ_e ε_eqs),

with h_q, b_eq, ε_eqs standard normal and w_eq ~ InvGamma(ν_e / 2, (ν_e - 2) / 2), of mean 1:
queries differ in how far they stray, which gives heavy tails. Given h_q, w and b are integrated out
exactly: with n calls of mean residual r and sum of squares S (Smyth 2004, "Linear models and
empirical Bayes methods", section 4, here with a mean that varies),

    p(r, S) ∝ Γ((ν + n) / 2) / Γ(ν / 2) (ν - 2)^(ν / 2) σ^-(n - 1) s^-1 d^-((ν + n) / 2),
    d = ν - 2 + S/σ² + r²/s²,    s² = τ² + σ²/n.

h_q, which arms share, is integrated out by Gauss-Hermite quadrature about its mode (Liu and Pierce
1994). θ̂_q is the posterior mean from the success part, which latencies do not inform: difficulty
means difficulty of being right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.cost.effects import (
    agreement_parameters,
    agreement_shapes,
    mixing,
    quantity_parameters,
    quantity_shapes,
    shared_effect,
    success_parameters,
    success_shapes,
)
from flowir.cost.series import KINDS

Floats = npt.NDArray[np.float64]

FEW_STEPS = 16
"""Up to so many calls of one series on a query, Γ(a + n) / Γ(a) is a product."""
FEW_ARMS = 12
EDGE = 1e-4
"""Conditional means keep this distance from 0 and 1, so that no outcome is impossible."""


@dataclass(frozen=True)
class SuccessData:
    """Counts as torch tensors: distinct queries once, with how often each occurs.

    Attributes:
        kinds: [E].
        pairs: [U, 2] distinct (right, trials); the first is (0, 0).
        which: [P, E · U] of 0 and 1, which pair each series has in each pattern of a query.
        steps: ([P, 2 · E · J], [P, E · J]) of 0 and 1, whether a series has more than j right
            calls, and wrong ones; more than j calls. None where counts are large or no counts.
        multiplicity: [P] number of queries with that pattern.
        cholesky: [E, E] of the prior correlation.
        nodes: [Z, factors] of equal weight, standing for N(0, I).
    """

    kinds: Any
    pairs: Any
    which: Any
    steps: tuple[Any, Any] | None
    multiplicity: Any
    cholesky: Any
    nodes: Any


def success_data(
    kinds: tuple[int, ...],
    right: Floats,
    trials: Floats,
    cholesky: Floats,
    nodes: Floats,
) -> SuccessData:
    """Tensors of a table of counts [E, Q]."""
    import torch

    flat = np.stack([right.ravel(), trials.ravel()], axis=1)
    pairs, index = np.unique(np.vstack([[[0.0, 0.0]], flat]), axis=0, return_inverse=True)
    patterns, multiplicity = np.unique(
        index.reshape(-1)[1:].reshape(right.shape), axis=1, return_counts=True
    )
    which = torch.nn.functional.one_hot(torch.as_tensor(patterns.T), len(pairs))
    return SuccessData(
        torch.as_tensor(np.asarray(kinds, dtype=np.int64)),
        torch.as_tensor(pairs),
        which.to(torch.float64).flatten(1),
        _steps(pairs[patterns.T]),
        torch.as_tensor(multiplicity.astype(float)),
        torch.as_tensor(cholesky),
        torch.as_tensor(nodes),
    )


def _steps(counts: Floats) -> tuple[Any, Any] | None:
    """See `SuccessData`; counts: [P, E, 2] right and all."""
    import torch

    right, trials = counts[..., 0], counts[..., 1]
    most = int(trials.max())
    if most > FEW_STEPS or not (counts == np.round(counts)).all():
        return None
    parts = np.stack([right, trials - right, trials], 1)[..., None] > np.arange(most)
    taken = torch.as_tensor(parts.astype(np.float64))
    return taken[:, :2].flatten(1), taken[:, 2].flatten(1)


def success_model(data: SuccessData) -> None:
    """Location, loadings and concentration of every series; difficulty summed out."""
    import pyro
    import torch

    shapes = success_shapes(len(data.kinds), data.nodes.shape[1], len(KINDS))
    sites = _standard_normals(shapes, data.nodes)
    location, loading, log_concentration = success_parameters(
        sites, data.kinds, data.cholesky, torch
    )
    score = location[..., None] + loading @ data.nodes.T
    means = EDGE + (1 - 2 * EDGE) * torch.sigmoid(score)
    concentration = torch.exp(log_concentration)
    if data.steps is None:
        per_pair = log_beta_binomial(means, concentration, data.pairs)
        per_node = data.which @ per_pair.flatten(-3, -2)  # summed over series
    else:
        per_node = _by_steps(means, concentration, *data.steps)
    per_query = torch.logsumexp(per_node, dim=-1) - np.log(len(data.nodes))
    pyro.factor("counts", per_query @ data.multiplicity)


def log_beta_binomial(mean: Any, concentration: Any, pairs: Any) -> Any:
    """[..., E, U, Z] log probability of each (right, trials), up to the binomial coefficient.

    mean: [..., E, Z]; concentration: [..., E]; pairs: [U, 2].
    """
    total = concentration[..., None, None]
    alpha, beta = mean[..., None, :] * total, (1 - mean[..., None, :]) * total
    right, trials = pairs[:, 0], pairs[:, 1]
    return (
        _log_rising(alpha, right) + _log_rising(beta, trials - right) - _log_rising(total, trials)
    )


def _log_rising(start: Any, power: Any) -> Any:
    """[..., U, Z] log Γ(a + n) / Γ(a) for start a [..., 1, Z] and powers n [U] ≥ 0."""
    import torch

    return torch.lgamma(start + power[:, None]) - torch.lgamma(start)


def _by_steps(mean: Any, concentration: Any, sides: Any, trials: Any) -> Any:
    """[..., P, Z] the same, summed over series, for few whole counts, and many times faster.

    log Γ(a + n) / Γ(a) is the sum of log(a + j) over j < n: one product of matrices adds them up.
    """
    import torch

    series = concentration.shape[-1]
    steps = torch.arange(trials.shape[1] // series, dtype=mean.dtype)
    total = concentration[..., None]
    starts = torch.stack([mean, 1 - mean], -3) * total[..., None, :, :]
    rising = torch.log(starts[..., None, :] + steps[:, None]).flatten(-4, -2)
    return sides @ rising - (trials * torch.log(total + steps).flatten(-2)[..., None, :]).sum(
        -1, keepdim=True
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
    degrees = torch.clamp(data.count - 1, min=0.0)
    residual = data.mean - effects["location"][..., None] - effects["slope"] @ data.difficulty.T
    spread, base = mixing(effects, data.count, degrees, data.squares, torch)
    observed = data.count > 0
    with torch.no_grad():
        mode, bend = shared_effect(residual, spread, base, degrees, effects, observed, torch)
        width = bend**-0.5
    nu, loading = effects["nu"][..., None], effects["loading"][..., None]
    # Most queries have as many calls as others: the Gamma function is taken once for each number.
    numbers, index = torch.unique(degrees, return_inverse=True)
    of_number = torch.lgamma(0.5 * (nu + numbers + 1)) - numbers * torch.log(
        effects["noise"][..., None]
    )
    constant = (
        of_number[..., torch.arange(arms)[:, None], index]
        - torch.lgamma(0.5 * nu)
        + 0.5 * nu * torch.log(nu - 2)
        - 0.5 * torch.log(spread)
    )
    half = torch.where(observed, 0.5 * (nu + degrees + 1), 0.0)
    nodes, weights = (
        torch.as_tensor(values).reshape(-1, *[1] * mode.dim()) for values in _nodes(arms)
    )
    shared = mode + width * nodes
    left = (residual - loading * shared[..., None, :]) ** 2 / spread
    log_density = -(half * torch.log(base + left)).sum(-2)
    terms = log_density - 0.5 * shared**2 + 0.5 * nodes**2 + weights
    integral = torch.logsumexp(terms, 0) + torch.log(width)
    constant = torch.where(observed, constant, torch.zeros_like(constant)).sum(-2)
    pyro.factor("amounts", (constant + integral).sum(-1))


@cache
def _nodes(arms: int) -> tuple[Floats, Floats]:
    """Nodes and log weights of Gauss-Hermite quadrature: more where few arms say what h is."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(7 if arms <= FEW_ARMS else 3)
    return nodes, np.log(weights / weights.sum())


@dataclass(frozen=True)
class AgreementData:
    """Groups of equal wrong answers per query, [Q] each, and the difficulty [Q, factors]."""

    wrong: Any
    largest: Any
    ties: Any
    difficulty: Any


def agreement_model(data: AgreementData) -> None:
    """Chance g that a wrong answer is the query's common one: Beta per query.

    With m of n wrong answers in the largest group (k groups of that size), the likelihood is
    k E[g^m (1 - g)^(n - m)], plus E[(1 - g)^n] where all differ and none may be the common one.
    """
    import pyro
    import torch

    shapes = agreement_shapes(data.difficulty.shape[1])
    location, slope, concentration = agreement_parameters(
        _standard_normals(shapes, data.wrong), torch
    )
    score = location[..., None] + slope @ data.difficulty.T
    mean = 0.001 + 0.998 * torch.sigmoid(score)
    alpha, beta = mean * concentration[..., None], (1 - mean) * concentration[..., None]

    def log_moment(power: Any) -> Any:
        return (
            torch.lgamma(alpha + power)
            - torch.lgamma(alpha)
            + torch.lgamma(beta + data.wrong - power)
            - torch.lgamma(beta)
            - torch.lgamma(alpha + beta + data.wrong)
            + torch.lgamma(alpha + beta)
        )

    one = torch.log(data.ties.clamp(min=1)) + log_moment(data.largest)
    either = torch.logaddexp(one, log_moment(torch.zeros_like(data.wrong)))
    likelihood = torch.where(data.largest > 1, one, either)
    told = data.wrong > 1
    pyro.factor("groups", torch.where(told, likelihood, torch.zeros_like(one)).sum(-1))


def _standard_normals(shapes: Mapping[str, tuple[int, ...]], like: Any) -> dict[str, Any]:
    import pyro
    import pyro.distributions as dist

    zero, one = like.new_zeros(()), like.new_ones(())
    return {
        name: pyro.sample(name, dist.Normal(zero, one).expand(shape).to_event(len(shape)))
        for name, shape in shapes.items()
    }
