"""What a front claimed, what it attained, and what choosing by it is worth."""

from __future__ import annotations

import moocore
import numpy as np
import numpy.typing as npt

from flowir.search.pareto import non_dominated

Array = npt.NDArray[np.float64]
PREFERENCES = 4000
"""Draws of preferences."""
BEYOND = 1.1
"""The reference: so far from the best as the worst is, and a tenth more. Extreme points count."""


def attained(predicted: Array, measured: Array, signs: Array) -> tuple[float, float, float]:
    """Hypervolume of the front as claimed, of its points as measured, and of all as measured.

    The volume that points dominate (Zitzler and Thiele, 1998), as a share of the box between the
    best of all values predicted and measured and a tenth beyond the worst.

    Args:
        predicted, measured: [P, K].
        signs: [K] 1 where larger is better, −1 where smaller is.
    """
    losses = -signs * np.concatenate([predicted, measured])
    best, worst = losses.min(axis=0), losses.max(axis=0)
    scaled = (losses - best) / np.where(worst > best, worst - best, 1.0)
    claims, facts = np.split(scaled, 2)
    chosen = non_dominated(claims, duplicates=True)
    return _volume(claims), _volume(facts[chosen]), _volume(facts)


def _volume(losses: Array) -> float:
    """Of [P, K] losses from 0 to 1."""
    size = losses.shape[1]
    if size == 1:
        return float(1.0 - losses.min() / BEYOND)
    return float(moocore.hypervolume(losses, ref=np.full(size, BEYOND)) / BEYOND**size)


def expected_utility(
    predicted: Array, measured: Array, signs: Array, *, seed: int = 0
) -> tuple[float, float]:
    """Measured utility of the point chosen by prediction, and of the best point, over preferences.

    A preference weighs objectives, weights uniform on the simplex; utility is the weighted sum of
    objectives scaled to 0..1 over what was measured.

    Args:
        predicted, measured: [P, K].
        signs: [K] 1 where larger is better, −1 where smaller is.
    """
    gains, facts = signs * predicted, signs * measured
    low, span = facts.min(axis=0), np.ptp(facts, axis=0)
    span = np.where(span > 0.0, span, 1.0)
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(signs)), PREFERENCES)
    hoped, true = weights @ ((gains - low) / span).T, weights @ ((facts - low) / span).T
    chosen = hoped.argmax(axis=1)
    return float(true[np.arange(PREFERENCES), chosen].mean()), float(true.max(axis=1).mean())
