"""How far known requests are looked at: width of a kernel and number of features, leave one out.

Each known request q is predicted from all the others,

    loss(c, q) ≈ Σ_{r ≠ q} w_r · loss(c, r)        w as the kernel weighs them

and the width is the one of least mean squared error, over queries and configurations. Where
features say nothing the widest wins, at which all requests are alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WIDTHS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 1e3)
"""In spreads of the features; the last stands for no difference."""

QUERIES = 512
ROWS = 64
"""Of the known requests and of the configurations that are looked at, at most."""


def best(candidates: Sequence[Floats], losses: Floats) -> tuple[int, float]:
    """Which features [Q, F] of several, and which width; of equal ones the first.

    Args:
        losses: [C, Q] of each configuration on each known request.
    """
    step = max(1, -(-len(losses) // ROWS))
    some = losses[::step, :QUERIES]
    found = np.array([errors(features[:QUERIES], some) for features in candidates])
    number, width = np.unravel_index(int(found.argmin()), found.shape)
    return int(number), WIDTHS[width]


def errors(features: Floats, losses: Floats) -> Floats:
    """[W] mean squared error of predictions from the others, per width."""
    scaled = features / np.maximum(features.std(axis=0), 1e-12)
    norms = (scaled**2).sum(axis=1)
    distance = np.maximum(norms[:, None] + norms - 2 * scaled @ scaled.T, 0.0)
    np.fill_diagonal(distance, np.inf)
    distance -= distance.min(axis=1, keepdims=True)
    found = np.empty(len(WIDTHS))
    for number, width in enumerate(WIDTHS):
        weights = np.exp(-distance / (2 * width**2))
        weights /= weights.sum(axis=1, keepdims=True)
        found[number] = np.square(losses @ weights.T - losses).mean()
    return found
