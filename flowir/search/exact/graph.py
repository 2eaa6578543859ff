"""Who reads what in a block, and where a value can be forgotten.

A value read in one place is merged into its reader. A value read in several is one event for all of
them: its readers stay conditioned on it until the first value that everything read from it goes
through, its immediate post-dominator; there it is averaged away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass

from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    First,
    Join,
    Map,
    Refine,
    Select,
    Term,
    ToolCall,
    Value,
    Vote,
    blocks_of,
    checker_of,
)
from flowir.search.exact.partial import Key


@dataclass(frozen=True, eq=False)
class Node:
    """A term, and what it depends on.

    Attributes:
        direct: values it reads by itself and can be merged with, each once.
        inside: values from outside that it reads otherwise: in its blocks, or to start from.
        sometimes: those of them that not every structure reads.
        inner: the blocks inside it, each once.
        uses: the choices it depends on.
    """

    term: Term
    direct: tuple[Value, ...]
    inside: tuple[Value, ...]
    sometimes: frozenset[Value]
    inner: tuple[Graph, ...]
    uses: frozenset[Key]


@dataclass(frozen=True, eq=False)
class Graph:
    """The values that a block defines.

    Attributes:
        nodes: by the value they define, in order.
        operands: for each value, those values of the block that its term reads, inside it too.
        folded: values that their one reader reads directly and once: merged into it.
        averaged: for each value, and None for the block's end, the values to average away there,
            last first.
        cone: for each value, the choices on which it and all that is merged into it or averaged
            away at it depend; for None, what is averaged away at the block's end.
        uses: the choices on which the block depends.
        free: values from outside that it reads.
        always: those of them that its terms read in every structure.
    """

    block: Block
    nodes: Mapping[Value, Node]
    operands: Mapping[Value, tuple[Value, ...]]
    folded: frozenset[Value]
    averaged: Mapping[Value | None, tuple[Value, ...]]
    cone: Mapping[Value | None, frozenset[Key]]
    uses: frozenset[Key]
    free: tuple[Value, ...]
    always: frozenset[Value]


def graph(
    block: Block, behind: Callable[[Value], frozenset[Key]], *, inlined: bool = False
) -> Graph:
    """The values a block defines, and where each can be forgotten.

    Args:
        behind: the choices that decide who wrote a value, or which label it is.
        inlined: whether the block is part of another, which may not read its result.
    """
    nodes = {term.output: _node(term, behind) for term in block.terms}
    reads = {value: (*node.direct, *node.inside) for value, node in nodes.items()}
    operands = {
        value: tuple(dict.fromkeys(v for v in read if v in nodes)) for value, read in reads.items()
    }
    readers: dict[Value, list[Value | None]] = {value: [] for value in nodes}
    for value, read in operands.items():
        for operand in read:
            readers[operand].append(value)
    if block.result in readers:
        readers[block.result].append(None)

    parent: dict[Value, Value | None] = {}
    folded: set[Value] = set()
    for value in reversed(nodes):
        first, *others = readers[value] or [None]
        parent[value] = first
        for other in others:
            parent[value] = _meet(parent[value], other, parent)
        if first is not None and not others and _mergeable(nodes[first], value):
            folded.add(value)

    averaged: dict[Value | None, tuple[Value, ...]] = {}
    for value in reversed(nodes):
        if value not in folded:
            averaged[parent[value]] = (*averaged.get(parent[value], ()), value)
    cone: dict[Value | None, frozenset[Key]] = {None: frozenset()}
    for value, node in nodes.items():
        cone[value] = cone.get(value, frozenset()) | node.uses | behind(value)
        cone[parent[value]] = cone.get(parent[value], frozenset()) | cone[value]

    defined = {*block.arguments, *nodes}
    outside = [v for read in (*reads.values(), (block.result,)) for v in read if v not in defined]
    return Graph(
        block,
        nodes,
        operands,
        frozenset(folded),
        averaged,
        cone,
        frozenset().union(*map(behind, block.arguments), *(cone[value] for value in nodes)),
        tuple(dict.fromkeys(outside)),
        frozenset().union(
            *({*node.direct, *node.inside} - node.sometimes for node in nodes.values()),
            [] if inlined else [block.result],
        )
        - defined,
    )


def _node(term: Term, behind: Callable[[Value], frozenset[Key]]) -> Node:
    chosen = isinstance(term, Alternatives)
    inner = tuple(graph(block, behind, inlined=chosen) for block in blocks_of(term))
    starts = _starts(term)
    inside = tuple(dict.fromkeys((*starts, *(value for block in inner for value in block.free))))
    always = [block.always for block in inner]
    read = frozenset.intersection(*always) if chosen else frozenset(starts).union(*always)
    uses = choices_of(term).union(*(block.uses for block in inner))
    return Node(term, _direct(term), inside, frozenset(inside) - read, inner, uses)


def _direct(term: Term) -> tuple[Value, ...]:
    match term:
        case Call() | ToolCall() | Join() | Vote():
            return tuple(dict.fromkeys(term.inputs))
        case Select():
            return (*dict.fromkeys(term.inputs), *dict.fromkeys(term.candidates))
        case First():
            return tuple(dict.fromkeys(term.candidates))
        case Branch():
            return (term.label,)
        case _:
            return ()


def _starts(term: Term) -> tuple[Value, ...]:
    match term:
        case Refine():
            return (term.initial,)
        case Map():
            return (term.source,)
        case _:
            return ()


def choices_of(term: Term) -> frozenset[Key]:
    """The choices that a term itself depends on, without the blocks inside it."""
    match term:
        case Call() | Select():
            return frozenset((term.decision,))
        case Branch(router=int(router)):
            return frozenset((router,))
        case Alternatives():
            return frozenset((term.name,))
        case _:
            checker = checker_of(term)
            decision = None if checker is None else checker.decision
            return frozenset() if decision is None else frozenset((decision,))


def _mergeable(reader: Node, value: Value) -> bool:
    return Counter(reader.direct)[value] == 1 and value not in reader.inside


def _meet(
    left: Value | None, right: Value | None, parent: Mapping[Value, Value | None]
) -> Value | None:
    """The first value that both of two values lead to."""
    above: set[Value | None] = {None}
    while left is not None:
        above.add(left)
        left = parent[left]
    while right not in above:
        assert right is not None
        right = parent[right]
    return right


def form(
    block: Graph, value: Value, merged: Callable[[Value], object], *, deep: bool = False
) -> object:
    """What is left of a value and all that is merged into it when names are forgotten.

    Two values of one form have the same options, even where they are two draws.

    Args:
        merged: the form of a value that is merged into this one.
        deep: whether to look into blocks; else what has blocks has a form of its own.
    """
    term = block.nodes[value].term

    def name(read: Value) -> object:
        return ("merged", merged(read)) if read in block.folded else read

    match term:
        case Call():
            return (Call, term.decision, term.fresh, *map(name, term.inputs))
        case ToolCall():
            return (ToolCall, term.latency_s, *map(name, term.inputs))
        case Join():
            return (Join, term.kind, *map(name, term.inputs))
        case Vote():
            return (Vote, *map(name, term.inputs))
        case Select():
            inputs, candidates = map(name, term.inputs), map(name, term.candidates)
            return (Select, term.decision, tuple(inputs), *candidates)
        case _:
            return _nameless(term, name) if deep else (block, value)


def _nameless(term: Term, outer: Callable[[Value], object]) -> object:
    """A term that has blocks, without sites and with the values of its blocks renumbered."""
    names: dict[Value, object] = {}

    def of(item: object, is_value: bool = False) -> object:
        if is_value and isinstance(item, int):
            return names[item] if item in names else outer(item)
        if isinstance(item, tuple):
            return tuple(of(part, is_value) for part in item)
        if isinstance(item, Block):
            for inner in (*item.arguments, *(term.output for term in item.terms)):
                names[inner] = ("inner", len(names))
            return (of(item.terms), of(item.result, True))
        if is_dataclass(item) and not isinstance(item, type):
            kind = type(item).__name__
            shown = [field.name for field in fields(item) if field.name not in NAMES]
            return (
                kind,
                *(of(getattr(item, f), (kind, f) in LABELS or f in VALUES) for f in shown),
            )
        return item

    return of(term)


NAMES = frozenset({"site", "output"})
VALUES = frozenset({"inputs", "candidates", "initial", "source"})
LABELS = frozenset({("Branch", "label")})
