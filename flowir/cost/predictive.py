"""Posterior predictive: what a finite test would measure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def predictive(
    values: Floats,
    n: int,
    *,
    seed: int = 0,
    event: bool = False,
    repeats: int = 1,
    replace: bool = True,
) -> Floats:
    """[draws] means that a test of `n` queries, each run `repeats` times, would give.

    Args:
        values: [draws, queries] per query a probability (`event`), or an amount: draws of one
            realised run if noise within a query is to count, expectations if not.
        event: each run is right or wrong with that probability (money and seconds are not).
        replace: fresh queries are drawn with replacement. False tests the given ones, each
            `n // queries` times and the rest at random: for observed queries.
    """
    rng = np.random.default_rng([seed, n, repeats])
    draws, queries = values.shape
    copies, rest = (0, n) if replace else divmod(n, queries)
    means = np.empty(draws)
    for d in range(draws):
        some = rng.integers(queries, size=rest) if replace else rng.permutation(queries)[:rest]
        tested = np.concatenate([np.tile(np.arange(queries), copies), some])
        chosen = values[d, tested]
        if event:
            chosen = rng.binomial(repeats, np.clip(chosen, 0, 1)) / repeats
        means[d] = chosen.mean()
    return means
