"""Which way a value's being right pulls: what may be dropped among options for it.

Success is multilinear in what every call gets right, so for given choices downstream a value's
being right helps or harms; a recovery rate above the success rate, or a checker that likes wrong
answers better, turns it round. Only where every choice downstream agrees is more right better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Checker,
    Fallback,
    Join,
    Map,
    Plan,
    Refine,
    Select,
    ToolCall,
    Value,
    Vote,
)
from flowir.search.exact.calls import Calls
from flowir.search.exact.dominance import Sense

Way = int
"""How something answers to a value that is right rather than wrong: up for some choice, down for
some; both bits if it depends on the choice, none if it never does."""

NONE: Way = 0
UP: Way = 1
DOWN: Way = 2
BOTH: Way = 3

_THROUGH: tuple[tuple[Way, ...], ...] = (
    (NONE, NONE, NONE, NONE),
    (NONE, UP, DOWN, BOTH),
    (NONE, DOWN, UP, BOTH),
    (NONE, BOTH, BOTH, BOTH),
)
"""What an answer to an answer is."""


@dataclass(frozen=True)
class Effect:
    """How the workflow's success, and the money and time it spends, answer to a right value."""

    success: Way = NONE
    spent: Way = NONE

    def __or__(self, other: Effect) -> Effect:
        return Effect(self.success | other.success, self.spent | other.spent)

    def through(self, way: Way) -> Effect:
        """The effect of what makes this value right or wrong in this way."""
        return Effect(_THROUGH[way][self.success], _THROUGH[way][self.spent])

    @property
    def sense(self) -> Sense:
        """How options for the value compare by how often they are right."""
        if self.spent == NONE:
            return _SENSES[self.success]
        if self.spent == BOTH:
            return "exact"
        helps = UP if self.spent == DOWN else DOWN
        return _SENSES[helps] if self.success in (NONE, helps) else "exact"


_SENSES: dict[Way, Sense] = {
    NONE: "ignored",
    UP: "more",
    DOWN: "less",
    BOTH: "either",
}


def effects(body: Block, calls: Calls, success: bool) -> dict[Value, Effect]:
    """The effect of every value that something reads; `success` says that it is an objective."""
    found: dict[Value, Effect] = {}
    _block(body, Effect(UP if success else NONE), calls, found)
    return found


def _block(block: Block, result: Effect, calls: Calls, found: dict[Value, Effect]) -> None:
    def add(values: Sequence[Value], effect: Effect) -> None:
        for value in values:
            found[value] = found.get(value, Effect()) | effect

    add([block.result], result)
    for term in reversed(block.terms):
        effect = found.get(term.output, Effect())
        match term:
            case Call():
                add(term.inputs, effect.through(_answers(calls, term.decision, term.fresh)))
            case Select():
                add(term.inputs, effect.through(_answers(calls, term.decision, False)))
                add(term.candidates, effect)
            case ToolCall() | Join() | Vote():
                add(term.inputs, effect)
            case Branch():
                for case in term.cases:
                    _block(case.block, effect, calls, found)
            case Alternatives():
                for _, inner in term.cases:
                    _block(inner, effect, calls, found)
            case Fallback():
                checked = frozenset(term.tiers[:-1])
                saved = Effect(spent=_rejects(calls, term.checker)) if checked else Effect()
                for tier in dict.fromkeys(term.tiers):
                    _block(tier, effect | saved if tier in checked else effect, calls, found)
            case Refine():
                add([term.initial], _refine(term, effect, calls, found))
            case Plan():
                _plan(term, effect, calls, found)
            case Map():
                _block(term.body, effect, calls, found)
                for item in term.body.arguments:
                    add([term.source], found.pop(item, Effect()))


def _refine(term: Refine, effect: Effect, calls: Calls, found: dict[Value, Effect]) -> Effect:
    """The effect of what is refined. Right values stay right only if bodies and checks favour them.

    With V_k(R) and V_k(W) the success and cost from a right or wrong value on, both are monotone
    by induction over the rounds left if the body is right more often, and spends less, on a right
    value, and the checker accepts right values at least as often.
    """
    alone: dict[Value, Effect] = {}
    _block(term.body, Effect(UP), calls, alone)
    kept = alone.get(term.body.arguments[0], Effect()) if term.body.arguments else Effect()
    if kept.success not in (NONE, UP):
        _block(term.body, Effect(BOTH, BOTH), calls, found)
        return effect.through(BOTH) | Effect(spent=BOTH)
    spent = _rejects(calls, term.checker) | kept.spent
    if UP & spent:
        spent = BOTH
    _block(term.body, effect | Effect(spent=spent), calls, found)
    return effect | Effect(spent=spent)


def _plan(term: Plan, effect: Effect, calls: Calls, found: dict[Value, Effect]) -> None:
    """What the joiner sees is right more often if plans are, since it is drawn anew each time."""
    alone: dict[Value, Effect] = {}
    _block(term.joiner, Effect(UP), calls, alone)
    seen = Effect()
    for value in term.joiner.arguments:
        seen |= alone.get(value, Effect())
    _block(term.joiner, effect, calls, found)
    for value in term.joiner.arguments:
        found.pop(value, None)
    again = term.shape.replan_wrong - term.shape.replan_right
    spent = seen.spent | (NONE if term.plans == 1 else _way(np.asarray(-again)))
    _block(term.planner, effect.through(seen.success) | Effect(spent=spent), calls, found)


def _answers(calls: Calls, decision: int, fresh: bool) -> Way:
    """How a call answers to right inputs, over all configurations."""
    call = calls.answer(decision, fresh)
    return _way(np.asarray(call.success - call.recovery))


def _rejects(calls: Calls, checker: Checker) -> Way:
    """How rejections answer to a right value: fewer where right values are accepted more often."""
    accept_right, accept_wrong = calls.acceptance(checker)
    return _way(np.asarray(accept_wrong - accept_right))


def _way(differences: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Way:
    up = UP if (differences > 0).any() else NONE
    return up | (DOWN if (differences < 0).any() else NONE)
