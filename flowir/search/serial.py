"""Whether asyncio latency has a maximum in it, of which no expectation gives the mean."""

from __future__ import annotations

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Fallback,
    Join,
    Map,
    Refine,
    Select,
    Term,
    ToolCall,
    Value,
    Vote,
    Workflow,
    blocks_of,
)


def waits_for_one(workflow: Workflow) -> bool:
    """Whether nothing ever waits for the later of two things that run at the same time.

    Then latency is a sum along one path, and its mean the sum of the means. What is read counts
    once where one value depends on the other: the later one is known.
    """
    return _waits_for_one(workflow.body)


def _waits_for_one(block: Block) -> bool:
    before: dict[Value, frozenset[Value]] = {}
    for term in block.terms:
        if isinstance(term, Map) and term.width > 1:
            return False
        if not all(_waits_for_one(inner) for inner in blocks_of(term)):
            return False
        reads = {value for value in _reads(term) if value in before}
        known = frozenset[Value]().union(*(before[value] for value in reads))
        if len(reads - known) > 1:
            return False
        before[term.output] = known | reads
    return True


def _reads(term: Term) -> set[Value]:
    """The values a term needs before it starts, those read inside its regions too."""
    match term:
        case Call() | ToolCall() | Join() | Vote():
            own = {*term.inputs}
        case Select():
            own = {*term.inputs, *term.candidates}
        case Branch():
            own = {term.label}
        case Refine():
            own = {term.initial}
        case Map():
            own = {term.source}
        case Fallback() | Alternatives():
            own = set()
    for block in blocks_of(term):
        own |= {block.result}.union(*(_reads(inner) for inner in block.terms))
    return own
