"""What a point must keep to: limits on the posterior means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowir.errors import FlowirError, SearchError
from flowir.search.problem import OBJECTIVES, Array, Objective

UNIT = {"accuracy": "", "latency": " s", "cost": " US dollars"}


@dataclass(frozen=True)
class Limit:
    """One limit: at least so much accuracy, or at most so much latency (s) or cost (US dollars)."""

    objective: Objective
    value: float

    @property
    def option(self) -> str:
        """The option that asks for it, as a user writes it."""
        bound = "min" if self.objective == "accuracy" else "max"
        return f"{bound}-{self.objective}={self.value:g}"

    def met(self, values: Array) -> npt.NDArray[np.bool_]:
        """Which values [N] keep to it."""
        if self.objective == "accuracy":
            return np.asarray(values >= self.value)
        return np.asarray(values <= self.value)

    def best(self, values: Array) -> str:
        """The nearest of `values` [N] to what is asked, in words."""
        if self.objective == "accuracy":
            return f"the highest accuracy found is {values.max():.4g}"
        return f"the lowest {self.objective} found is {values.min():.4g}{UNIT[self.objective]}"


def limits(
    max_latency: float | None = None,
    min_accuracy: float | None = None,
    max_cost: float | None = None,
) -> tuple[Limit, ...]:
    """The limits that are given.

    Raises:
        SearchError: an accuracy that is no share, or a negative latency or cost.
    """
    given: list[tuple[Objective, float | None]] = [
        ("accuracy", min_accuracy),
        ("latency", max_latency),
        ("cost", max_cost),
    ]
    found = tuple(Limit(objective, value) for objective, value in given if value is not None)
    for limit in found:
        top = 1.0 if limit.objective == "accuracy" else np.inf
        if not 0.0 <= limit.value <= top:
            wanted = "a share from 0 to 1" if top == 1.0 else "zero or more"
            raise SearchError(f"{limit.option}: {wanted} is meant")
    return found


def feasible(
    values: Array,
    objectives: Sequence[Objective],
    wanted: Sequence[Limit],
    error: Callable[[str], FlowirError] = SearchError,
) -> npt.NDArray[np.bool_]:
    """[N] which points, by values [N, K] of the objectives, keep to every limit.

    Raises:
        FlowirError: no point does; the message names the limits and the nearest values there are.
            Of the type `error`.
    """
    column = {objective: values[:, k] for k, objective in enumerate(objectives)}
    unknown = [limit.option for limit in wanted if limit.objective not in column]
    if unknown:
        raise error(f"{', '.join(unknown)}: nothing is known of it; see the warnings for why")
    met = {limit: limit.met(column[limit.objective]) for limit in wanted}
    every = np.logical_and.reduce([np.ones(len(values), dtype=np.bool_), *met.values()])
    if every.any():
        return np.asarray(every)
    alone = [limit for limit in wanted if not met[limit].any()]
    if alone:
        reasons = [f"{x.option}: {x.best(column[x.objective])}" for x in alone]
        raise error("no point meets " + "; ".join(reasons))
    reasons = []
    for limit in wanted:
        others = [other for other in wanted if other is not limit]
        rest = np.logical_and.reduce([met[other] for other in others])
        if rest.any():
            kept = " and ".join(other.option for other in others)
            reasons.append(f"with {kept}, {limit.best(column[limit.objective][rest])}")
    asked = " and ".join(limit.option for limit in wanted)
    raise error(f"no point meets {asked} together: " + "; ".join(reasons))


def in_order(objectives: Sequence[Objective]) -> tuple[Objective, ...]:
    """The objectives, each once, in the order in which they are always reported."""
    return tuple(objective for objective in OBJECTIVES if objective in objectives)
