"""What a call is worth: how much better a front is expected to be chosen once it has been seen.

Points are chosen by the mean of the belief, and attain what they really are. The value of calls is
the knowledge gradient: hypervolume attained by the choice after them, less that by today's, both as
the belief after the calls has it (Frazier, Powell, Dayanik 2009). That belief is the ensemble moved
by perturbed observations, as in an ensemble Kalman filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.profiler.adaptive.arms import Array

Indices = npt.NDArray[np.intp]
BEYOND = 1.1
"""The corner of hypervolume, in seconds or dollars of the most accurate point."""
MOST = 0.9
"""The share of draws whose most accurate point lies inside it."""
OUTCOMES = 8
"""Outcomes of a call that are played through."""
CHANCE = 3.0
"""Correlations below this over the root of the number of draws are taken for chance."""


def area(right: Array, spent: Array, corner: float) -> Array:
    """[M] area under each draw's front of n points [n, M], from 0 to the corner, as its share."""
    order = np.argsort(spent, axis=0, kind="stable")
    at = np.minimum(np.take_along_axis(spent, order, 0), corner)
    best = np.maximum.accumulate(np.take_along_axis(right, order, 0), axis=0)
    ends = np.concatenate([at[1:], np.full((1, at.shape[1]), corner)])
    return np.asarray((best * (ends - at)).sum(axis=0) / corner)


def chosen(right: Array, spent: Array) -> Indices:
    """The points [B] that no other is better than, cheapest first."""
    order = np.lexsort((-right, spent))
    best = np.maximum.accumulate(np.concatenate([[-np.inf], right[order][:-1]]))
    return np.asarray(order[right[order] > best])


@dataclass(frozen=True)
class Pool:
    """Points that may be on the front, under each draw.

    Attributes:
        right: [B, M] accuracy.
        spent: each [B, M]: latency, and cost where there are prices.
    """

    right: Array
    spent: tuple[Array, ...]

    def choices(self) -> list[tuple[Indices, float]]:
        """For each amount the points chosen by the mean, and the corner.

        The corner is beyond the most accurate point of most draws: what is not chosen yet but may
        be far better has to count.
        """
        found = []
        top = self.right.argmax(axis=0)
        for spent in self.spent:
            mean = spent.mean(axis=1)
            rows = chosen(self.right.mean(axis=1), mean)
            far = float(np.quantile(spent[top, np.arange(len(top))], MOST))
            found.append((rows, BEYOND * max(far, float(mean[rows].max()))))
        return found

    def regret(self) -> float:
        """Share of hypervolume that the choice by the mean is expected to lack."""
        lost = []
        for spent, (rows, corner) in zip(self.spent, self.choices(), strict=True):
            most = area(self.right, spent, corner)
            got = area(self.right[rows], spent[rows], corner)
            lost.append(1.0 - float(got.mean()) / max(float(most.mean()), 1e-12))
        return max(0.0, max(lost))


def value(pool: Pool, facts: Array, noise: Array, seed: int) -> float:
    """Expected share of hypervolume that seeing facts wins; at least 0.

    Args:
        facts: [F, M] what is observed, under each draw.
        noise: [F] deviation of the observation.
    """
    draws = facts.shape[1]
    rng = np.random.default_rng(seed)
    away = facts - facts.mean(axis=1, keepdims=True)
    gain = _gain(away, noise)
    if not gain.any():
        return 0.0
    members = rng.permutation(draws)[:OUTCOMES]
    errors = rng.normal(size=(len(members), len(noise))) * noise
    perturbed = rng.normal(size=facts.shape) * noise[:, None]
    perturbed -= perturbed.mean(axis=1, keepdims=True)
    moves = [away[:, m] + e for m, e in zip(members, errors, strict=True)]
    shifts = [gain @ (move[:, None] + perturbed - away) for move in moves]
    total = 0.0
    for spent, (rows, corner) in zip(pool.spent, pool.choices(), strict=True):
        by_right, by_spent = _slopes(pool.right, away), _slopes(spent, away)
        means = pool.right.mean(axis=1), spent.mean(axis=1)
        for shift in shifts:
            centre = shift.mean(axis=1)
            after = chosen(means[0] + by_right @ centre, means[1] + by_spent @ centre)
            if np.array_equal(after, rows):
                continue
            new, old = (
                area(
                    np.clip(pool.right[some] + by_right[some] @ shift, 0.0, 1.0),
                    np.maximum(spent[some] + by_spent[some] @ shift, 0.0),
                    corner,
                )
                for some in (after, rows)
            )
            total += float((new - old).mean())
    return max(0.0, total / (len(moves) * len(pool.spent)))


def _gain(away: Array, noise: Array) -> Array:
    """[F, F] how far an observation moves each fact: K = C (C + R)⁻¹."""
    inside = away @ away.T / away.shape[1]
    if not inside.any():
        return np.zeros_like(inside)
    return np.asarray(inside @ np.linalg.pinv(inside + np.diag(noise**2)))


def _slopes(values: Array, away: Array) -> Array:
    """[B, F] regression of values [B, M] on the facts; 0 where no correlation is beyond chance."""
    draws = away.shape[1]
    off = values - values.mean(axis=1, keepdims=True)
    common = off @ away.T / draws
    sizes = np.sqrt((away**2).mean(axis=1))
    scale = np.sqrt((off**2).mean(axis=1))[:, None] * sizes
    real = np.abs(common) > CHANCE / np.sqrt(draws) * scale
    slopes = common @ np.linalg.pinv(away @ away.T / draws, hermitian=True)
    return np.where(real.any(axis=1, keepdims=True), slopes, 0.0)


def best(values: Sequence[float], dollars: Sequence[float]) -> Indices:
    """The order of calls by what they are worth per dollar, the best first."""
    return np.argsort(-np.asarray(values) / np.asarray(dollars), kind="stable")
