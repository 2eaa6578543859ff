"""A block as it runs: alternatives stand for what is chosen, called workflows for their bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xdsl.ir import Block, Operation, SSAValue

from flowir.calculus.races import Maker, lanes
from flowir.calculus.sites import site_names
from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.dialects.flow_checks import module_symbols
from flowir.runtime.answers import parser_of
from flowir.runtime.choices import Choices, Key, default_configurations, first_labels
from flowir.runtime.racing import droppable

Environment = dict[SSAValue, "asyncio.Future[Any]"]


@dataclass(frozen=True)
class RunningScope:
    """A workflow in the place where it is called, and what is chosen for it.

    Attributes:
        prefix: of its sites: the site of the call with its dot.
    """

    workflow: flow.WorkflowOp
    choices: Choices
    symbols: Mapping[str, Operation]
    sites: Mapping[Operation, str]
    prefix: str
    labels: Mapping[str, str]
    configurations: Mapping[Key, Configuration]

    @staticmethod
    def of(
        workflow: flow.WorkflowOp, choices: Choices, prefix: str = "", written: str = ""
    ) -> RunningScope:
        """The scope of a workflow; `written` is its name where another one calls it."""
        symbols = module_symbols(workflow)
        assert symbols is not None
        labels = {
            name: choices.labels.get(_joined(written, name), label)
            for name, label in first_labels(workflow).items()
        }
        configurations = {
            (agent, group): choices.configurations.get((agent, _joined(written, group)), default)
            for (agent, group), default in default_configurations(workflow).items()
        }
        sites = site_names(workflow)
        return RunningScope(workflow, choices, symbols, sites, prefix, labels, configurations)

    def site(self, op: Operation) -> str:
        """The site of an op, as the model is told."""
        return self.prefix + self.sites[op]

    def called(self, op: Operation) -> RunningScope | None:
        """The scope of the workflow that an op calls."""
        found = self.symbols.get(flow.called_symbol(op) or "")
        if not isinstance(found, flow.WorkflowOp):
            return None
        return RunningScope.of(found, self.choices, f"{self.site(op)}.", found.sym_name.data)

    def chosen(self, op: flow.AlternativesOp) -> Block:
        """The block that an alternatives stands for."""
        cases = dict(zip((name.data for name in op.labels), op.cases, strict=True))
        return cases[self.labels[op.choice.data]].block

    def streamed(self, block: Block) -> flow.CallOp | None:
        """The call whose text is what a block gives, as it is written, and that is all it does."""
        (op, *others) = block.ops
        if isinstance(op, flow.AlternativesOp) and len(others) == 1:
            return self.streamed(self.chosen(op)) if _gives(block, op) else None
        if not isinstance(op, flow.CallOp) or len(others) != 1 or not _gives(block, op):
            return None
        agent = self.symbols[op.callee.root_reference.data]
        return op if isinstance(agent, flow.AgentOp) and parser_of(agent) == "text" else None

    def uses(self, op: Operation) -> list[SSAValue]:
        """The values from outside that an op and everything inside it use, by first use."""
        uses = _Uses()
        uses.of(self, op)
        return [value for value in uses.read if value not in uses.made]


@dataclass
class _Uses:
    """What is read and made inside an op, and what values stand for others there."""

    read: dict[SSAValue, None] = field(default_factory=dict)
    made: set[SSAValue] = field(default_factory=set)
    stands_for: dict[SSAValue, SSAValue] = field(default_factory=dict)

    def of(self, scope: RunningScope, op: Operation) -> None:
        if isinstance(op, flow.AlternativesOp):
            self.stands_for[op.output] = self.of_block(scope, scope.chosen(op))
        elif (callee := scope.called(op)) is not None:
            body = callee.workflow.body.block
            for argument, given in zip(body.args, op.operands, strict=True):
                self.stands_for[argument] = self._value(given)
            self.stands_for[op.results[0]] = self.of_block(callee, body)
        else:
            read = op.operands[:1] if is_identity(op) else op.operands
            self.read.update(dict.fromkeys(map(self._value, read)))
            self.made.update(op.results)
            for region in op.regions:
                self.made.update(region.block.args)
                self.read[self.of_block(scope, region.block)] = None

    def of_block(self, scope: RunningScope, block: Block) -> SSAValue:
        """The ops of a block; gives what the block gives."""
        for op in block.ops:
            if op is not block.last_op:
                self.of(scope, op)
        last = block.last_op
        assert last is not None
        return self._value(last.operands[0])

    def _value(self, value: SSAValue) -> SSAValue:
        return self.stands_for.get(value, value)


@dataclass(eq=False)
class Planned:
    """An op of a block as it runs, with what it uses and will give.

    Attributes:
        lanes: of a race, the ops that make each distinct operand.
    """

    scope: RunningScope
    op: Operation
    used: Environment
    done: asyncio.Future[Any]
    lanes: Mapping[asyncio.Future[Any], list[Planned]] = field(default_factory=dict)

    def awaits(self) -> list[asyncio.Future[Any]]:
        """What must be there before it starts."""
        inside = [op for lane in self.lanes.values() for op in lane]
        made = {op.done for op in inside}
        read = [*self.used.values(), *(value for op in inside for value in op.used.values())]
        return [value for value in dict.fromkeys(read) if value not in made]


def with_lanes(planned: list[Planned], result: asyncio.Future[Any]) -> list[Planned]:
    """The ops that start by themselves; the others are put into the lanes of races."""
    for race in reversed(planned):
        op = race.op
        if race not in planned or not isinstance(op, flow.JoinOp):
            continue
        if not op.races or is_identity(op):
            continue
        makers = {one.done: Maker(one.awaits(), droppable(one.op)) for one in planned}
        kept = {result, *(race.used[value] for value in op.context)}
        found = lanes(race.done, [race.used[value] for value in op.inputs], makers, kept)
        by_value = {one.done: one for one in planned}
        race.lanes = {
            candidate: [by_value[value] for value in lane] for candidate, lane in found.items()
        }
        moved = {value for lane in found.values() for value in lane}
        planned = [one for one in planned if one.done not in moved]
    return planned


def _gives(block: Block, op: Operation) -> bool:
    last = block.last_op
    return last is not None and last.operands[0] is op.results[0]


def is_identity(op: Operation) -> bool:
    """Whether an op is a vote, a selection or a race among one, of whom nobody asks anything."""
    if not isinstance(op, flow.JoinOp):
        return False
    modes = (flow.JoinMode.VOTE, flow.JoinMode.SELECT, flow.JoinMode.FIRST)
    asks = op.key is not None or op.until is not None
    return len(op.inputs) == 1 and op.mode.data in modes and not asks


def _joined(prefix: str, name: str) -> str:
    """What inlining makes of a name of a called workflow."""
    return ".".join(filter(None, (prefix, name)))
