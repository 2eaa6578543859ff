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

Terms that are *fused* share a node, which runs them as concurrent code, each as soon as what it
reads is there, and so all that is in their regions; a term that is fused with no other has a node
of its own whose regions run that way. The node takes as long as the last of its terms.

In the IR these are the ops of one block whose attribute `flow.fused` has the same name, which pass
`flow-fuse-supersteps` writes and the verifier checks. To read it off an op, use
`flowir.dialects.flow_fused.fused_with(op)`: the name, or None. `workflow_terms` puts the names into
`Workflow.fused`. An op that is no node by itself, such as a list, has no mark, and is made wherever
it is read. What a race cancels is inside the node of the race, whatever its marks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from flowir.calculus.races import races
from flowir.calculus.terms import Block, Join, Term, Value, Vote, reads_of
from flowir.errors import CalculusError

Key = TypeVar("Key", bound=Hashable)

Fused = Mapping[Value, str]
"""For values whose terms share a node, the name of the node."""

Supersteps = tuple[tuple[tuple[Value, ...], ...], ...]


def takes_a_node(term: Term) -> bool:
    """Whether a term is more than an arrangement of values."""
    return not isinstance(term, Join) and (not isinstance(term, Vote) or races(term))


def sources(block: Block) -> dict[Value, tuple[Value, ...]]:
    """For every value that a node of a block makes, what it reads of other nodes of the block."""
    return behind((t.output, reads_of(t), takes_a_node(t)) for t in block.terms)


def behind(made: Iterable[tuple[Key, Iterable[Key], bool]]) -> dict[Key, tuple[Key, ...]]:
    """For every value that a node makes, what it reads of other nodes.

    Through lists, texts and votes, which are no nodes, to those that made what is in them.

    Args:
        made: in order, each value, what it is made of, and whether that takes a node.
    """
    makers: dict[Key, tuple[Key, ...]] = {}
    found: dict[Key, tuple[Key, ...]] = {}
    for value, reads, is_node in made:
        read = tuple(dict.fromkeys(v for one in reads for v in makers.get(one, ())))
        makers[value] = (value,) if is_node else read
        if is_node:
            found[value] = read
    return found


def supersteps(block: Block, fused: Fused | None = None) -> Supersteps:
    """The supersteps of a block: each the nodes that run together, each node its terms' values.

    Args:
        block: of a specialised workflow; its races hold their lanes.
        fused: which terms share a node, by their values.

    Raises:
        CalculusError: a node needs something that needs the node.
    """
    return in_supersteps(sources(block), fused or {})


def in_supersteps(
    read: Mapping[Key, Sequence[Key]], fused: Mapping[Key, str]
) -> tuple[tuple[tuple[Key, ...], ...], ...]:
    """The supersteps of what is read by what, as `behind` says; see `supersteps`.

    The emitter asks this of the values of the IR, the cost model of those of its terms.
    """
    node: dict[Key, Hashable] = {
        value: ("fused", fused[value]) if value in fused else ("own", value) for value in read
    }
    values: dict[Hashable, list[Key]] = {}
    needs: dict[Hashable, set[Hashable]] = {}
    for value, before in read.items():
        values.setdefault(node[value], []).append(value)
        needed = needs.setdefault(node[value], set())
        needed.update(node[source] for source in before if node[source] != node[value])
    step: dict[Hashable, int] = {}
    try:
        for name in TopologicalSorter(needs).static_order():
            step[name] = max((step[other] + 1 for other in needs[name]), default=0)
    except CycleError as error:
        names_ = ", ".join(str(one[1]) for one in dict.fromkeys(error.args[1]))
        raise CalculusError(
            f"nodes {names_} wait for each other; fuse what lies between as well, or part them"
        ) from None
    found: list[list[tuple[Key, ...]]] = [[] for _ in range(max(step.values(), default=-1) + 1)]
    for name, own in values.items():
        found[step[name]].append(tuple(own))
    return tuple(map(tuple, found))
