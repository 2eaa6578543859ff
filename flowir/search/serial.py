"""Whether asyncio latency has a maximum in it, of which no expectation gives the mean."""

from __future__ import annotations

from flowir.calculus.races import races
from flowir.calculus.terms import Block, First, Map, Plan, Value, Workflow, blocks_of, reads_of


def waits_for_one(workflow: Workflow) -> bool:
    """Whether nothing ever waits for the later of two things that run at the same time.

    Then latency is a sum along one path, and its mean the sum of the means. What is read counts
    once where one value depends on the other: the later one is known.
    """
    return _waits_for_one(workflow.body)


def _waits_for_one(block: Block) -> bool:
    before: dict[Value, frozenset[Value]] = {}
    for term in block.terms:
        if (
            isinstance(term, First | Plan)
            or races(term)
            or (isinstance(term, Map) and term.width > 1)
        ):
            return False
        if not all(_waits_for_one(inner) for inner in blocks_of(term)):
            return False
        reads = {value for value in reads_of(term) if value in before}
        known = frozenset[Value]().union(*(before[value] for value in reads))
        if len(reads - known) > 1:
            return False
        before[term.output] = known | reads
    return True
