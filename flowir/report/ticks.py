"""Round numbers on an axis."""

from __future__ import annotations

import math


def ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from low to high: the largest step of which the
    axis is at least four long."""
    span = high - low
    step = 10.0 ** math.ceil(math.log10(span))
    while True:
        for part in (1.0, 0.5, 0.2):
            if span / (step * part) >= 4:
                first, last = math.ceil(low / (step * part)), math.floor(high / (step * part))
                return [n * step * part for n in range(first, last + 1)]
        step /= 10
