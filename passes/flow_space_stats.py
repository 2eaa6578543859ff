"""Prints how large a design space is, before anything runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from itertools import islice
from math import log10, prod
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.dialects.flow import CallOp, WorkflowOp
from flowir.passes.flow_inline import FlowInline

if TYPE_CHECKING:
    from flowir.calculus.terms import Decision, Workflow


@dataclass(frozen=True)
class Axis:
    """What may be chosen for one decision.

    Attributes:
        decision: `agent` or `agent/group`.
        configurations: how many may be chosen.
        models, budgets, parameters: how many different ones these have; the product is larger
            where models differ in what they offer.
    """

    decision: str
    configurations: int
    models: int
    budgets: int
    parameters: int

    def __str__(self) -> str:
        parts = [
            _counted(self.models, "model"),
            _counted(self.budgets, "budget"),
            _counted(self.parameters, "parameter setting"),
        ]
        whole = self.configurations == self.models * self.budgets * self.parameters
        counted = _counted(self.configurations, "configuration")
        if whole:
            return f"{self.decision}: {counted} = {' × '.join(parts)}"
        return f"{self.decision}: {counted} of {', '.join(parts)}"


@dataclass(frozen=True)
class Statistics:
    """The size of one workflow's space.

    Attributes:
        workflow: its name.
        workflows: how many different workflows it compiles to; at most, where `exact` is false.
        structures: how many different structures; at most, where `exact` is false.
        exact: false where there are too many structures to count.
        decisions: one axis per decision.
        choices: the labels of every structural choice, by name.
    """

    workflow: str
    workflows: int
    structures: int
    exact: bool
    decisions: tuple[Axis, ...]
    choices: dict[str, tuple[str, ...]]

    @property
    def magnitude(self) -> float:
        """The decimal logarithm of `workflows`."""
        return log10(self.workflows)

    def __str__(self) -> str:
        most = "" if self.exact else "at most "
        lines = [
            f"@{self.workflow}: {most}{self.workflows:,} compiled workflows "
            f"({'≈' if self.exact else '≤'} 10^{self.magnitude:.1f}) "
            f"of {most}{_counted(self.structures, 'structure')}"
        ]
        lines += [f"  {axis}" for axis in self.decisions]
        for name, labels in self.choices.items():
            shown = " | ".join(f'"{label}"' for label in labels)
            lines.append(f'  "{name}": {_counted(len(labels), "label")}, {shown}')
        return "\n".join(lines)


@dataclass(frozen=True)
class FlowSpaceStats(ModulePass):
    """Prints to stderr, per workflow that no other calls, the size of its space per axis.

        @w: 14 compiled workflows (≈ 10^1.1) of 3 structures
          coder: 2 configurations = 2 models × 1 budget × 1 parameter setting
          coder/first: 2 configurations = 2 models × 1 budget × 1 parameter setting
          …
          "coder cascade": 3 labels, "once" | "cascade of 2" | "cascade of 3"

    The IR stays as it is. Structures that compile to the same workflow count once. Today's
    configuration is not counted where the space no longer has it.

    Attributes:
        workflow: only this one, whether it is called or not.
        json: print an object per workflow instead, one per line.
    """

    name = "flow-space-stats"

    workflow: str | None = None
    json: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        flat = op.clone()
        FlowInline(keep=True).apply(ctx, flat)
        names = _entries(op) if self.workflow is None else [self.workflow]
        for name in names:
            found = statistics(workflow_terms(find_workflow(flat, name)))
            if self.json:
                shown = {**asdict(found), "log10": found.magnitude}
                print(json.dumps(shown, ensure_ascii=False), file=sys.stderr)
            else:
                print(found, file=sys.stderr)


def statistics(workflow: Workflow) -> Statistics:
    """Count the space of a workflow, or bound it where it has too many structures to count."""
    from flowir.search.space import MANY_STRUCTURES, Space

    space = Space(workflow)
    found = list(islice(space.structures(), MANY_STRUCTURES + 1))
    exact = len(found) <= MANY_STRUCTURES
    if exact:
        structures, size = len(found), sum(map(space.settings_of, found))
    else:
        structures = prod(len(choice.labels) for choice in workflow.structures)
        size = structures * prod(len(decision.choices) for decision in workflow.decisions)
    return Statistics(
        workflow.name,
        size,
        structures,
        exact,
        tuple(map(_axis, workflow.decisions)),
        {choice.name: choice.labels for choice in workflow.structures},
    )


def _axis(decision: Decision) -> Axis:
    allowed = [decision.configurations[index] for index in decision.choices]
    return Axis(
        str(decision),
        len(allowed),
        len({configuration.model for configuration in allowed}),
        len({configuration.budget for configuration in allowed}),
        len({configuration.params for configuration in allowed}),
    )


def _entries(module: ModuleOp) -> list[str]:
    """Names of the workflows that no other calls."""
    called = {op.callee.root_reference.data for op in module.walk() if isinstance(op, CallOp)}
    return [
        op.sym_name.data
        for op in module.ops
        if isinstance(op, WorkflowOp) and op.sym_name.data not in called
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
