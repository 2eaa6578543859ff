"""How to fit the cost model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["laplace", "svi", "nuts"]


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    Attributes:
        factors: dimensions of the shared difficulty.
        points: nodes that stand for the distribution of difficulty; a Fibonacci number is best.
        draws: posterior draws kept.
        method: `laplace`, `svi`, or `nuts` (slower, exact in the limit).
        seed: same observations, options and seed give the same model.
    """

    factors: int = 2
    points: int = 144
    draws: int = 256
    method: Method = "laplace"
    seed: int = 0
