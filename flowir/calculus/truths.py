"""Arithmetic of what happened: booleans per row and scenario, and amounts that depend on them.

A plain 1.0 or 0.0 is certain, as in `rows`; the share of right items that a `mean` map gives is an
array of floats, which may be chosen between but not combined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Truth = npt.NDArray[Any] | float
"""Booleans, or a certainty; a result may be shares."""


def both(left: Truth, right: Truth) -> Truth:
    """left ∧ right."""
    if isinstance(left, float):
        return right if left else 0.0
    if isinstance(right, float):
        return left if right else 0.0
    return left & right


def either(left: Truth, right: Truth) -> Truth:
    """left ∨ right."""
    if isinstance(left, float):
        return 1.0 if left else right
    if isinstance(right, float):
        return 1.0 if right else left
    return left | right


def negation(truth: Truth) -> Truth:
    """¬ truth."""
    return 1.0 - truth if isinstance(truth, float) else ~truth


def chosen(condition: Truth, then: Truth, otherwise: Truth) -> Truth:
    """`then` where the condition holds, else `otherwise`."""
    if isinstance(condition, float):
        return then if condition else otherwise
    if _is_share(then) or _is_share(otherwise):
        return np.where(condition, then, otherwise)
    return either(both(condition, then), both(negation(condition), otherwise))


def spent(condition: Truth, amount: Truth) -> Truth:
    """The amount where the condition holds, else nothing."""
    if isinstance(condition, float):
        return amount if condition else 0.0
    if isinstance(amount, float) and amount == 0.0:
        return 0.0
    return np.where(condition, amount, 0.0)


def drawn(uniform: Truth, chance: Truth) -> Truth:
    """Whether an event of this chance happens."""
    if isinstance(chance, float) and chance in (0.0, 1.0):
        return chance
    return np.less(uniform, chance)


def plurality(right: Sequence[Truth], agrees: Sequence[Truth], votes: Sequence[int]) -> Truth:
    """Whether the right answer wins the vote; ties go to the earliest candidate among the tied.

    Args:
        right: whether each candidate is right.
        agrees: whether a wrong one is the query's common wrong answer.
        votes: how many votes each candidate casts.
    """
    rights = [np.atleast_2d(np.asarray(truth, dtype=bool)) for truth in right]
    common = [~r & np.asarray(a, dtype=bool) for r, a in zip(rights, agrees, strict=True)]
    for_right = sum(n * r.astype(np.int16) for n, r in zip(votes, rights, strict=True))
    for_common = sum(n * c.astype(np.int16) for n, c in zip(votes, common, strict=True))
    wins = for_right > 0
    right_seen = np.zeros_like(rights[0])
    common_seen = np.zeros_like(common[0])
    right_first = np.zeros_like(common[0])
    for r, c, n in zip(rights, common, votes, strict=True):
        alone = ~(r | c)
        beats_it = (for_right > n) | ((for_right == n) & right_seen)
        wins = wins & (~alone | beats_it)
        right_first = right_first | (r & ~common_seen)
        right_seen = right_seen | r
        common_seen = common_seen | c
    beats_common = (for_right > for_common) | ((for_right == for_common) & right_first)
    return both(wins, beats_common)


def _is_share(truth: Truth) -> bool:
    return not isinstance(truth, float) and truth.dtype != np.bool_
