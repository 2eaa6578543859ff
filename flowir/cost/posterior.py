"""Posterior draws of the parameters, and what they say about single queries. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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
        location, loading, concentration = self._all
        return location[draw], loading[draw], concentration[draw]

    def parameters_of(
        self, arm: Arm, kind: int, draw: Indices, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        """Location [D], loading [D, factors], concentration [D] of one series, observed or not."""
        index = self.series.get((arm, kind))
        if index is not None:
            location, loading, concentration = self._all
            return location[draw, index], loading[draw, index], concentration[draw, index]
        new = correlation([arm], self.arms, [kind], self.kinds)[0]
        row = continued_row(self._cholesky, new)
        sites = continued(self.sites, SERIES_AXIS, row, draw, rng)
        location, loading, log_concentration = success_parameters(
            sites, np.array([kind]), np.eye(1), np
        )
        return location[:, 0], loading[:, 0], np.exp(log_concentration[:, 0])

    @cached_property
    def series(self) -> dict[tuple[Arm, int], int]:
        """(arm, kind) -> position."""
        return {key: e for e, key in enumerate(zip(self.arms, self.kinds, strict=True))}

    @cached_property
    def _cholesky(self) -> Floats:
        return cholesky_of(self.arms, self.kinds)

    @cached_property
    def _all(self) -> tuple[Floats, Floats, Floats]:
        """Parameters of every stored draw."""
        location, loading, log_concentration = success_parameters(
            self.sites, np.asarray(self.kinds, dtype=np.int64), self._cholesky, np
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
        return {name: values[draw] for name, values in self._all.items()}

    def parameters_of(self, arm: Arm, draw: Indices, rng: np.random.Generator) -> dict[str, Floats]:
        """[D] (slope [D, factors]) parameters of one arm, observed or not."""
        index = self.place.get(arm)
        if index is not None:
            return {name: values[draw, index] for name, values in self._all.items()}
        new = correlation([arm], self.arms, [0], [0] * len(self.arms))[0]
        row = continued_row(self._cholesky, new)
        sites = continued(self.sites, ARM_AXIS, row, draw, rng)
        own = quantity_parameters(sites, self.centre, self.spread, np.eye(1), np)
        return {name: values[:, 0] for name, values in own.items()}

    @cached_property
    def place(self) -> dict[Arm, int]:
        """arm -> position."""
        return {arm: e for e, arm in enumerate(self.arms)}

    @cached_property
    def _cholesky(self) -> Floats:
        return cholesky_of(self.arms, [0] * len(self.arms))

    @cached_property
    def _all(self) -> dict[str, Floats]:
        """Parameters of every stored draw."""
        return quantity_parameters(self.sites, self.centre, self.spread, self._cholesky, np)


def continued_row(cholesky: Floats, correlations: Floats) -> Floats:
    """[E + 1] what a Cholesky factor gains as its last row with one more series.

    correlations: [E] of the new series with the others.
    """
    row = np.linalg.solve(cholesky, correlations)
    left = max(1 + 1e-9 - float(row @ row), 1e-12)
    return np.concatenate([row, [left**0.5]])


def continued(
    sites: Mapping[str, Floats],
    axes: Mapping[str, int],
    row: Floats,
    draw: Indices,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """The effects of one more series, given those observed, in place of the sites of all of them.

    Its own part is standard normal: the prior of the series given the others.
    """
    found = {name: values[draw] for name, values in sites.items()}
    for name in sorted(axes.keys() & sites.keys()):
        values = np.moveaxis(found[name], axes[name], -1)
        own = values @ row[:-1] + row[-1] * rng.standard_normal(values.shape[:-1])
        found[name] = np.expand_dims(own, axes[name])
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
