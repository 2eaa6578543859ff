"""The points of a front: what to run, and what to expect of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Estimate(NamedTuple):
    """A mean and its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Config:
    """What a sub-agent runs on; the model client gets all of it as it is."""

    model: str
    # <budgets>
    budget: int | str | None = None
    # </budgets>
    params: Mapping[str, Any] = field(default_factory=dict)
