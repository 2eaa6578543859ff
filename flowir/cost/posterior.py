"""Posterior draws of the parameters, and what they say about single queries. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.cost.effects import (
    ARM_AXIS,
    SERIES_AXIS,
    quantity_parameters,
    success_parameters,
)
from flowir.cost.series import Arm, correlation
from flowir.cost.special import log_gamma

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

EDGE = 1e-4
"""Conditional means keep this distance from 0 and 1, so that no outcome is impossible."""


def cholesky_of(arms: Sequence[Arm], kinds: Sequence[int]) -> Floats:
    """[E, E] Cholesky factor of the prior correlation of series."""
    matrix = correlation(arms, arms, kinds, kinds)
    return np.asarray(np.linalg.cholesky(matrix + 1e-9 * np.eye(len(matrix))), dtype=np.float64)


@dataclass(frozen=True)
class SuccessPosterior:
    """Draws for E binary series observed on Q queries.

    Attributes:
        arms, kinds: [E] what each series is.
        right, trials: [E, Q] the counts fitted.
        sites: standard normal sites, [draws, ...].
        nodes: [Z, factors] of equal weight, standing for the difficulty.
    """

    arms: tuple[Arm, ...]
    kinds: tuple[int, ...]
    right: Floats
    trials: Floats
    sites: Mapping[str, Floats]
    nodes: Floats

    @property
    def draws(self) -> int:
        return len(self.sites["location"])

    def parameters(self, draw: Indices) -> tuple[Floats, Floats, Floats]:
        """Location [D, E], loading [D, E, factors] and concentration [D, E] of chosen draws."""
        return self._compose(self.arms, self.kinds, {k: v[draw] for k, v in self.sites.items()})

    def parameters_of(
        self, arm: Arm, kind: int, draw: Indices, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        """Location [D], loading [D, factors], concentration [D] of one series, observed or not."""
        chosen = {name: values[draw] for name, values in self.sites.items()}
        series = list(zip(self.arms, self.kinds, strict=True))
        if (arm, kind) in series:
            index = series.index((arm, kind))
            location, loading, concentration = self._compose(self.arms, self.kinds, chosen)
        else:
            index = len(series)
            chosen = extended(chosen, SERIES_AXIS, rng)
            location, loading, concentration = self._compose(
                (*self.arms, arm), (*self.kinds, kind), chosen
            )
        return location[:, index], loading[:, index], concentration[:, index]

    def _compose(
        self, arms: Sequence[Arm], kinds: Sequence[int], sites: Mapping[str, Floats]
    ) -> tuple[Floats, Floats, Floats]:
        location, loading, log_concentration = success_parameters(
            sites, np.asarray(kinds, dtype=np.int64), cholesky_of(arms, kinds), np
        )
        return location, loading, np.exp(log_concentration)

    def difficulty(self, draw: int, queries: Indices) -> Floats:
        """[len(queries), Z] posterior weights of the difficulty nodes under one draw."""
        location, loading, concentration = (
            values[0] for values in self.parameters(np.array([draw]))
        )
        return self.responsibilities(location, loading, concentration, queries)

    def responsibilities(
        self, location: Floats, loading: Floats, concentration: Floats, queries: Indices
    ) -> Floats:
        """[len(queries), Z] P(node | counts) for given parameters of the E series."""
        right, trials = self.right[:, queries], self.trials[:, queries]
        pairs, index = np.unique(
            np.stack([right.ravel(), trials.ravel()], axis=1), axis=0, return_inverse=True
        )
        index = index.reshape(right.shape)
        means = conditional_mean(location[:, None] + loading @ self.nodes.T)
        log_weight = np.zeros((len(queries), len(self.nodes)))
        for e in range(len(self.arms)):
            log_weight += log_beta_binomial(means[e], concentration[e], pairs)[index[e]]
        log_weight -= log_weight.max(axis=1, keepdims=True)
        weight = np.exp(log_weight)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class QuantityPosterior:
    """Draws for the logarithm of one quantity of E arms observed on Q queries; see `LogTable`."""

    arms: tuple[Arm, ...]
    count: Floats
    mean: Floats
    squares: Floats
    sites: Mapping[str, Floats]
    centre: float
    spread: float

    def parameters(self, draw: Indices) -> dict[str, Floats]:
        """[D, E] (slope [D, E, factors]) parameters of the observed arms."""
        return self._compose(self.arms, {name: v[draw] for name, v in self.sites.items()})

    def parameters_of(self, arm: Arm, draw: Indices, rng: np.random.Generator) -> dict[str, Floats]:
        """[D] (slope [D, factors]) parameters of one arm, observed or not."""
        chosen = {name: values[draw] for name, values in self.sites.items()}
        if arm in self.arms:
            index, arms = self.arms.index(arm), self.arms
        else:
            index, arms = len(self.arms), (*self.arms, arm)
            chosen = extended(chosen, ARM_AXIS, rng)
        return {name: values[:, index] for name, values in self._compose(arms, chosen).items()}

    def _compose(self, arms: Sequence[Arm], sites: Mapping[str, Floats]) -> dict[str, Floats]:
        cholesky = cholesky_of(arms, [0] * len(arms))
        return quantity_parameters(sites, self.centre, self.spread, cholesky, np)


def extended(
    sites: Mapping[str, Floats], axes: Mapping[str, int], rng: np.random.Generator
) -> dict[str, Floats]:
    """The sites with one more series, standard normal: its prior given the others."""
    found = dict(sites)
    for name in sorted(sites):
        if name in axes:
            values, axis = sites[name], axes[name]
            shape = list(values.shape)
            shape[axis] = 1
            found[name] = np.concatenate([values, rng.standard_normal(shape)], axis=axis)
    return found


def conditional_mean(score: Floats) -> Floats:
    """m = logistic(score), kept off 0 and 1."""
    return EDGE + (1 - 2 * EDGE) * 0.5 * (1 + np.tanh(0.5 * score))


def log_beta_binomial(mean: Floats, concentration: float, pairs: Floats) -> Floats:
    """[U, Z] log probability of each (right, trials) pair [U, 2] for conditional means [Z]."""
    alpha, beta = mean * concentration, (1 - mean) * concentration
    right, trials = pairs[:, :1], pairs[:, 1:]
    return (
        log_gamma(alpha + right)
        - log_gamma(alpha)
        + log_gamma(beta + trials - right)
        - log_gamma(beta)
        - log_gamma(concentration + trials)
        + log_gamma(np.asarray(concentration))
    )
