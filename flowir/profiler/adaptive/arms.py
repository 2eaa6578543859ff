"""What can be asked about: a sub-agent in one configuration, given right or wrong inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from flowir.configuration import Configuration

Array = npt.NDArray[np.float64]


class Arm(NamedTuple):
    """Calls that are alike but for the query."""

    agent: str
    configuration: Configuration
    input_correct: bool = True


class Scales(NamedTuple):
    """Prior standard deviations of what arms have in common, and of what one has alone.

    Attributes:
        agent: of all arms of an agent.
        model: of a model, the same for every agent.
        both: of a model in one agent.
        budget: of a budget in one agent; near budgets share it.
        own: of one arm.
        query: of a query, the same for every arm.
    """

    agent: float
    model: float
    both: float
    budget: float
    own: float
    query: float


SUCCESS = Scales(agent=1.5, model=1.0, both=0.5, budget=0.7, own=0.4, query=1.3)
"""Of log odds."""
AMOUNT = Scales(agent=1.5, model=1.0, both=0.3, budget=0.8, own=0.2, query=0.2)
"""Of the logarithm of seconds or dollars."""
NEAR = math.log(4.0)
"""Budgets whose ratio is this, as a logarithm, share 0.6 of their effect."""
OTHER_INPUTS = 0.3
"""What an agent on wrong inputs shares with itself on right ones."""


def covariance(arms: Sequence[Arm], scales: Scales) -> Array:
    """[A, A] prior covariance of the arms: sums of what pairs of them have in common."""
    agents, models = _same([a.agent for a in arms]), _same([a.configuration.model for a in arms])
    inputs = _same([a.input_correct for a in arms])
    agents = agents * np.where(inputs > 0, 1.0, OTHER_INPUTS)
    found = scales.agent**2 * agents + scales.model**2 * models
    found += scales.both**2 * agents * models
    found += scales.budget**2 * agents * _budgets(arms)
    return np.asarray(found + scales.own**2 * np.eye(len(arms)))


def _same(values: Sequence[object]) -> Array:
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    row = np.array([numbers[value] for value in values])
    return np.asarray(row[:, None] == row, dtype=np.float64)


def _budgets(arms: Sequence[Arm]) -> Array:
    """[A, A] 1 for equal budgets, less the further two token budgets are apart, else 0."""
    budgets = [arm.configuration.budget for arm in arms]
    equal = _same(budgets)
    sizes = np.array([math.log(b + 1.0) if isinstance(b, int) else np.nan for b in budgets])
    with np.errstate(invalid="ignore"):
        near = np.exp(-0.5 * ((sizes[:, None] - sizes) / NEAR) ** 2)
    return np.asarray(np.where(np.isnan(near), equal, near), dtype=np.float64)
