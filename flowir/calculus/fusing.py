"""Which terms to fuse so that no barrier of LangGraph makes anything wait.

A block falls into *segments*, one after another: everything in a segment needs everything in those
before it. Supersteps never lie in two segments, so barriers between them cost nothing. A segment of
more than one superstep falls into *strands*, between which nothing is read. With one node for each
strand the segment is one superstep, which takes as long as its critical path: no longer than
before, whatever the calls take. With nodes for some of the strands only it might take longer, so
a segment is fused as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from flowir.calculus.races import is_concurrent_code, races, with_lanes
from flowir.calculus.supersteps import Key, sources
from flowir.calculus.terms import Alternatives, Block, Value, Workflow, blocks_of, walk

Strand = tuple[Value, ...]


class Segment(NamedTuple):
    """Strands that run at the same time; those of a single term, which need no mark, left out."""

    strands: tuple[Strand, ...]


def segments_to_fuse(workflow: Workflow) -> tuple[Segment, ...]:
    """The segments of a workflow, at any depth, that have a barrier inside.

    What runs by concurrent code already, in a strand or in the lane of a race, is left as it is,
    and so are blocks that have alternatives inside, or are one of them: what is read, and so where
    segments end, is chosen later.
    """
    return tuple(_in_block(with_lanes(workflow.body)))


def with_fused(workflow: Workflow, segments: Sequence[Segment]) -> Workflow:
    """The workflow with a node for every strand of these segments, and no others shared."""
    strands = [strand for segment in segments for strand in segment.strands]
    return replace(
        workflow,
        fused=tuple((value, f"node_{n}") for n, strand in enumerate(strands) for value in strand),
    )


def _in_block(block: Block) -> Iterator[Segment]:
    fused: set[Value] = set()
    if not any(isinstance(term, Alternatives) for term in walk(block)):
        read = sources(block)
        for values in _segments(read):
            if _has_barrier(values, read):
                strands = [strand for strand in strands_of(values, read) if len(strand) > 1]
                found = Segment(tuple(_with_lanes_of(strand, block) for strand in strands))
                fused.update(value for strand in strands for value in strand)
                yield found
    for term in block.terms:
        if term.output not in fused and not is_concurrent_code(term):
            for inner in blocks_of(term):
                # A region that is chosen stands in the block around it, and is no graph by itself.
                blocks = _chosen_from(inner) if isinstance(term, Alternatives) else (inner,)
                for one in blocks:
                    yield from _in_block(one)


def _with_lanes_of(strand: Strand, block: Block) -> Strand:
    """The values of a strand, and before each race what its lanes make."""
    terms = {term.output: term for term in block.terms}
    found: list[Value] = []
    for value in strand:
        term = terms[value]
        for lane in blocks_of(term) if races(term) else ():
            found += _with_lanes_of(tuple(inner.output for inner in lane.terms), lane)
        found.append(value)
    return tuple(found)


def _chosen_from(block: Block) -> Iterator[Block]:
    """The graphs inside a region of alternatives."""
    for term in block.terms:
        if not races(term):
            for inner in blocks_of(term):
                if isinstance(term, Alternatives):
                    yield from _chosen_from(inner)
                else:
                    yield inner


def _segments(read: Mapping[Value, Sequence[Value]]) -> list[list[Value]]:
    """Values in order, parted where all that follows needs all that goes before."""
    order = list(read)
    before: dict[Value, set[Value]] = {}
    for value in order:
        before[value] = set(read[value]).union(*(before[source] for source in read[value]))
    # Wherever such a cut is, what goes before it are those with fewer values behind them.
    order.sort(key=lambda value: len(before[value]))
    found: list[list[Value]] = []
    for i, value in enumerate(order):
        earlier = set(order[:i])
        if not found or all(earlier <= before[later] for later in order[i:]):
            found.append([])
        found[-1].append(value)
    return found


def strands_of(
    values: Sequence[Key], read: Mapping[Key, Sequence[Key]]
) -> tuple[tuple[Key, ...], ...]:
    """Parts of a segment between which nothing is read; all in the order that `read` has."""
    part: dict[Key, list[Key]] = {}
    for value in values:
        joined = [value]
        for source in dict.fromkeys(read[value]):
            if source in part and part[source] is not joined:
                joined += [other for other in part[source] if other not in joined]
                for other in joined:
                    part[other] = joined
        part[value] = joined
    places = {value: i for i, value in enumerate(read)}
    unique = {id(strand): strand for strand in (part[value] for value in values)}
    return tuple(tuple(sorted(strand, key=places.__getitem__)) for strand in unique.values())


def _has_barrier(values: Sequence[Value], read: Mapping[Value, Sequence[Value]]) -> bool:
    inside = set(values)
    return any(source in inside for value in values for source in read[value])
