"""The margin of a router, such that accuracy is lost by at most the tolerance asked for.

On n requests that were not used to fit, with losses of mean L̄ and standard deviation s, the margin
is the last before the bound passes the tolerance:

    L̄ + z · s / √n + 1 / n ≤ tolerance        z of the confidence, 1.645 for 95 %

(Risk-controlling prediction sets, Bates et al., arXiv 2101.02703, with the bound of the central
limit theorem.) So at most the tolerance is lost with that confidence, whatever the cost model is
worth. The loss of a request is how much more often the reference is right than the weakest
configuration that the router leaves open: the one that a scheduler takes which minds only cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from flowir.errors import ServingError
from flowir.serving.routing import EVERY, Router

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MARGINS = (-1.0, *np.round(np.linspace(-0.3, 0.3, 121), 4).tolist())
"""Margins that are tried; at −1 nothing but the reference is left open."""


@dataclass(frozen=True)
class Calibrated:
    """A router with its margin.

    Attributes:
        risk: the bound on what is lost.
        requests: it rests on.
    """

    router: Router
    risk: float
    requests: int


def calibrate(
    router: Router, features: Floats, right: Floats, tolerance: float, confidence: float = 0.95
) -> Calibrated:
    """The largest margin that keeps to the tolerance.

    Args:
        features: [N, F] of requests the router has not seen.
        right: [C, N] how often each configuration was right on them, 0..1.

    Raises:
        ServingError: too few requests to promise so little, or nothing may be lost at all.
    """
    if not tolerance > 0:
        raise ServingError(
            f"a tolerance of {tolerance:g} cannot be shown by any number of requests; give more "
            "than 0"
        )
    count = len(features)
    if count * tolerance < 1:
        raise ServingError(
            f"{count} requests cannot show a loss of at most {tolerance:g}; calibrate with "
            f"{int(np.ceil(1 / tolerance))} or more"
        )
    z = NormalDist().inv_cdf(confidence)
    best = Calibrated(replace(router, margin=MARGINS[0]), 1 / count, count)
    expected = None if len(router.rows) > EVERY else _losses(router, features)
    for margin in MARGINS:
        tried = replace(router, margin=margin)
        kept = _each(tried, features) if expected is None else tried.among(expected)
        losses = lost(tried, kept, right)
        risk = float(losses.mean() + z * losses.std() / count**0.5) + 1 / count
        if risk > tolerance:
            break
        best = Calibrated(tried, risk, count)
    return best


def routed(router: Router, features: Floats) -> Bools:
    """[N, C] the configurations left open to each request."""
    if len(router.rows) > EVERY:
        return _each(router, features)
    return router.among(_losses(router, features))


def lost(router: Router, kept: Bools, right: Floats) -> Floats:
    """[N] accuracy lost by the weakest of the configurations left open [N, C] to each request."""
    picked = weakest(router, kept)
    found: Floats = right[router.reference] - right[picked, np.arange(len(kept))]
    return found


def weakest(router: Router, kept: Bools) -> npt.NDArray[np.int64]:
    """[N] the open configuration of least strength, per request."""
    total = router.strength.sum(axis=1)
    return np.asarray(np.where(kept, total, np.inf).argmin(axis=1), dtype=np.int64)


def _losses(router: Router, features: Iterable[Floats]) -> Floats:
    return np.array([router.losses(each) for each in features])


def _each(router: Router, features: Iterable[Floats]) -> Bools:
    return np.array([router.kept(each) for each in features])
