"""What compilation decides, decided: the settings in which a workflow can be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from flowir.calculus.from_ir import configuration, configurations
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.dse import FRONT, ConfigAttr, SpaceAttr
from flowir.dialects.flow_checks import Symbols, describe, module_symbols
from flowir.errors import EmissionError
from flowir.search.annotate import front_from_ir

Key = tuple[str, str]
"""A decision: (agent, group)."""


@dataclass(frozen=True)
class Choices:
    """One setting of a workflow.

    Attributes:
        labels: the label chosen for each alternatives, by name. Names left out: the first label.
        configurations: what each decision chose. Decisions left out: see `default_configurations`.
    """

    labels: Mapping[str, str]
    configurations: Mapping[Key, Configuration]


def choices_of(workflow: flow.WorkflowOp) -> tuple[Choices, ...]:
    """The points of the workflow's front, or the one setting of a workflow without.

    A workflow without a front runs what its ops say (`config`), else what is done today: the
    baseline, or the first configuration of the space, and the first of all alternatives.

    Raises:
        SearchError: the front belongs to another version of the workflow.
        EmissionError: as `default_configurations`.
    """
    if FRONT not in workflow.attributes:
        return (Choices(first_labels(workflow), default_configurations(workflow)),)
    front = front_from_ir(workflow)
    keys = [(decision.agent, decision.group) for decision in front.decisions]
    names = [structure.name for structure in front.structures]
    return tuple(
        Choices(
            {n: label for n, label in zip(names, point.choices, strict=True) if label is not None},
            {
                key: chosen
                for key, chosen in zip(keys, point.configurations, strict=True)
                if chosen is not None
            },
        )
        for point in front.points
    )


def first_labels(workflow: flow.WorkflowOp) -> dict[str, str]:
    """The first label of every alternatives: what is done today."""
    return {
        op.choice.data: op.labels.data[0].data
        for op in workflow.walk()
        if isinstance(op, flow.AlternativesOp)
    }


def default_configurations(workflow: flow.WorkflowOp) -> dict[Key, Configuration]:
    """What every decision runs without a front: its `config`, its baseline, or its space's first.

    Raises:
        EmissionError: calls of one decision with different configurations, or an agent that has
            neither a configuration nor a space to take one from.
    """
    symbols = module_symbols(workflow) or {}
    members: dict[Key, list[Operation]] = {}
    for op in workflow.walk():
        if (key := decision_key(op, symbols)) is not None:
            members.setdefault(key, []).append(op)
    return {key: _default(symbols, key[0], ops) for key, ops in members.items()}


def decision_key(op: Operation, symbols: Symbols) -> Key | None:
    """The decision an op depends on itself; None where it calls no agent."""
    name = flow.called_symbol(op)
    if name is None or not isinstance(symbols.get(name), flow.AgentOp):
        return None
    group = op.properties.get("group")
    return name, group.data if isinstance(group, StringAttr) else ""


def _default(symbols: Symbols, name: str, ops: list[Operation]) -> Configuration:
    agent = symbols[name]
    assert isinstance(agent, flow.AgentOp)
    fixed = {configuration(c) for op in ops if isinstance(c := _property(op, "config"), ConfigAttr)}
    if len(fixed) > 1:
        raise EmissionError(
            f"{describe(ops[0])}: calls of one decision have different configurations "
            f"({'; '.join(sorted(map(str, fixed)))}); give them one, or different groups with `as`"
        )
    if fixed:
        return fixed.pop()
    if agent.baseline is not None:
        return configuration(agent.baseline)
    spaces = [agent.space, *(_property(op, "space") for op in ops)]
    allowed = [configurations(space) for space in spaces if isinstance(space, SpaceAttr)]
    for candidate in allowed[0] if allowed else ():
        if all(candidate in space for space in allowed):
            return candidate
    raise EmissionError(
        f"{describe(ops[0])}: nothing says which model @{name} runs on; give it a `space` or a "
        "`baseline`, or the call a `config`, that leaves a choice"
    )


def _property(op: Operation, name: str) -> object:
    return op.properties.get(name)
