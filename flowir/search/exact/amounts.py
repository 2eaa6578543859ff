"""Sums of what is spent, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowir.calculus import rows
from flowir.calculus.rows import Quantity
from flowir.search.exact.columns import Amount, Array, Axis, constant

Amounts = Mapping[Amount, Array]


def added(some: Amounts, others: Amounts) -> dict[Amount, Array]:
    """Both amounts of every name."""
    found = dict(some)
    for name, array in others.items():
        found[name] = found[name] + array if name in found else array
    return found


def scaled(times: float, amounts: Amounts) -> dict[Amount, Array]:
    """Every amount several times."""
    if times == 1.0:
        return dict(amounts)
    return {name: times * array for name, array in amounts.items()}


def weighted(
    parts: Sequence[tuple[Quantity, Amounts]], axes: Sequence[Axis]
) -> dict[Amount, Array]:
    """Σ times·amount, name by name."""
    found: dict[Amount, Array] = {}
    for times, amounts in parts:
        found = added(
            found,
            {name: constant(rows.product(times, array), axes) for name, array in amounts.items()},
        )
    return found
