"""Lanes: what a race starts, and what it cancels.

Candidates of a race, be it `first` or a vote that ends at its quorum, are values. The *lane* of one
is the term that makes it, with every other term of the block that only this lane reads. What two
lanes read, or anything else, is in none; nor is what writes to the world. A race starts once all is
there that its lanes read from outside them.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from flowir.calculus.terms import (
    Block,
    First,
    Plan,
    Term,
    ToolCall,
    Value,
    Vote,
    blocks_of,
    checker_of,
    reads_of,
    walk,
    with_blocks,
)

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Maker(Generic[K]):
    """What makes one value: the values it reads, and whether it may be cancelled."""

    reads: Collection[K]
    droppable: bool = True


def lanes(
    race: K, candidates: Sequence[K], makers: Mapping[K, Maker[K]], kept: Collection[K]
) -> dict[K, tuple[K, ...]]:
    """The lane of every distinct candidate, as the values that it makes, in their order.

    Args:
        race: the value that the race gives.
        candidates: its operands.
        makers: of the values of a block, in order of definition.
        kept: values that are also read otherwise: by the end of the block, or by the race's
            checker.
    """
    users: dict[K, list[K]] = {value: [] for value in makers}
    for value, maker in makers.items():
        for read in set(maker.reads):
            if read in users:
                users[read].append(value)
    lane: dict[K, K] = {}
    for value in reversed(list(makers)):
        if value in kept or not makers[value].droppable:
            continue
        owners = [
            (value if value in candidates else None) if user == race else lane.get(user)
            for user in users[value]
        ]
        first = owners[0] if owners else None
        if first is not None and all(owner == first for owner in owners):
            lane[value] = first
    return {
        candidate: tuple(value for value in makers if lane.get(value) == candidate)
        for candidate in dict.fromkeys(candidates)
    }


def races(term: Term) -> bool:
    """Whether a term may be decided before all its candidates are there."""
    return isinstance(term, First) or (isinstance(term, Vote) and term.quorum)


def is_concurrent_code(term: Term) -> bool:
    """Whether a term is one node of LangGraph with concurrent code inside: a race, or a plan."""
    return races(term) or isinstance(term, Plan)


def candidates_of(term: First | Vote) -> tuple[Value, ...]:
    """The operands of a race, each once."""
    return tuple(dict.fromkeys(term.candidates if isinstance(term, First) else term.inputs))


def delay_of(term: First | Vote, candidate: Value) -> float:
    """Seconds after which a candidate's lane starts."""
    if isinstance(term, Vote) or not term.after:
        return 0.0
    return term.after[term.candidates.index(candidate)]


def with_lanes(block: Block, votes: bool = True) -> Block:
    """The block, specialised, in which races hold their lanes as blocks of their own.

    Args:
        votes: whether votes at quorum are among these races; otherwise they wait for all.
    """
    if not any(_with_own_lanes(term, votes) for term in walk(block)):
        return block
    terms = list(block.terms)
    for race in reversed(block.terms):
        if not _with_own_lanes(race, votes) or race not in terms:
            continue
        assert isinstance(race, First | Vote)
        makers = {term.output: Maker(reads_of(term), not _writes(term)) for term in terms}
        found = lanes(race.output, candidates_of(race), makers, {block.result})
        by_value = {term.output: term for term in terms}
        own = tuple(
            Block(tuple(by_value[value] for value in made), candidate)
            for candidate, made in found.items()
        )
        moved = {value for made in found.values() for value in made}
        laned = replace(race, lanes=tuple(with_lanes(lane, votes) for lane in own))
        terms = [laned if t is race else t for t in terms if t.output not in moved]
    inner = tuple(
        term
        if _has_lanes(term) or not blocks_of(term)
        else with_blocks(term, {b: with_lanes(b, votes) for b in blocks_of(term)})
        for term in terms
    )
    return replace(block, terms=inner)


def _with_own_lanes(term: Term, votes: bool) -> bool:
    return isinstance(term, First) or (votes and races(term))


def _has_lanes(term: Term) -> bool:
    return isinstance(term, First | Vote) and bool(term.lanes)


def _writes(term: Term) -> bool:
    inside = [term, *(inner for block in blocks_of(term) for inner in walk(block))]
    return any(
        inner.writes
        if isinstance(inner, ToolCall | Vote | Plan)
        else (checker := checker_of(inner)) is not None and checker.writes
        for inner in inside
    )
