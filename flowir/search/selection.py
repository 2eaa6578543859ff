"""Picking one point of a front: by number, by limits, by preference."""

from __future__ import annotations

import numpy as np

from flowir.errors import SelectionError
from flowir.search.constraints import feasible, limits
from flowir.search.front import QUANTITY, Front
from flowir.search.problem import OBJECTIVES, Array, Objective, losses


def select(
    front: Front,
    *,
    point: int | None = None,
    prefer: float | None = None,
    max_latency: float | None = None,
    min_accuracy: float | None = None,
    max_cost: float | None = None,
) -> int:
    """Index of the point that is asked for.

    Points that break a limit are out. Of the others, with `prefer` = α, the one with the highest
    α·accuracy + (1 − α)(1 − latency / highest latency of the front) is taken (FlowCompile,
    arXiv 2605.13647); else the best in what was left open: the first of accuracy, latency and cost
    that has no limit and is known, or accuracy where all have. Ties go to the more accurate, then
    the faster, then the cheaper, then the first.

    Args:
        point: take this one, whatever it does.
        prefer: weight of accuracy against latency, 0..1.
        max_latency, max_cost: seconds and US dollars, of the posterior mean.
        min_accuracy: share, of the posterior mean.

    Raises:
        SelectionError: no such point, nothing asked for, or limits that no point meets: it names
            the nearest values there are.
    """
    wanted = limits(max_latency, min_accuracy, max_cost)
    if point is not None:
        if wanted or prefer is not None:
            raise SelectionError(f"point={point} leaves nothing to limit or prefer; give one")
        return _numbered(front, point)
    if not wanted and prefer is None:
        raise SelectionError(
            f"nothing is asked for; give point=0 … {len(front.points) - 1}, prefer=0 … 1, or "
            "limits: max-latency, min-accuracy, max-cost"
        )
    known = tuple(x for x in OBJECTIVES if QUANTITY[x] in front.points[0].estimates)
    values = np.array(
        [[point.estimates[QUANTITY[x]].mean for x in known] for point in front.points]
    )
    rows = np.flatnonzero(feasible(values, known, wanted, SelectionError))
    if prefer is not None:
        first = -_utility(values, known, prefer)
    else:
        limited = {limit.objective for limit in wanted}
        target = next((x for x in known if x not in limited), "accuracy")
        first = losses(values, known)[:, known.index(target)]
    keys = np.column_stack([first, losses(values, known)])[rows]
    return int(rows[np.lexsort(keys.T[::-1])[0]])


def _numbered(front: Front, point: int) -> int:
    if 0 <= point < len(front.every):
        return point
    raise SelectionError(f"point={point}: there are points 0 … {len(front.every) - 1}")


def _utility(values: Array, known: tuple[Objective, ...], prefer: float) -> Array:
    """[P] α·accuracy + (1 − α)(1 − latency / highest latency)."""
    if not 0.0 <= prefer <= 1.0:
        raise SelectionError(f"prefer={prefer:g}: 0 (latency alone) … 1 (accuracy alone) is meant")
    if "latency" not in known:
        raise SelectionError("prefer weighs accuracy against latency, but no latency is known")
    accuracy, latency = values[:, known.index("accuracy")], values[:, known.index("latency")]
    slowest = latency.max() or 1.0
    return np.asarray(prefer * accuracy + (1.0 - prefer) * (1.0 - latency / slowest))
