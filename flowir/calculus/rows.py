"""The calculus table: one function per construct, its equation in the docstring.

Every quantity is an array or a plain number, and arrays broadcast against one another. A plain 0.0
or 1.0 is known for certain and costs no arithmetic. Nothing here knows of shared values: operands
are independent given whatever the caller has conditioned on.

The longer rows are written in an `Arithmetic`, so that the same equations serve quantities that are
not arrays: mixtures, products, sums and complements are all they need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Quantity = Array | float
Key = TypeVar("Key")


class FallbackRow(NamedTuple):
    """`success`, and for every tier the probability that it runs."""

    success: Quantity
    runs: tuple[Quantity, ...]


class RefineRow(NamedTuple):
    """`success`, and expected numbers of checks and of bodies run on a right or wrong value."""

    success: Quantity
    checks: Quantity
    runs_on_right: Quantity
    runs_on_wrong: Quantity


def mix(weight: Quantity, otherwise: Quantity, then: Quantity) -> Quantity:
    """(1 − w)·otherwise + w·then."""
    if then is otherwise or (_known(then) and _known(otherwise) and then == otherwise):
        return otherwise
    if _known(weight) and weight in (0.0, 1.0):
        return then if weight == 1.0 else otherwise
    if _is(otherwise, 0.0):
        return product(weight, then)
    if _is(then, 0.0):
        return product(1.0 - weight, otherwise)
    return otherwise + weight * (then - otherwise)


def complement(probability: Quantity) -> Quantity:
    """1 − p."""
    return 1.0 - probability


def product(left: Quantity, right: Quantity) -> Quantity:
    """left·right, where a certain 0 wins over anything and a certain 1 changes nothing."""
    if _is(left, 0.0) or _is(right, 0.0):
        return 0.0
    if _is(left, 1.0):
        return right
    if _is(right, 1.0):
        return left
    return left * right


def total(left: Quantity, right: Quantity) -> Quantity:
    """left + right, where a certain 0 changes nothing."""
    if _is(left, 0.0):
        return right
    return left if _is(right, 0.0) else left + right


def latest(left: Quantity, right: Quantity) -> Quantity:
    """max(left, right) of finishing times, which are never before 0."""
    if left is right or _is(right, 0.0):
        return left
    return right if _is(left, 0.0) else np.maximum(left, right)


class Arithmetic(NamedTuple):
    """What mixtures, products, sums and complements are for some kind of quantity.

    A plain 0.0 or 1.0 stays a plain number among quantities of any kind.
    """

    mix: Callable[[Any, Any, Any], Any]
    product: Callable[[Any, Any], Any]
    total: Callable[[Any, Any], Any]
    complement: Callable[[Any], Any]


ARRAYS = Arithmetic(mix, product, total, complement)


def weighted_sum(weights: Sequence[Quantity], values: Sequence[Quantity]) -> Quantity:
    """Σ w_i·x_i."""
    result: Quantity = 0.0
    for weight, value in zip(weights, values, strict=True):
        result = total(result, product(weight, value))
    return result


def call(inputs_right: Quantity, success: Quantity, recovery: Quantity) -> Quantity:
    """P(right) = u·p + (1 − u)·p0, where u = P(every input right)."""
    return mix(inputs_right, recovery, success)


def all_of(*right: Quantity) -> Quantity:
    """P(every element right) = Π p_i; 1 of none."""
    result: Quantity = 1.0
    for element in right:
        result = product(result, element)
    return result


def any_of(*right: Quantity) -> Quantity:
    """P(some element right) = 1 − Π (1 − p_i); 0 of none."""
    return complement(all_of(*(complement(element) for element in right)))


def vote(
    right: Sequence[Quantity],
    agreement: Sequence[Quantity],
    weights: Sequence[int] | None = None,
    on: Arithmetic = ARRAYS,
) -> Quantity:
    """P(the plurality's label is right), ties going to the earliest candidate among the tied.

    Candidate i is right with p_i. A wrong one gives the query's common wrong answer with g_i, else
    an answer all its own. With r and c the votes for the right and for the common wrong answer and
    o the most for any other, the result is right iff r > 0, r ≥ c, r ≥ o, and the first right
    candidate comes before the first of any answer with as many votes.

    Exact: a recursion over the candidates whose state is (r, c, o) and who came before the first
    right one; of order n³ states, against 3ⁿ patterns.

    Args:
        right: p_i, in the order of the operands.
        agreement: g_i; a plain 1.0 where wrong answers are taken to agree.
        weights: how many votes candidate i casts, placed at its first; 1 each by default.
        on: the arithmetic of the quantities.
    """
    count = len(right)
    votes = (1,) * count if weights is None else tuple(weights)
    known: dict[tuple[int, int, int, int, bool, bool], Quantity] = {}

    def wins(i: int, r: int, c: int, o: int, after_common: bool, after_other: bool) -> Quantity:
        """P(right wins | the first i candidates gave this state)."""
        if o < max(r, c):
            o, after_other = 0, False
        if i == count:
            beats_common = r > c or (r == c and not after_common)
            beats_other = r > o or (r == o and not after_other)
            return float(r > 0 and beats_common and beats_other)
        state = (i, r, c, o, after_common, after_other)
        if state not in known:
            n = votes[i]
            first = r == 0
            if_right = wins(
                i + 1,
                r + n,
                c,
                o,
                c > 0 if first else after_common,
                o > 0 if first else after_other,
            )
            if_wrong = wins(i + 1, r, c + n, o, after_common, after_other)
            if not _is(agreement[i], 1.0):
                stays = o >= n
                if_other = wins(i + 1, r, c, max(o, n), after_common, after_other and stays)
                if_wrong = on.mix(agreement[i], if_other, if_wrong)
            known[state] = on.mix(right[i], if_wrong, if_right)
        return known[state]

    return wins(0, 0, 0, 0, False, False)


def select(any_right: Quantity, success: Quantity) -> Quantity:
    """P(right) = s·P(some candidate right)."""
    return product(success, any_right)


def branch(weights: Sequence[Quantity], right: Sequence[Quantity]) -> Quantity:
    """P(right) = Σ w_i·p_i, where w_i = P(case i); the same sum gives calls, money and latency."""
    return weighted_sum(weights, right)


def fallback(
    right: Sequence[Quantity],
    accept_right: Quantity,
    accept_wrong: Quantity,
    on: Arithmetic = ARRAYS,
) -> FallbackRow:
    """A two-state Markov chain over tiers 1…n, of which the last is not checked.

    run_1 = 1, run_{k+1} = run_k·(1 − p_k·a_R − (1 − p_k)·a_W), and
    P(right) = Σ_{k<n} run_k·p_k·a_R + run_n·p_n.
    Tiers given as the same object are worked out once.
    """
    kept: dict[int, Quantity] = {}
    rejected: dict[int, Quantity] = {}
    for tier in right[:-1]:
        if id(tier) not in kept:
            kept[id(tier)] = on.product(tier, accept_right)
            rejected[id(tier)] = on.complement(on.mix(tier, accept_wrong, accept_right))
    runs: list[Quantity] = [1.0]
    for tier in right[:-1]:
        runs.append(on.product(runs[-1], rejected[id(tier)]))
    success: Quantity = 0.0
    for tier, run in grouped(right[:-1], runs[:-1], on):
        success = on.total(success, on.product(run, kept[id(tier)]))
    success = on.total(success, on.product(runs[-1], right[-1]))
    return FallbackRow(success, tuple(runs))


def grouped(
    keys: Sequence[Key], values: Sequence[Quantity], on: Arithmetic = ARRAYS
) -> tuple[tuple[Key, Quantity], ...]:
    """Each distinct object among `keys`, in order, with the sum of its values."""
    sums: dict[int, Quantity] = {}
    first: dict[int, Key] = {}
    for key, value in zip(keys, values, strict=True):
        first.setdefault(id(key), key)
        sums[id(key)] = on.total(sums[id(key)], value) if id(key) in sums else value
    return tuple((first[key], sums[key]) for key in sums)


def refine(
    initial: Quantity,
    body_on_right: Quantity,
    body_on_wrong: Quantity,
    accept_right: Quantity,
    accept_wrong: Quantity,
    bound: int,
    on: Arithmetic = ARRAYS,
) -> RefineRow:
    """A two-state Markov chain of at most `bound` checks and bodies, none after the last body.

    With R and W the probabilities that a right or wrong value is still to be judged, R = p and
    W = 1 − p at first, then
    R' = R·(1 − a_R)·b_R + W·(1 − a_W)·b_W and R' + W' = R·(1 − a_R) + W·(1 − a_W);
    P(right) = Σ R·a_R over the checks, + R after the last body.
    """
    right, wrong = initial, on.complement(initial)
    spoils, fails = on.complement(body_on_right), on.complement(body_on_wrong)
    reject_right, reject_wrong = on.complement(accept_right), on.complement(accept_wrong)
    success: Quantity = 0.0
    checks: Quantity = 0.0
    on_right: Quantity = 0.0
    on_wrong: Quantity = 0.0
    for _ in range(bound):
        checks = on.total(checks, on.total(right, wrong))
        success = on.total(success, on.product(right, accept_right))
        doubted = on.product(right, reject_right)
        caught = on.product(wrong, reject_wrong)
        on_right = on.total(on_right, doubted)
        on_wrong = on.total(on_wrong, caught)
        right = on.total(on.product(doubted, body_on_right), on.product(caught, body_on_wrong))
        wrong = on.total(on.product(doubted, spoils), on.product(caught, fails))
    return RefineRow(on.total(success, right), checks, on_right, on_wrong)


def map(item: Quantity, width: int, mean: bool = False) -> Quantity:
    """P(every item right) = pʷ, items being independent given what they share; their mean is p."""
    if mean:
        return item
    result: Quantity = 1.0
    power = item
    while width:
        if width % 2:
            result = product(result, power)
        width //= 2
        power = product(power, power) if width else power
    return result


def _known(quantity: Quantity) -> bool:
    return isinstance(quantity, float)


def _is(quantity: Quantity, constant: float) -> bool:
    return isinstance(quantity, float) and quantity == constant
