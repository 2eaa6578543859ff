"""How well one quantity was predicted over all points."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
FEWEST = 3
"""Points that a rank correlation needs."""


def ranks(values: Array) -> Array:
    """[P] from 1; equal values share the mean of their ranks."""
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2.0)


def spearman(predicted: Array, measured: Array) -> float | None:
    """Rank correlation of [P] and [P] (Spearman, 1904): that of ranks, ties sharing theirs.

    None for fewer than three points, or where one side is the same for all.
    """
    if len(predicted) < FEWEST:
        return None
    x, y = ranks(predicted) - ranks(predicted).mean(), ranks(measured) - ranks(measured).mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0.0 else None


def pairwise(predicted: Array, measured: Array) -> float | None:
    """Share of pairs of points that both order in the same way.

    A pair that only one of the two ties counts one half; one that both tie is left out. None where
    there is no other pair.
    """
    first, second = np.triu_indices(len(predicted), 1)
    x = np.sign(predicted[first] - predicted[second])
    y = np.sign(measured[first] - measured[second])
    counted = (x != 0) | (y != 0)
    if not counted.any():
        return None
    return float((1.0 + x * y)[counted].mean() / 2.0)


def mean_absolute_error(predicted: Array, measured: Array) -> float:
    """Mean of |predicted − measured| over [P]."""
    return float(np.abs(predicted - measured).mean())


def predictive_interval(
    low: float, high: float, mean: float, noise: float, credible: float
) -> tuple[float, float]:
    """Where a finite test should fall: a credible interval of the expectation, widened by noise.

    Half-widths are added in quadrature, each side on its own, as for independent normal errors.

    Args:
        low, high, mean: of the expectation.
        noise: standard deviation of the test about it.
        credible: mass of the interval.
    """
    half = NormalDist().inv_cdf(0.5 + credible / 2.0) * noise
    return mean - float(np.hypot(mean - low, half)), mean + float(np.hypot(high - mean, half))


def coverage(intervals: Array, measured: Array) -> float:
    """Share of [P] measured values within [P, 2] intervals, ends included."""
    return float(((intervals[:, 0] <= measured) & (measured <= intervals[:, 1])).mean())
