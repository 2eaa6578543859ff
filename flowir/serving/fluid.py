"""The fluid bound: the most requests per second that any scheduler can serve, on given requests.

    minimise θ  such that  Σ_r Σ_c x[r, c] · work[r, c, m] ≤ θ · replicas[m] · seconds  for all m
                           Σ_c x[r, c] = 1,   x ≥ 0,   c among those open to r

A request may be split over configurations and engines are always full: no scheduler does better.
The bound on the rate is the rate of the requests divided by θ.

It is solved by cutting planes in the prices π of the models, of which there are few: for given
prices every request takes its cheapest configuration, and what these take of each model is a cut.
The master problem and the cheapest configurations bound θ from both sides; they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.errors import ServingError

Floats = npt.NDArray[np.float64]

EXACT = 1e-6
"""Relative gap at which the two sides have met: what the solver of the master problem keeps to."""

ROUNDS = 500


@dataclass(frozen=True, eq=False)
class Demand:
    """What requests of one workflow would take.

    Attributes:
        work: [N, C, M] engine-seconds of each configuration at each model, at least.
        open: [N, C] configurations open to each request.
    """

    work: Floats
    open: npt.NDArray[np.bool_]

    def least(self, prices: Floats) -> Floats:
        """[M] what is taken of each model if every request takes what is cheapest at `prices`."""
        cost = np.where(self.open, self.work @ prices, np.inf)
        chosen = cost.argmin(axis=1)
        taken: Floats = self.work[np.arange(len(chosen)), chosen].sum(axis=0)
        return taken


def utilisation(demands: Sequence[Demand], capacity: Floats) -> float:
    """θ: the share of the busiest engines' time that the requests take at least.

    Args:
        capacity: [M] engine-seconds there are of each model.

    Raises:
        ServingError: scipy is missing, or a model without capacity.
    """
    try:
        from scipy.optimize import linprog
    except ImportError:
        raise ServingError("the fluid bound needs scipy; pip install 'flowir[bench]'") from None
    if not (capacity > 0).all():
        raise ServingError("every model needs at least one replica and some time")
    models = len(capacity)
    prices = 1 / (models * capacity)
    cuts: list[Floats] = []
    best = 0.0
    for _ in range(ROUNDS):
        taken = np.sum([demand.least(prices) for demand in demands], axis=0)
        best = max(best, float(taken @ prices))
        cuts.append(taken / capacity)
        # Shares y of the price go to models: y = π · capacity, Σ y = 1; most t ≤ cut · y.
        found: Any = linprog(
            np.append(np.zeros(models), -1.0),
            A_ub=np.column_stack([-np.array(cuts), np.ones(len(cuts))]),
            b_ub=np.zeros(len(cuts)),
            A_eq=np.append(np.ones(models), 0.0)[None, :],
            b_eq=[1.0],
            bounds=[(0, None)] * models + [(None, None)],
            method="highs",
        )
        above = -float(found.fun)
        if above - best <= EXACT * above:
            return above
        prices = np.asarray(found.x[:models]) / capacity
    raise ServingError(f"the fluid bound is between {best:g} and {above:g} after {ROUNDS} rounds")
