"""How far known requests are looked at: width of a kernel and number of features, leave one out.

Each known request q is predicted from all the others,

    loss(c, q) ≈ Σ_{r ≠ q} w_r · loss(c, r)        w as the kernel weighs them

Of all widths and numbers of features, the fewest features and then the widest kernel are taken
whose mean squared error, over queries and configurations, is within one standard error of the least
(Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984, section 3.4.3). Where
features say nothing that is the last width, at which all requests are alike.
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
    """Which features [Q, F] of several, fewest first, and which width.

    Args:
        losses: [C, Q] of each configuration on each known request.
    """
    step = max(1, -(-len(losses) // ROWS))
    some = losses[::step, :QUERIES]
    found = np.stack([errors(features[:QUERIES], some) for features in candidates])
    least = np.unravel_index(int(found.mean(axis=2).argmin()), found.shape[:2])
    excess = found - found[least]
    doubt = excess.std(axis=2) / excess.shape[2] ** 0.5
    close = (excess.mean(axis=2) <= doubt)[:, ::-1]
    number, place = np.unravel_index(int(close.argmax()), close.shape)
    return int(number), WIDTHS[::-1][place]


def errors(features: Floats, losses: Floats) -> Floats:
    """[W, Q] squared errors of predictions from the others, each a mean over configurations."""
    scaled = features / np.maximum(features.std(axis=0), 1e-12)
    norms = (scaled**2).sum(axis=1)
    distance = np.maximum(norms[:, None] + norms - 2 * scaled @ scaled.T, 0.0)
    np.fill_diagonal(distance, np.inf)
    distance -= distance.min(axis=1, keepdims=True)
    found = np.empty((len(WIDTHS), len(distance)))
    for number, width in enumerate(WIDTHS):
        weights = np.exp(-distance / (2 * width**2))
        weights /= weights.sum(axis=1, keepdims=True)
        found[number] = np.square(losses @ weights.T - losses).mean(axis=0)
    return found
