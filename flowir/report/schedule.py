"""When each step of a compiled workflow is expected to run."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import DictionaryAttr
from xdsl.ir import Operation, SSAValue

from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.sites import site_names
from flowir.calculus.supersteps import supersteps
from flowir.dialects import flow
from flowir.dialects.dse import ESTIMATE, EstimateAttr


@dataclass(frozen=True)
class Bar:
    """A step of the workflow's own block: regions count as one step with all they run.

    Attributes:
        start, end: expected seconds, each step as long as its mean.
        critical: whether the result would be later if the step were.
        superstep: in a LangGraph graph, from 0; None of what is no node there.
    """

    site: str
    start: float
    end: float
    critical: bool
    superstep: int | None


def schedule(workflow: flow.WorkflowOp) -> tuple[Bar, ...]:
    """The steps of a compiled workflow whose ops have local estimates, in the order they start.

    Every step takes its mean: the maximum of means is less than the mean of the maximum, so this
    shows what waits for what, and is no estimate of the whole.
    """
    names = site_names(workflow)
    steps = [op for op in workflow.body.block.ops if op in names]
    ends: dict[Operation, float] = {}
    starts: dict[Operation, float] = {}
    needs: dict[Operation, list[Operation]] = {}
    for op in steps:
        needs[op] = [other for other in ends if _reads(op, other)]
        starts[op] = max((ends[other] for other in needs[op]), default=0.0)
        ends[op] = starts[op] + _seconds(op)
    result = workflow.body.block.last_op
    assert result is not None
    critical = _critical([other for other in ends if _reads(result, other)], needs, starts, ends)
    levels = _supersteps(workflow)
    bars = [
        Bar(names[op], starts[op], ends[op], op in critical, levels.get(names[op])) for op in steps
    ]
    return tuple(sorted(bars, key=lambda bar: bar.start))


def _seconds(op: Operation) -> float:
    """The mean latency that is written on an op; 0 where none is known."""
    found = op.attributes.get(ESTIMATE)
    latency = found.data.get("latency_s") if isinstance(found, DictionaryAttr) else None
    return latency.mean.data if isinstance(latency, EstimateAttr) else 0.0


def _reads(op: Operation, other: Operation) -> bool:
    """Whether an op, or what is in its regions, reads what another makes, at any remove."""
    waiting: list[SSAValue] = [value for inner in op.walk() for value in inner.operands]
    seen: set[SSAValue] = set()
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        if value.owner is other:
            return True
        if isinstance(value.owner, Operation) and value.owner is not op:
            waiting += value.owner.operands
    return False


def _critical(
    last: list[Operation],
    needs: dict[Operation, list[Operation]],
    starts: dict[Operation, float],
    ends: dict[Operation, float],
) -> set[Operation]:
    """The steps on the way to the result that nothing waits beside."""
    found: set[Operation] = set()
    waiting = [op for op in last if ends[op] == max(ends[other] for other in last)]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting += [other for other in needs[op] if ends[other] == starts[op]]
    return found


def _supersteps(workflow: flow.WorkflowOp) -> dict[str, int]:
    """The superstep of each term of the workflow's block, by site."""
    terms = workflow_terms(workflow)
    by_output = {term.output: getattr(term, "site", "") for term in terms.body.terms}
    return {
        by_output[value]: number
        for number, step in enumerate(supersteps(terms.body, dict(terms.fused)))
        for node in step
        for value in node
    }
