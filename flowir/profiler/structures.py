"""Which ways of compiling a workflow must be run so that every sub-agent is called."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from xdsl.ir import Block, Operation, Region

from flowir.dialects import flow
from flowir.runtime.choices import first_labels

Labels = Mapping[str, str]
"""The label chosen for each alternatives, by name."""


def covering(workflow: flow.WorkflowOp, agents: Collection[str]) -> list[Labels]:
    """Choices of alternatives, today's first, until all of the agents can be called in one."""
    today = first_labels(workflow)
    chosen: list[Labels] = [today]
    covered = set(reached(workflow, today))
    for op in workflow.walk():
        name = flow.called_symbol(op)
        if name in agents and name not in covered:
            labels = {**today, **_labels_around(op)}
            chosen.append(labels)
            covered |= set(reached(workflow, labels))
    return chosen


def reached(workflow: flow.WorkflowOp, labels: Labels) -> tuple[str, ...]:
    """Symbols that are called under a choice of alternatives, each once."""
    called = (flow.called_symbol(op) for op in ops(workflow.body.block, labels))
    return tuple(dict.fromkeys(name for name in called if name is not None))


def ops(block: Block, labels: Labels) -> Iterator[Operation]:
    """Every op of a block at every depth, of alternatives only the region chosen."""
    for op in block.ops:
        yield op
        for region in _regions(op, labels):
            for inner in region.blocks:
                yield from ops(inner, labels)


def _regions(op: Operation, labels: Labels) -> list[Region]:
    if isinstance(op, flow.AlternativesOp):
        cases = dict(zip((name.data for name in op.labels), op.cases, strict=True))
        return [cases[labels[op.choice.data]]]
    return list(op.regions)


def _labels_around(op: Operation) -> dict[str, str]:
    """The labels that lead to an op."""
    found: dict[str, str] = {}
    inner: Operation = op
    while (outer := inner.parent_op()) is not None:
        if isinstance(outer, flow.AlternativesOp):
            region = inner.parent_region()
            for name, case in zip(outer.labels, outer.cases, strict=True):
                if case is region:
                    found[outer.choice.data] = name.data
        inner = outer
    return found
