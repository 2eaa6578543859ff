"""When each step of a compiled workflow is expected to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import DictionaryAttr
from xdsl.ir import Block, Operation, SSAValue

from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.sites import site_names
from flowir.calculus.supersteps import supersteps
from flowir.dialects import flow
from flowir.dialects.dse import ESTIMATE, EstimateAttr


@dataclass(frozen=True)
class Bar:
    """A step: of the workflow's own block, where a region counts with all it runs, or inside one.

    Attributes:
        start, end: expected seconds, each step as long as its mean; inside of a region those of one
            passage, whether or not it is made, or made again.
        critical: whether the result would be later if the step were; of the own block's steps.
        superstep: in a LangGraph graph, from 0; None of what is no node there.
        depth: regions around it.
    """

    site: str
    start: float
    end: float
    critical: bool
    superstep: int | None
    depth: int = 0


def schedule(workflow: flow.WorkflowOp) -> tuple[Bar, ...]:
    """The steps of a compiled workflow whose ops have local estimates, in the order they start.

    What a step has inside follows it.

    Every step takes its mean: the maximum of means is less than the mean of the maximum, so this
    shows what waits for what, and is no estimate of the whole.
    """
    names = site_names(workflow)
    steps = _placed(workflow.body.block, names, 0.0)
    result = workflow.body.block.last_op
    assert result is not None
    critical = _critical([other for other in steps if _reads(result, other)], steps)
    levels = _supersteps(workflow)
    bars = []
    for op, step in sorted(steps.items(), key=lambda item: item[1].start):
        name = names[op]
        bars.append(Bar(name, step.start, step.end, op in critical, levels.get(name)))
        bars += _inside(op, names, step.start, 1)
    return tuple(bars)


@dataclass(frozen=True)
class _Step:
    start: float
    end: float
    needs: tuple[Operation, ...]


def _placed(block: Block, names: Mapping[Operation, str], at: float) -> dict[Operation, _Step]:
    """The steps of a block that begins at some second, in its order."""
    found: dict[Operation, _Step] = {}
    for op in block.ops:
        if op in names:
            needs = tuple(other for other in found if _reads(op, other))
            start = max((found[other].end for other in needs), default=at)
            found[op] = _Step(start, start + _seconds(op), needs)
    return found


def _inside(op: Operation, names: Mapping[Operation, str], at: float, depth: int) -> list[Bar]:
    """What the regions of a step run: tiers of a fallback one after another, cases side by side."""
    bars: list[Bar] = []
    for region in op.regions:
        for block in region.blocks:
            steps = _placed(block, names, at)
            for inner, step in sorted(steps.items(), key=lambda item: item[1].start):
                bars.append(Bar(names[inner], step.start, step.end, False, None, depth))
                bars += _inside(inner, names, step.start, depth + 1)
            if isinstance(op, flow.FallbackOp):
                at = max((step.end for step in steps.values()), default=at)
    return bars


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


def _critical(last: Sequence[Operation], steps: Mapping[Operation, _Step]) -> set[Operation]:
    """The steps on the way to the result that nothing waits beside."""
    found: set[Operation] = set()
    latest = max((steps[op].end for op in last), default=0.0)
    waiting = [op for op in last if steps[op].end == latest]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting += [one for one in steps[op].needs if steps[one].end == steps[op].start]
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
