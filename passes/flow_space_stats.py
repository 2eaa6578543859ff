"""Prints how large a design space is, before anything runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import log10
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.dialects.flow import CallOp, WorkflowOp
from flowir.errors import SearchError
from flowir.passes.flow_inline import FlowInline

if TYPE_CHECKING:
    from flowir.calculus.terms import Decision, Workflow
    from flowir.search.rules import Rules


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

    def shown(self, before: Axis | None) -> str:
        """In words, with how many there were before rules if that is not the same."""
        parts = [
            _counted(self.models, "model"),
            _counted(self.budgets, "budget"),
            _counted(self.parameters, "parameter setting"),
        ]
        whole = self.configurations == self.models * self.budgets * self.parameters
        counted = _counted(self.configurations, "configuration")
        joined = f" = {' × '.join(parts)}" if whole else f" of {', '.join(parts)}"
        more = before is not None and before.configurations != self.configurations
        was = f"; before the rules {before.configurations:,}" if before and more else ""
        return f"{self.decision}: {counted}{joined if self.configurations else ''}{was}"


@dataclass(frozen=True)
class Statistics:
    """The size of one workflow's space.

    Attributes:
        workflow: its name.
        workflows: how many different workflows it compiles to; at most, where `exact` is false.
        structures: how many different structures; at most, where `exact` is false.
        exact: false where there are too many structures, or settings under rules, to count.
        decisions: one axis per decision.
        choices: the labels of every structural choice, by name.
        before: the same before the rules; None where there are none.
    """

    workflow: str
    workflows: int
    structures: int
    exact: bool
    decisions: tuple[Axis, ...]
    choices: dict[str, tuple[str, ...]]
    before: Statistics | None = None

    @property
    def magnitude(self) -> float:
        """The decimal logarithm of `workflows`."""
        return log10(self.workflows)

    @property
    def size(self) -> str:
        """How many workflows of how many structures, in words."""
        most = "" if self.exact else "at most "
        return (
            f"{most}{_counted(self.workflows, 'compiled workflow')} "
            f"({'≈' if self.exact else '≤'} 10^{self.magnitude:.1f}) "
            f"of {most}{_counted(self.structures, 'structure')}"
        )

    def __str__(self) -> str:
        before = self.before
        was = "" if before is None else f"; before the rules {before.size}"
        lines = [f"@{self.workflow}: {self.size}{was}"]
        axes = [None] * len(self.decisions) if before is None else before.decisions
        lines += [
            f"  {axis.shown(other)}" for axis, other in zip(self.decisions, axes, strict=True)
        ]
        for name, labels in self.choices.items():
            shown = " | ".join(f'"{label}"' for label in labels)
            line = f'  "{name}": {_counted(len(labels), "label")}{", " if labels else ""}{shown}'
            if before is not None and before.choices[name] != labels:
                line += f"; before the rules {len(before.choices[name])}"
            lines.append(line)
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
    configuration is not counted where the space no longer has it, and a setting that a space lists
    twice (`temperature = [0, 0.0]`) counts once. Under rules, an axis counts what
    some point that keeps to all of them has, and says what it had before.

    Attributes:
        workflow: only this one, whether it is called or not.
        allow, lock, forbid: rules as `flow-dse` takes them, see docs/search.md.
        json: print an object per workflow instead, one per line.
    """

    name = "flow-space-stats"

    workflow: str | None = None
    allow: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    json: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        flat = op.clone()
        FlowInline(keep=True).apply(ctx, flat)
        names = _entries(op) if self.workflow is None else [self.workflow]
        given = self.allow or self.lock or self.forbid
        if given and len(names) > 1:
            raise SearchError(
                f"rules are of one workflow, and there are {', '.join(names)}; "
                f"say which: {self.name}{{workflow={names[0]} …}}"
            )
        for name in names:
            terms = workflow_terms(find_workflow(flat, name))
            found = statistics(terms, self.allow, self.lock, self.forbid)
            if self.json:
                shown = {**asdict(found), "log10": found.magnitude}
                print(json.dumps(shown, ensure_ascii=False), file=sys.stderr)
            else:
                print(found, file=sys.stderr)


def statistics(
    workflow: Workflow,
    allow: Sequence[str] = (),
    lock: Sequence[str] = (),
    forbid: Sequence[str] = (),
) -> Statistics:
    """Count the space of a workflow under rules, or bound it where it is too large to count.

    Raises:
        SearchError: rules that leave nothing, contradict each other, or name what there is not.
    """
    from flowir.search.distinct import distinct
    from flowir.search.rules import narrowed

    workflow = distinct(workflow)[0].workflow
    before = _statistics(narrowed(workflow, (), (), ()))
    if not (allow or lock or forbid):
        return before
    return replace(_statistics(narrowed(workflow, allow, lock, forbid)), before=before)


def _statistics(rules: Rules) -> Statistics:
    from flowir.search.counting import count

    found = count(rules)
    workflow = rules.workflow
    return Statistics(
        workflow.name,
        found.workflows,
        found.structures,
        found.exact,
        tuple(map(_axis, workflow.decisions, found.configurations)),
        {
            choice.name: tuple(choice.labels[label] for label in labels)
            for choice, labels in zip(workflow.structures, found.labels, strict=True)
        },
    )


def _axis(decision: Decision, left: Sequence[int]) -> Axis:
    allowed = [decision.configurations[index] for index in left]
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
