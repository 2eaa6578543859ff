"""Who finishes first: candidates whose times are independent shifted log-normals.

Candidate i is judged at T_i = d_i + exp(μ_i + σ_i Z_i) and accepted with A_i, independently. The
race ends at the earliest T_i that is accepted, else at the latest. With F_j the distribution of
T_j, S_i(t) = Π_{j≠i} (1 − A_j F_j(t)) is the chance that no other has been accepted by t, and
L_i(t) = Π_{j≠i} (1 − A_j) F_j(t) that all others have been rejected by t; so

    P(i is accepted first) = A_i E[S_i(T_i)],
    P(i is judged last, none accepted) = (1 − A_i) E[L_i(T_i)].

The expectations over Z_i are Gauss-Hermite sums. Of equal times, the earlier operand is first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NODES = 24
"""Points of the Gauss-Hermite rule."""

_POINTS, _MASSES = np.polynomial.hermite_e.hermegauss(NODES)
_MASSES = _MASSES / _MASSES.sum()


_STEPS = 4096
_REACH = 8.5
_GRID = np.linspace(-_REACH, _REACH, _STEPS + 1)
_BELOW = np.array([0.5 * math.erfc(-z / math.sqrt(2.0)) for z in _GRID])


def normal_below(z: Array) -> Array:
    """P(Z ≤ z) of a standard normal, within 1e-6: read off a table, in between linearly."""
    return np.asarray(np.interp(z, _GRID, _BELOW, left=0.0, right=1.0))


@dataclass(frozen=True)
class Times:
    """One candidate: seconds are shift + exp(location + scale·Z)."""

    shift: Any
    location: Any
    scale: Any

    def at(self, z: float) -> Array:
        """The quantile of a standard normal z."""
        with np.errstate(over="ignore"):
            return np.asarray(self.shift + np.exp(self.location + self.scale * z))

    def by(self, t: Array, before: bool) -> Array:
        """P(T ≤ t), or P(T < t) with `before`."""
        span = t - self.shift
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.log(np.maximum(span, 0.0)) - self.location
            # A sum of floats told from itself: equal up to rounding is equal.
            distance = np.where(np.abs(distance) < 1e-12, 0.0, distance)
            fuzzy = normal_below(distance / self.scale)
        sure = (distance > 0.0) if before else (distance >= 0.0)
        return np.where(np.asarray(self.scale) > 0.0, fuzzy, sure.astype(float))


def matched(mean: Any, variance: Any) -> tuple[Any, Any]:
    """Location and scale of the log-normal with a mean and variance (Fenton and Wilkinson)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(mean > 0.0, variance / np.maximum(mean, 1e-300) ** 2, 0.0)
        scale = np.sqrt(np.log1p(ratio))
        return np.log(mean) - 0.5 * scale**2, scale


@dataclass(frozen=True)
class Finish:
    """What becomes of every candidate, and when the race is decided.

    Attributes:
        accepted: P(candidate i is accepted, before any other).
        last: P(candidate i is judged last, all others rejected), whatever is said of it.
        made: P(candidate i is there before the race is decided), so that it is judged.
        started: P(the race is open when candidate i is to start).
        seconds: expected time of the decision.
    """

    accepted: tuple[Array, ...]
    last: tuple[Array, ...]
    made: tuple[Array, ...]
    started: tuple[Array, ...]
    seconds: Array


def finish(
    there: Sequence[Times], judged: Sequence[Times], delays: Sequence[float], chances: Sequence[Any]
) -> Finish:
    """The race of candidates that are `there`, then `judged`, and accepted with `chances`."""

    def open_at(i: int, t: Array) -> Array:
        found: Array = np.ones(())
        for j, other in enumerate(judged):
            if j != i:
                found = found * (1.0 - chances[j] * other.by(t, before=j > i))
        return found

    def rejected_by(i: int, t: Array) -> Array:
        found: Array = np.ones(())
        for j, other in enumerate(judged):
            if j != i:
                found = found * (1.0 - chances[j]) * other.by(t, before=j > i)
        return found

    zero = np.zeros(())
    accepted, last, made, started = [], [], [], []
    seconds = zero
    for i, (own, verdict, delay) in enumerate(zip(there, judged, delays, strict=True)):
        wins, ends, arrives = zero, zero, zero
        for z, mass in zip(_POINTS, _MASSES, strict=True):
            t = verdict.at(float(z))
            is_open, is_left = mass * open_at(i, t), mass * rejected_by(i, t)
            wins, ends = wins + is_open, ends + is_left
            seconds = seconds + t * (chances[i] * is_open + (1.0 - chances[i]) * is_left)
            arrives = arrives + mass * open_at(i, own.at(float(z)))
        accepted.append(chances[i] * wins)
        last.append(ends)
        made.append(arrives)
        started.append(open_at(i, np.asarray(float(delay))) if delay else np.ones(()))
    return Finish(tuple(accepted), tuple(last), tuple(made), tuple(started), np.asarray(seconds))
