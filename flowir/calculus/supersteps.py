"""Supersteps: how LangGraph runs a block, bulk-synchronously.

Every term of a block that takes time is a node: a call, a tool, a selection, and every term with
regions or lanes, which is one node as a whole. Lists, texts and votes over what is there are made
by whoever reads them, and are no nodes. A node belongs to the superstep after the last of those
that it, or anything inside it, reads from; one that reads from none to the first. A superstep takes
as long as its slowest node, a block as long as its supersteps together, those included that come
after its result: a graph ends when its last node does.

The cases of a branch, the tiers of a fallback and the bodies of refines and maps are graphs of
their own inside their node, with supersteps of their own. A race is one node whose lanes run as
concurrent code does, without barriers.

Nodes that `fused` puts together are one node, which runs its terms as concurrent code.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from flowir.calculus.races import races
from flowir.calculus.terms import Block, Join, Term, Value, Vote, reads_of


def takes_a_node(term: Term) -> bool:
    """Whether a term is more than an arrangement of values."""
    return not isinstance(term, Join) and (not isinstance(term, Vote) or races(term))


def supersteps(
    block: Block, fused: Mapping[Value, Hashable] | None = None
) -> tuple[tuple[tuple[Value, ...], ...], ...]:
    """The supersteps of a block: each the nodes that run together, each node its terms' values.

    Args:
        block: of a specialised workflow; its races hold their lanes.
        fused: for values whose terms share a node, the name of the node. Terms that share one must
            not need anything that is made between them by another.
    """
    names = fused or {}
    step: dict[Value, int] = {}
    sources: dict[Value, frozenset[Value]] = {}
    for term in block.terms:
        behind = [sources[value] for value in reads_of(term) if value in sources]
        read = frozenset[Value]().union(*behind)
        if not takes_a_node(term):
            sources[term.output] = read
            continue
        sources[term.output] = frozenset((term.output,))
        step[term.output] = 0
        for value in read:
            together = term.output in names and names.get(value) == names[term.output]
            step[term.output] = max(step[term.output], step[value] + (not together))
    found: dict[int, dict[Hashable, list[Value]]] = {}
    for value, number in step.items():
        name: Hashable = ("fused", names[value]) if value in names else ("own", value)
        found.setdefault(number, {}).setdefault(name, []).append(value)
    return tuple(
        tuple(tuple(values) for values in found[number].values()) for number in sorted(found)
    )
