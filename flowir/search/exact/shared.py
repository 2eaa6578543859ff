"""Which events the calculus surely conditions on: those that every structure reads repeatedly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Fallback,
    First,
    Join,
    Map,
    Plan,
    Refine,
    Select,
    Term,
    ToolCall,
    Value,
    Vote,
)

Event = tuple[str, Value]
Reads = Counter[Event]


def fewest_reads(body: Block) -> Mapping[Event, int]:
    """How often each event is read in one run of the block that defines its value, at least.

    Reads count as in the calculus: a tier once per repetition, a refine body `bound` times, a map's
    `width` times, the cases of a branch as the one that reads most. Of alternatives, which of them
    is chosen being open, the one that reads least counts.
    """
    found: dict[Event, int] = {}
    _block(body, found)
    return found


def _block(block: Block, found: dict[Event, int]) -> Reads:
    """What one run of a block reads from outside."""
    reads = _sum([Counter({("right", block.result): 1}), *(_term(t, found) for t in block.terms)])
    return _outside(reads, block, found)


def _outside(reads: Reads, block: Block, found: dict[Event, int]) -> Reads:
    """The reads of values from outside; those of the block's own are final, and noted."""
    own = {*block.arguments, *(term.output for term in block.terms)}
    found.update({event: n for event, n in reads.items() if event[1] in own})
    return Counter({event: n for event, n in reads.items() if event[1] not in own})


def _term(term: Term, found: dict[Event, int]) -> Reads:
    match term:
        case Call() | ToolCall() | Join():
            return _rights(term.inputs)
        case First():
            return _rights(term.candidates)
        case Vote():
            agree: Reads = Counter({("agrees", value): 1 for value in term.inputs})
            return _sum([_rights(term.inputs), agree])
        case Select():
            return _sum([_rights(term.inputs), _rights(term.candidates)])
        case Branch():
            cases = [_block(case.block, found) for case in term.cases]
            most = {event: max(case[event] for case in cases) for event in _events(cases)}
            return _sum([Counter({("label", term.label): 1}), Counter(most)])
        case Fallback():
            known = {tier: _block(tier, found) for tier in dict.fromkeys(term.tiers)}
            return _sum([known[tier] for tier in term.tiers])
        case Refine():
            return _sum([_rights([term.initial]), _times(_block(term.body, found), term.bound)])
        case Map():
            repeated = _times(_block(term.body, found), term.width)
            items = sum(found.get(("right", item), 0) for item in term.body.arguments)
            return _sum([Counter({("right", term.source): items * term.width}), repeated])
        case Plan():
            inside = [_block(term.planner, found), _block(term.joiner, found)]
            return _times(_sum(inside), term.plans)
        case Alternatives():
            inlined = [
                _outside(_sum([_term(t, found) for t in case.terms]), case, found)
                for _, case in term.cases
            ]
            return Counter(
                {event: min(case[event] for case in inlined) for event in _events(inlined)}
            )


def _rights(values: Iterable[Value]) -> Reads:
    return Counter({("right", value): 1 for value in values})


def _sum(reads: Iterable[Reads]) -> Reads:
    merged: Reads = Counter()
    for some in reads:
        merged.update(some)
    return merged


def _times(reads: Reads, repetitions: int) -> Reads:
    return Counter({event: n * repetitions for event, n in reads.items()})


def _events(reads: Iterable[Reads]) -> set[Event]:
    return {event for some in reads for event in some}
