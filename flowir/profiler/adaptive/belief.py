"""What is believed of arms: a sketch of the cost model that is worked out anew in milliseconds.

Log odds of success and logarithms of seconds and dollars are θ_a + d_q for arm a and query q, both
Gaussian a priori. Amounts are updated exactly, success by Laplace's method. The sketch chooses
calls; the cost model is fitted to what they gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from flowir.profiler.adaptive.arms import AMOUNT, SUCCESS, Arm, Array, Scales, covariance

EASE = 0.5
"""Log odds of success that are expected before anything is known."""
NOISE, NOISE_COUNT = 0.4, 8.0
"""Expected deviation of a logarithm within an arm, and how many observations that is worth."""
STEPS = 50
"""Newton steps for the mode of success, at most."""


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian over the arms and the queries.

    Attributes:
        mean: [A + Q].
        covariance: [A + Q, A + Q].
        arms: A.
    """

    mean: Array
    covariance: Array
    arms: int

    def draws(self, number: int, rng: np.random.Generator) -> Array:
        """[A, number] of the arms, in pairs about the mean, so that theirs is exact."""
        size = self.arms
        root = np.linalg.cholesky(self.covariance[:size, :size] + 1e-10 * np.eye(size))
        half = root @ rng.normal(size=(size, (number + 1) // 2))
        return np.asarray(self.mean[:size, None] + np.hstack([half, -half])[:, :number])


@dataclass(frozen=True)
class Cells:
    """Observations by arm and query: [A, Q] how many, and their sum."""

    count: Array
    total: Array

    @staticmethod
    def of(shape: tuple[int, int], seen: Iterable[tuple[int, int, float]]) -> Cells:
        """From (arm, query, value)."""
        cells = Cells(np.zeros(shape), np.zeros(shape))
        for arm, query, value in seen:
            cells.count[arm, query] += 1.0
            cells.total[arm, query] += value
        return cells


def conditioned(prior: Array, query: float, weight: Array, target: Array) -> Gaussian:
    """The posterior of (θ, d) given target_aq = θ_a + d_q + N(0, 1 / weight_aq).

    Args:
        prior: [A, A] precision of θ, whose prior mean is 0.
        query: prior standard deviation of each d_q.
        weight: [A, Q] precision of each target; 0 where there is none.
        target: [A, Q].
    """
    arms, queries = weight.shape
    precision = np.zeros((arms + queries, arms + queries))
    precision[:arms, :arms] = prior + np.diag(weight.sum(axis=1))
    precision[arms:, arms:] = np.diag(query**-2 + weight.sum(axis=0))
    precision[:arms, arms:] = weight
    precision[arms:, :arms] = weight.T
    pull = weight * target
    inverse = np.linalg.inv(precision)
    inverse = 0.5 * (inverse + inverse.T)
    mean = inverse @ np.concatenate([pull.sum(axis=1), pull.sum(axis=0)])
    return Gaussian(mean, inverse, arms)


def _precision(arms: Sequence[Arm], scales: Scales) -> Array:
    return np.asarray(np.linalg.inv(covariance(arms, scales)), dtype=np.float64)


def expit(x: Array) -> Array:
    """1 / (1 + exp(−x)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def success(arms: Sequence[Arm], cells: Cells, scales: Scales = SUCCESS) -> Gaussian:
    """Log odds less `EASE`: the Gaussian at the mode.

    Each step is weighted least squares; a step that does not make the posterior denser is halved.
    """
    prior = _precision(arms, scales)
    size = len(arms)

    def log_density(at: Array) -> float:
        theta, d = at[:size], at[size:]
        score = EASE + theta[:, None] + d
        fit = (cells.total * score - cells.count * np.logaddexp(0.0, score)).sum()
        return float(fit - 0.5 * theta @ prior @ theta - 0.5 * d @ d / scales.query**2)

    mode = np.zeros(size + cells.count.shape[1])
    found = conditioned(prior, scales.query, np.zeros_like(cells.count), cells.total)
    for _ in range(STEPS):
        linear = mode[:size, None] + mode[size:]
        rate = expit(EASE + linear)
        weight = cells.count * np.maximum(rate * (1.0 - rate), 1e-6)
        surprise = cells.total - cells.count * rate
        target = linear + np.divide(surprise, weight, out=np.zeros_like(rate), where=weight > 0)
        found = conditioned(prior, scales.query, weight, target)
        step, before = found.mean - mode, log_density(mode)
        length = 1.0
        while log_density(mode + length * step) < before and length > 1e-3:
            length /= 2.0
        mode = mode + length * step
        if np.abs(step).max() < 1e-6:
            break
    return Gaussian(mode, found.covariance, size)


@dataclass(frozen=True)
class Amount:
    """Of seconds or dollars: logarithms less `centre`, and their deviation within an arm."""

    gaussian: Gaussian
    centre: float
    noise: float


def amount(
    arms: Sequence[Arm], cells: Cells, squares: float, centre: float, scales: Scales = AMOUNT
) -> Amount:
    """The posterior of an amount.

    Args:
        cells: of logarithms less `centre`.
        squares: the sum of squares of the same.
    """
    each = cells.count.sum(axis=1)
    totals = cells.total.sum(axis=1)
    seen = each > 0
    inside = max(0.0, squares - float((totals[seen] ** 2 / each[seen]).sum()))
    free = float((each[seen] - 1.0).sum())
    variance = (NOISE_COUNT * NOISE**2 + inside) / (NOISE_COUNT + free)
    weight = cells.count / variance
    mean = np.divide(cells.total, cells.count, out=np.zeros_like(weight), where=cells.count > 0)
    prior = _precision(arms, scales)
    return Amount(conditioned(prior, scales.query, weight, mean), centre, variance**0.5)


@dataclass(frozen=True)
class Seen:
    """What calls showed, each with the place of its arm and of its query."""

    success: Sequence[tuple[int, int, float]] = ()
    seconds: Sequence[tuple[int, int, float]] = ()
    dollars: Sequence[tuple[int, int, float]] = ()


@dataclass(frozen=True)
class Belief:
    """Draws of what arms are like on fresh queries.

    Attributes:
        right: [A, M] chance of a right answer (of a critic: of accepting).
        seconds: [A, M] mean latency.
        dollars: [A, M] mean cost; None where none is known.
        noise: deviation of one call's log seconds and log dollars.
    """

    right: Array
    seconds: Array
    dollars: Array | None
    noise: tuple[float, float]

    def narrowed(self, factor: Array) -> Belief:
        """Deviations of the draws from their mean times a factor [A, 1]."""
        seconds, dollars = self.seconds, self.dollars
        return Belief(
            _narrowed(self.right, factor),
            _narrowed(seconds, factor),
            None if dollars is None else _narrowed(dollars, factor),
            self.noise,
        )


def _narrowed(values: Array, factor: Array) -> Array:
    mean = values.mean(axis=1, keepdims=True)
    return np.asarray(mean + factor * (values - mean))


SMALLEST = 1e-9
"""Amounts are taken to be at least this; they have logarithms."""


def believe(arms: Sequence[Arm], queries: int, seen: Seen, draws: int, seed: int) -> Belief:
    """The belief after what was seen."""
    rng = np.random.default_rng(seed)
    shape = (len(arms), queries)
    odds = success(arms, Cells.of(shape, seen.success)).draws(draws, rng) + EASE
    # The mean of expit(x + d) over a Gaussian d, after MacKay (1992).
    right = expit(odds / np.sqrt(1.0 + np.pi / 8.0 * SUCCESS.query**2))
    seconds, slack = _amounts(arms, shape, seen.seconds, draws, rng)
    dollars, spread = None, 0.0
    if seen.dollars:
        dollars, spread = _amounts(arms, shape, seen.dollars, draws, rng)
    return Belief(np.asarray(right), seconds, dollars, (slack, spread))


def _amounts(
    arms: Sequence[Arm],
    shape: tuple[int, int],
    seen: Sequence[tuple[int, int, float]],
    draws: int,
    rng: np.random.Generator,
) -> tuple[Array, float]:
    logs = [(arm, query, float(np.log(max(value, SMALLEST)))) for arm, query, value in seen]
    centre = float(np.mean([value for _, _, value in logs])) if logs else 0.0
    centred = [(arm, query, value - centre) for arm, query, value in logs]
    squares = sum(value**2 for _, _, value in centred)
    found = amount(arms, Cells.of(shape, centred), squares, centre)
    location = found.gaussian.draws(draws, rng) + centre
    mean = np.exp(location + 0.5 * (found.noise**2 + AMOUNT.query**2))
    return np.asarray(mean), found.noise
