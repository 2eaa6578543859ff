"""The worst any run of a workflow can do: every check rejects, every loop and map is as long as it
may be, every branch takes its dearest case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from flowir.calculus.expectation import Execution
from flowir.calculus.races import (
    candidates_of,
    delay_of,
    is_concurrent_code,
    races,
    with_lanes,
)
from flowir.calculus.supersteps import Fused, sources, supersteps
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Branch,
    Call,
    Checker,
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
    reads_of,
    walk,
)

TIED_LIMIT = 4096
"""Combinations of tied choices that are tried; with more, each place takes its own worst case,
which still bounds every run."""


def worst_calls(workflow: Workflow) -> int:
    """The most calls of agents one run can make, those that select and judge included."""
    return round(worst_total(workflow, [1.0] * len(workflow.decisions)))


def worst_total(workflow: Workflow, amounts: Sequence[float]) -> float:
    """The most of something that adds up over calls, such as tokens or dollars.

    Args:
        amounts: the most that one call of each decision can take.
    """
    return _worst(workflow, _Totals(amounts))


def worst_seconds(
    workflow: Workflow, seconds: Sequence[float], *, execution: Execution = "asyncio"
) -> float:
    """The longest a run can take: the critical path, the supersteps, or the sum.

    Args:
        seconds: the longest that one call of each decision can take. Tools take the latency they
            declare.
        execution: whether a call waits for its operands, for all of its superstep, or for every
            call before it.
    """
    if execution == "sequential":
        return _worst(workflow, _Sequential(seconds))
    if execution == "langgraph":
        return _worst_supersteps(workflow, seconds)
    racing = any(isinstance(term, First) or races(term) for term in walk(workflow.body))
    if racing and workflow.structures:
        # What belongs to a lane depends on the structure: one thing after another bounds them all.
        return _worst(workflow, _Waiting(seconds))
    laned = replace(workflow, body=with_lanes(workflow.body))
    return _worst(laned, _CriticalPath(seconds))


def _worst_supersteps(workflow: Workflow, seconds: Sequence[float]) -> float:
    """The longest over all structures; of many, one thing after another, which bounds them."""
    if prod(len(structure.labels) for structure in workflow.structures) > TIED_LIMIT:
        return _worst(workflow, _Waiting(seconds))
    names = [structure.name for structure in workflow.structures]
    of = _Supersteps(seconds, dict(workflow.fused))
    return max(
        of.block(with_lanes(workflow.specialise(dict(zip(names, labels, strict=True))).body), {})
        for labels in product(*(structure.labels for structure in workflow.structures))
    )


def _worst(workflow: Workflow, of: _Totals) -> float:
    return max(of.block(workflow.body, chosen) for chosen in _tied_choices(workflow))


def _tied_choices(workflow: Workflow) -> Iterator[Mapping[str, str]]:
    """Every way to make the choices that stand in several places; others need no agreement."""
    places = Counter(t.name for t in walk(workflow.body) if isinstance(t, Alternatives))
    tied = [structure for structure in workflow.structures if places[structure.name] > 1]
    count = 1
    for structure in tied:
        count *= len(structure.labels)
    if count > TIED_LIMIT:
        tied = []
    for labels in product(*(structure.labels for structure in tied)):
        yield dict(zip((structure.name for structure in tied), labels, strict=True))


@dataclass(frozen=True)
class _Totals:
    """Amounts that add up, whatever runs at the same time."""

    amounts: Sequence[float]

    def block(self, block: Block, chosen: Mapping[str, str]) -> float:
        return sum(self.term(term, chosen) for term in block.terms)

    def tool(self, latency_s: float) -> float:
        return 0.0

    def items(self, count: int, amount: float) -> float:
        return count * amount

    def together(self, amounts: Sequence[float]) -> float:
        """Of what runs at the same time."""
        return sum(amounts)

    def delay(self, race: First, candidate: Value) -> float:
        """Of waiting for a candidate to be started."""
        return 0.0

    def check(self, checker: Checker) -> float:
        if checker.decision is None:
            return self.tool(checker.latency_s)
        return self.amounts[checker.decision]

    def term(self, term: Term, chosen: Mapping[str, str]) -> float:
        match term:
            case Call(decision=decision) | Select(decision=decision):
                return self.amounts[decision]
            case ToolCall(latency_s=latency_s):
                return self.tool(latency_s)
            case Join() | Vote(lanes=()):
                return 0.0
            case Vote(lanes=lanes):
                return self.together([self.block(lane, chosen) for lane in lanes])
            case First(candidates=candidates, checker=checker, lanes=lanes):
                judged = 0.0 if checker is None else self.check(checker)
                if not lanes:
                    return len(set(candidates)) * judged
                return self.together(
                    [
                        self.delay(term, candidate) + self.block(lane, chosen) + judged
                        for candidate, lane in zip(candidates_of(term), lanes, strict=True)
                    ]
                )
            case Branch(cases=cases):
                return max(self.block(case.block, chosen) for case in cases)
            case Fallback(checker=checker, tiers=tiers):
                # The last tier is not checked; one tier alone has no check to bound.
                runs = sum(self.block(tier, chosen) for tier in tiers)
                return runs + sum([self.check(checker)] * (len(tiers) - 1))
            case Refine(checker=checker, body=body, bound=bound):
                return bound * (self.check(checker) + self.block(body, chosen))
            case Map(body=body, bound=bound):
                return self.items(bound, self.block(body, chosen))
            case Plan(planner=planner, joiner=joiner, plans=plans, most_tasks=tasks):
                # Every task may need the one before it.
                slowest = tasks * self.tool(max(term.shape.tools))
                calls = self.block(planner, chosen) + self.block(joiner, chosen)
                return plans * (calls + slowest)
            case Alternatives(name=name, cases=alternatives):
                return max(
                    self.block(block, chosen)
                    for label, block in alternatives
                    if chosen.get(name, label) == label
                )


@dataclass(frozen=True)
class _Sequential(_Totals):
    """Seconds, one thing after another."""

    def tool(self, latency_s: float) -> float:
        return latency_s


@dataclass(frozen=True)
class _Waiting(_Sequential):
    """Seconds, one thing after another, and every delay of a race waited for."""

    def term(self, term: Term, chosen: Mapping[str, str]) -> float:
        waited = sum(term.after) if isinstance(term, First) else 0.0
        return waited + super().term(term, chosen)


@dataclass(frozen=True)
class _CriticalPath(_Sequential):
    """Seconds, where what has its operands runs, and items of a map all at once."""

    def items(self, count: int, amount: float) -> float:
        return amount

    def together(self, amounts: Sequence[float]) -> float:
        return max(amounts)

    def delay(self, race: First, candidate: Value) -> float:
        return delay_of(race, candidate)

    def block(self, block: Block, chosen: Mapping[str, str]) -> float:
        finished: dict[Value, float] = {}
        for term in block.terms:
            start = max((finished.get(value, 0.0) for value in reads_of(term)), default=0.0)
            finished[term.output] = start + self.term(term, chosen)
        return max(finished.values(), default=0.0)


@dataclass(frozen=True)
class _Supersteps(_CriticalPath):
    """Seconds, where a superstep takes as long as its slowest node; see `supersteps`."""

    fused: Fused

    def block(self, block: Block, chosen: Mapping[str, str]) -> float:
        concurrent = _CriticalPath(self.amounts)
        terms = {term.output: term for term in block.terms}
        read = sources(block)
        total = 0.0
        for together in supersteps(block, self.fused):
            finished: dict[Value, float] = {}
            for value in (value for node in together for value in node):
                # Nodes of one superstep do not read each other, so only its own terms are here.
                start = max((finished.get(source, 0.0) for source in read[value]), default=0.0)
                plain = value in self.fused or is_concurrent_code(terms[value])
                of = concurrent if plain else self
                finished[value] = start + of.term(terms[value], chosen)
            total += max(finished.values())
        return total
