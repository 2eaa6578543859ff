"""How to fit the cost model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["laplace", "svi", "nuts"]


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    Attributes:
        factors: dimensions of the shared difficulty. Two: by four-fold cross-validation within the
            measured profiles they gain 24 to 53 nats over one, and a third is within 7 of them.
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
