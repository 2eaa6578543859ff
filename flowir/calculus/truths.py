"""Arithmetic of what happened: booleans per row and scenario, and amounts that depend on them.

A plain 1.0 or 0.0 is certain, as in `rows`; the share of right items that a `mean` map gives is an
array of floats, which may be chosen between but not combined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def quorum(
    times: Sequence[Truth], right: Sequence[Truth], agrees: Sequence[Truth], votes: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Seconds after which the leader of a vote cannot be overtaken.

    With c votes and the first of them from candidate e, a label beats another with c' and e' iff
    c > c', or c = c' and e < e'. The votes still out, r in number and the first of them from
    candidate m, may all go to any other label, making it (c' + r, min(e', m)); the vote is decided
    once the leader beats every label so strengthened, those nobody has voted for included.

    Args:
        times: seconds until each candidate is there.
        right, agrees, votes: as in `plurality`.
    """
    n = len(votes)
    shape = np.broadcast_shapes(*(np.shape(np.atleast_2d(x)) for x in (*times, *right, *agrees)))
    there = [np.broadcast_to(np.asarray(t, dtype=float), shape) for t in times]
    rights = [np.broadcast_to(np.asarray(r, dtype=bool), shape) for r in right]
    common = [~r & np.asarray(a, dtype=bool) for r, a in zip(rights, agrees, strict=True)]
    alone = [~(r | c) for r, c in zip(rights, common, strict=True)]
    decided = np.maximum.reduce(there)
    for moment in there:
        seen = [t <= moment for t in there]
        out = sum(k * ~s for k, s in zip(votes, seen, strict=True))
        first_out = _earliest([~s for s in seen], shape)
        scores, threats = [], []
        for label in (
            rights,
            common,
            *([x & (i == j) for j, x in enumerate(alone)] for i in range(n)),
        ):
            cast = [s & x for s, x in zip(seen, label, strict=True)]
            count = sum(k * x for k, x in zip(votes, cast, strict=True))
            earliest = _earliest(cast, shape)
            scores.append(_score(count, earliest, n))
            threats.append(_score(count + out, np.minimum(earliest, first_out), n))
        leader = np.argmax(scores, axis=0)
        best = np.max(scores, axis=0)
        new = np.where(out > 0, _score(out, first_out, n), -1)
        rivals = np.array(threats)
        np.put_along_axis(rivals, leader[None], -1, axis=0)
        safe = (rivals.max(axis=0) < best) & (new < best)
        decided = np.where(safe, np.minimum(decided, moment), decided)
    return np.asarray(decided, dtype=np.float64)


def decided(judged: Sequence[Truth], accepts: Sequence[Truth]) -> npt.NDArray[np.float64]:
    """Seconds after which `first` is decided: at the earliest acceptance, else at the last verdict.

    Args:
        judged: seconds until the verdict on each candidate.
        accepts: what it is.
    """
    times = [np.atleast_2d(np.asarray(t, dtype=float)) for t in judged]
    accepted = [
        np.where(np.asarray(a, dtype=bool), t, np.inf) for t, a in zip(times, accepts, strict=True)
    ]
    earliest = _least(accepted)
    return np.where(np.isinf(earliest), -_least([-t for t in times]), earliest)


def first(judged: Sequence[Truth], accepts: Sequence[Truth], right: Sequence[Truth]) -> Truth:
    """Whether the candidate is right that `first` gives: the first accepted, else the last judged.

    Of equal times the earlier operand is first.
    """
    given: Any = np.asarray(right[0], dtype=bool)
    latest: Any = np.asarray(judged[0], dtype=float)
    for t, r in zip(judged[1:], right[1:], strict=True):
        later = np.asarray(t) >= latest
        given, latest = np.where(later, np.asarray(r, dtype=bool), given), np.maximum(latest, t)
    best: Any = np.inf
    for t, a, r in zip(judged, accepts, right, strict=True):
        sooner = np.asarray(a, dtype=bool) & (np.asarray(t, dtype=float) < best)
        given = np.where(sooner, np.asarray(r, dtype=bool), given)
        best = np.where(sooner, t, best)
    return np.atleast_2d(given)


def before(strict: bool) -> Callable[[Any, Any], Truth]:
    """Whether something happens while a race is open; what starts with it always does."""

    def happens(moment: Any, end: Any) -> Truth:
        if not strict:
            return 1.0
        return np.less(moment, end) if np.ndim(end) else float(moment < end)

    return happens


def _least(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    found = values[0]
    for value in values[1:]:
        found = np.minimum(found, value)
    return found


def _earliest(present: Sequence[npt.NDArray[np.bool_]], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The number of the first that is present; how many there are if none is."""
    found = np.full(shape, len(present))
    for i in reversed(range(len(present))):
        found = np.where(present[i], i, found)
    return found


def _score(count: Any, earliest: Any, n: int) -> npt.NDArray[Any]:
    """Greater for more votes, then for an earlier first one."""
    return np.asarray(count * (n + 1) - earliest)


def _is_share(truth: Truth) -> bool:
    return not isinstance(truth, float) and truth.dtype != np.bool_
