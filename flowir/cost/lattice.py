"""Points of equal weight that stand for a standard normal vector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flowir.cost.special import normal_quantile

Floats = npt.NDArray[np.float64]


def normal_lattice(points: int, dimensions: int) -> Floats:
    """[points, dimensions] nodes for integrals against N(0, I).

    One coordinate is spaced evenly, the others advance by powers of the generalised golden ratio
    (in two dimensions close to the Fibonacci lattice; Niederreiter 1992, section 5). Success is
    nearly a step in some direction of difficulty, and every direction sees `points` distinct values
    where a product grid would show it a few.
    """
    index = np.arange(points)
    columns = [np.asarray((index + 0.5) / points)]
    columns += [np.asarray((index * step + 0.5 / points) % 1) for step in _steps(dimensions - 1)]
    return normal_quantile(np.stack(columns, axis=1))


def shifted_lattice(points: int, dimensions: int, rng: np.random.Generator) -> Floats:
    """Like `normal_lattice`, moved at random on the unit torus (Cranley and Patterson 1976).

    Every node is marginally standard normal; the order of the nodes is random.
    """
    index = np.arange(points)
    columns = [index / points, *(index * step for step in _steps(dimensions - 1))]
    unit = (np.stack(columns, axis=1) + rng.random(dimensions)) % 1
    return normal_quantile(rng.permutation(np.clip(unit, 1e-12, 1 - 1e-12)))


def _steps(dimensions: int) -> list[float]:
    """Irrational steps: powers of the root of x^(d+1) = x + 1."""
    if not dimensions:
        return []
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (dimensions + 1))
    return [root ** -(power + 1) for power in range(dimensions)]
