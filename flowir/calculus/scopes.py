"""What an evaluation must know of a workflow beforehand: who reads what, and how often.

Three things about a value may be read: whether it is right, whether a wrong one is the query's
common wrong answer (votes read that), and which label it is (branches read that). Each is one event
of the value. An event read once can be averaged away on the spot; one read more often is shared,
and must be conditioned on until its last reader is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, TypeVar

from flowir.calculus.labels import LabelEvent, label_events
from flowir.calculus.races import with_lanes
from flowir.calculus.supersteps import Fused, Supersteps, sources, supersteps
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
    Workflow,
    decisions_used,
)
from flowir.calculus.writers import Writers, writers
from flowir.errors import CalculusError

Aspect = Literal["right", "agrees", "label"]
Reads = Counter[tuple[Aspect, Value]]
T = TypeVar("T")


@dataclass(frozen=True)
class Definition:
    """A value where it comes into being.

    Attributes:
        name: where it is written, for messages and as the key of its draws.
        needed: whether its rightness is read at all.
        shared: the events of it that are read more than once.
        last_read: index of the last step of its scope that reads it; the number of steps if it is
            the scope's result; -1 if nothing reads it.
    """

    value: Value
    name: str
    needed: bool
    shared: frozenset[Aspect]
    last_read: int


@dataclass(frozen=True)
class Step:
    """One term of a scope.

    Attributes:
        inner: the scopes of its cases, tiers or body; a repeated tier is the same object again.
        waits_for: the values of the same scope that the term, or anything inside it, reads.
        critical: whether the scope's result depends on it.
    """

    term: Term
    defines: Definition
    inner: tuple[Scope, ...]
    waits_for: tuple[Value, ...]
    critical: bool


@dataclass(frozen=True)
class Scope:
    """A block and the values that live while it runs once.

    Attributes:
        supersteps: the nodes that LangGraph runs at the same time, superstep by superstep, each the
            values that it makes.
        fused: those of the values that are made in a node with others, by concurrent code.
        sources: for each value the values of the same scope, made by nodes, that it is made of.
    """

    arguments: tuple[Definition, ...]
    steps: tuple[Step, ...]
    result: Value
    supersteps: Supersteps
    fused: frozenset[Value]
    sources: Mapping[Value, tuple[Value, ...]]


@dataclass(frozen=True)
class Analysis:
    """A workflow prepared for evaluation.

    Attributes:
        scope: its body; the workflow's arguments are among the scope's.
        labels: the label event of every value that a branch reads.
        writers: the decision that wrote a value, where there is one.
        decisions: indices of the decisions it depends on.
    """

    scope: Scope
    labels: Mapping[Value, LabelEvent]
    writers: Writers
    decisions: tuple[int, ...]


@lru_cache(maxsize=256)
def analyse(workflow: Workflow, quorums: bool = False) -> Analysis:
    """The reads of a specialised workflow, whose races hold their lanes.

    Args:
        quorums: whether votes that end at their quorum are among these races; otherwise they are
            ordinary votes, which succeed as often.

    Raises:
        CalculusError: alternatives are left, or a `mean` map feeds something.
    """
    body = with_lanes(workflow.body, quorums)
    _require_mean_is_result(body, True)
    fused = dict(workflow.fused)
    scope, free = _scope(body, fused)
    arguments = dict.fromkeys((*body.arguments, *(value for _, value in free)))
    if len(arguments) > len(body.arguments):
        body = Block(body.terms, body.result, tuple(arguments))
        scope, _ = _scope(body, fused)
    return Analysis(scope, label_events(body), writers(body), decisions_used(body))


def site_of(term: Term) -> str:
    """The site of a term; a join or vote, which has none, is named by its value."""
    match term:
        case Join(kind=kind, output=output):
            return f"join {kind} of value {output}"
        case Vote(output=output):
            return f"vote of value {output}"
        case Alternatives(name=name):
            return name
        case _:
            return term.site


def _scope(block: Block, fused: Fused) -> tuple[Scope, Reads]:
    """The scope of a block, and what one run of it reads of its arguments and from outside."""
    inner: list[tuple[Scope, ...]] = []
    reads: list[Reads] = []
    for term in block.terms:
        scopes, read = _term_reads(term, fused)
        inner.append(scopes)
        reads.append(read)
    everything = _sum(_rights((block.result,)), *reads)

    last = {value: i for i, read in enumerate(reads) for _, value in read}
    last[block.result] = len(block.terms)

    def define(value: Value, name: str) -> Definition:
        shared = frozenset(aspect for aspect in ASPECTS if everything[aspect, value] > 1)
        return Definition(value, name, everything["right", value] > 0, shared, last.get(value, -1))

    written = {term.output for term in block.terms}
    waits = [tuple(dict.fromkeys(v for _, v in read if v in written)) for read in reads]
    critical = _critical(block, waits)
    steps = tuple(
        Step(term, define(term.output, site_of(term)), scopes, wait, term.output in critical)
        for term, scopes, wait in zip(block.terms, inner, waits, strict=True)
    )
    arguments = tuple(define(value, f"argument {value}") for value in block.arguments)
    scope = Scope(
        arguments,
        steps,
        block.result,
        supersteps(block, fused),
        frozenset(written & fused.keys()),
        sources(block),
    )
    return scope, _without(everything, written)


def barriers(
    scope: Scope,
    taken: Mapping[Value, T],
    total: Callable[[Sequence[T]], T],
    latest: Callable[[Sequence[T]], T],
) -> list[T]:
    """How long each superstep takes: as long as its slowest node.

    Args:
        taken: what making each value takes.
        total, latest: the sum of such times, and their maximum.
    """
    found: list[T] = []
    for together in scope.supersteps:
        finish: dict[Value, T] = {}
        for node in together:
            own: dict[Value, T] = {}
            for value in node:
                before = [own[source] for source in scope.sources[value] if source in own]
                own[value] = total([latest(before), taken[value]]) if before else taken[value]
            finish |= own
        found.append(latest(list(finish.values())))
    return found


ASPECTS: tuple[Aspect, ...] = ("right", "agrees", "label")


def _critical(block: Block, waits: list[tuple[Value, ...]]) -> set[Value]:
    needed = {block.result}
    for term, wait in zip(reversed(block.terms), reversed(waits), strict=True):
        if term.output in needed:
            needed.update(wait)
    return needed


def _term_reads(term: Term, fused: Fused) -> tuple[tuple[Scope, ...], Reads]:
    """The scopes inside a term, and how often one execution of it reads each event."""
    inside = partial(_scope, fused=fused)
    match term:
        case Call(inputs=inputs) | ToolCall(inputs=inputs) | Join(inputs=inputs):
            return (), _rights(inputs)
        case Vote(inputs=inputs, lanes=lanes):
            agrees: Reads = Counter({("agrees", value): 1 for value in inputs})
            if not lanes:
                return (), _sum(_rights(inputs), agrees)
            scopes, reads = zip(*map(inside, lanes), strict=True)
            made = {inner.output for lane in lanes for inner in lane.terms}
            return scopes, _sum(*reads, _without(agrees, made))
        case First(lanes=lanes):
            scopes, reads = zip(*map(inside, lanes), strict=True)
            return scopes, _sum(*reads)
        case Select(inputs=inputs, candidates=candidates):
            return (), _sum(_rights(inputs), _rights(candidates))
        case Branch(label=label, cases=cases):
            scopes, reads = zip(*(inside(case.block) for case in cases), strict=True)
            return scopes, _sum(Counter({("label", label): 1}), _most(*reads))
        case Fallback(tiers=tiers):
            known = {tier: inside(tier) for tier in dict.fromkeys(tiers)}
            return tuple(known[tier][0] for tier in tiers), _sum(
                *(known[tier][1] for tier in tiers)
            )
        case Refine(initial=initial, body=body, bound=bound):
            scope, read = inside(body)
            outside = _without(read, body.arguments)
            return (scope,), _sum(_rights((initial,)), _times(outside, bound))
        case Map(source=source, body=body, width=width):
            scope, read = inside(body)
            items = sum(read["right", item] for item in body.arguments)
            repeated = _times(_without(read, body.arguments), width)
            return (scope,), _sum(Counter({("right", source): items * width}), repeated)
        case Plan(planner=planner, joiner=joiner, plans=plans):
            scopes, reads = zip(*map(inside, (planner, joiner)), strict=True)
            given = (*planner.arguments, *joiner.arguments)
            return scopes, _times(_without(_sum(*reads), given), plans)
        case Alternatives(name=name):
            raise CalculusError(
                f'alternatives "{name}": more than one structure is left; '
                "specialise the workflow to one choice of each first"
            )


def _rights(values: Iterable[Value]) -> Reads:
    return Counter({("right", value): 1 for value in values})


def _sum(*reads: Reads) -> Reads:
    """All of these reads. A read that happens 0 times is kept: it must still be waited for."""
    merged: Reads = Counter()
    for read in reads:
        merged.update(read)
    return merged


def _most(*reads: Reads) -> Reads:
    """One of these reads, whichever: only one case of a branch runs."""
    merged: Reads = Counter()
    for read in reads:
        for key, n in read.items():
            merged[key] = max(merged[key], n)
    return merged


def _times(reads: Reads, repetitions: int) -> Reads:
    return Counter({key: n * repetitions for key, n in reads.items()})


def _without(reads: Reads, values: Iterable[Value]) -> Reads:
    dropped = frozenset(values)
    return Counter({key: n for key, n in reads.items() if key[1] not in dropped})


def _require_mean_is_result(block: Block, is_result: bool) -> None:
    """Raise where the share of right items would be taken for an event."""
    for term in block.terms:
        gives_result = is_result and term.output == block.result
        match term:
            case Map(mean=True) if not gives_result:
                raise CalculusError(
                    f"map at site {term.site!r}: `mean` is not the workflow's result, and "
                    "a share of right items is neither right nor wrong; leave `mean` out, or "
                    "return the list"
                )
            case Map(body=body) | Refine(body=body):
                _require_mean_is_result(body, False)
            case Fallback(tiers=tiers):
                for tier in dict.fromkeys(tiers):
                    _require_mean_is_result(tier, False)
            case Branch(cases=cases):
                for case in cases:
                    _require_mean_is_result(case.block, gives_result)
            case Plan(planner=planner, joiner=joiner):
                _require_mean_is_result(planner, False)
                _require_mean_is_result(joiner, False)
            case Vote(lanes=lanes) | First(lanes=lanes):
                for lane in lanes:
                    _require_mean_is_result(lane, False)
            case _:
                pass
