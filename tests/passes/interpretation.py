"""A reference interpretation of workflows, in which every answer can be told from every other.

What an agent answers depends on who is asked where, how often it was asked there before, and on
its inputs: a run tells whether a transformation merged two draws, moved one or changed its input.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from flowir.dialects import flow
from flowir.dialects.flow_types import label
from tests.dialects.modules import LABELS

Value = str | bool | tuple[str, ...]
Environment = dict[SSAValue, Value]


@dataclass
class Run:
    """One run: the answer, and what was asked and written on the way.

    Attributes:
        asked: (agent, decision group, site) of every call of an agent, in order; checkers and
            selectors have no site of their own here.
        written: (tool, inputs) of every call of a tool that writes, in order.
    """

    module: ModuleOp = field(repr=False)
    salt: int
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    written: list[tuple[str, tuple[Value, ...]]] = field(default_factory=list)
    answer: Value = ""

    def __post_init__(self) -> None:
        self._symbols: Mapping[str, Operation] = {
            op.properties["sym_name"].data: op  # type: ignore[attr-defined]
            for op in self.module.ops
        }
        self._times: Counter[str] = Counter()

    def _draw(self, *about: object) -> int:
        return int.from_bytes(hashlib.sha256(repr((self.salt, about)).encode()).digest()[:6], "big")

    def workflow(
        self, name: str, inputs: tuple[Value, ...], site: str = "", writer: str = ""
    ) -> Value:
        """Run a workflow; `writer`, its name where it is called, is whose names are meant."""
        op = self._symbols[name]
        assert isinstance(op, flow.WorkflowOp)
        frame = _Frame(self, site, writer)
        self.answer = frame.block(op.body.block, {}, *inputs)
        return self.answer

    def ask(self, agent: str, group: str, site: str, inputs: tuple[Value, ...]) -> int:
        self.asked.append((agent, group, site))
        self._times[site] += bool(site)
        return self._draw(agent, site, self._times[site], inputs)

    def use(self, tool: str, inputs: tuple[Value, ...]) -> int:
        op = self._symbols[tool]
        assert isinstance(op, flow.ToolOp)
        match op.effect.data:
            case flow.Effect.PURE:
                return self._draw(tool, inputs)
            case flow.Effect.READS:
                return self._draw(tool, inputs, self.written)
            case flow.Effect.WRITES:
                self.written.append((tool, inputs))
                return self._draw(tool, inputs, self.written)


@dataclass(frozen=True)
class _Frame:
    """A workflow being run, with what its names are prefixed by."""

    run: Run
    site: str
    writer: str

    def name(self, *parts: str) -> str:
        return ".".join(filter(None, parts))

    def block(self, block: Block, outer: Environment, *arguments: Value) -> Value:
        values = outer | dict(zip(block.args, arguments, strict=True))
        for op in block.ops:
            if isinstance(op, flow.YieldOp | flow.ReturnOp):
                return values[op.value]
            values[op.results[0]] = STEPS[type(op)](self, op, values)
        raise AssertionError("a block without an end")

    def region(self, region: Region, values: Environment, *arguments: Value) -> Value:
        return self.block(region.block, values, *arguments)

    def group(self, op: Operation) -> str:
        written = op.properties.get("group")
        return self.name(self.writer, written.data if isinstance(written, StringAttr) else "")

    def call(self, op: flow.CallOp, values: Environment) -> Value:
        assert op.site is not None
        site = self.name(self.site, op.site.data)
        name = op.callee.root_reference.data
        inputs = tuple(values[value] for value in op.inputs)
        match self.run._symbols[name]:
            case flow.AgentOp():
                answer = self.run.ask(name, self.group(op), site, inputs)
                return (*LABELS, "?")[answer % 4] if op.output.type == label else f"{answer:x}"
            case flow.ToolOp():
                return f"{self.run.use(name, inputs):x}"
            case _:
                return self.run.workflow(name, inputs, site, name)

    def join(self, op: flow.JoinOp, values: Environment) -> Value:
        items = tuple(values[value] for value in op.inputs)
        match op.mode.data:
            case flow.JoinMode.ALL | flow.JoinMode.ANY:
                return items  # type: ignore[return-value]
            case flow.JoinMode.FIRST:
                return items[0]  # One thing after another: the first operand is the first there.
            case flow.JoinMode.CONCAT:
                return "+".join(map(str, items))
            case flow.JoinMode.SELECT:
                return items[self.run.ask("judge", self.group(op), "", items) % len(items)]
            case flow.JoinMode.VOTE:
                ballots: list[object] = list(items)
                if op.key is not None:
                    key = op.key.root_reference.data
                    ballots = [self.run.use(key, (item,)) % 2 for item in items]
                counts = Counter(ballots)
                return items[ballots.index(max(ballots, key=lambda b: counts[b]))]

    def accepts(self, op: flow.FallbackOp | flow.RefineOp, value: Value) -> tuple[bool, str]:
        """The verdict and the feedback."""
        name = op.until.root_reference.data
        if isinstance(self.run._symbols[name], flow.AgentOp):
            drawn = self.run.ask(name, self.group(op), "", (value,))
        else:
            drawn = self.run.use(name, (value,))
        return drawn % 2 == 0, f"{drawn:x}"

    def branch(self, op: flow.BranchOp, values: Environment) -> Value:
        cases = dict(op.blocks)
        taken = cases.get(str(values[op.on]), op.otherwise)
        assert taken is not None
        return self.region(taken, values)

    def fallback(self, op: flow.FallbackOp, values: Environment) -> Value:
        first, *rest = op.tiers
        tiers = [first] * op.bound.data + rest
        for tier in tiers[:-1]:
            value = self.region(tier, values)
            if self.accepts(op, value)[0]:
                return value
        return self.region(tiers[-1], values)

    def refine(self, op: flow.RefineOp, values: Environment) -> Value:
        value = values[op.initial]
        for _ in range(op.bound.data):
            accepted, feedback = self.accepts(op, value)
            if accepted:
                break
            value = self.region(op.body, values, value, feedback)
        return value

    def map(self, op: flow.MapOp, values: Environment) -> Value:
        items = values[op.source]
        assert isinstance(items, tuple)
        return tuple(self.region(op.body, values, item) for item in items)  # type: ignore[misc]

    def alternatives(self, op: flow.AlternativesOp, values: Environment) -> Value:
        number = self.run._draw(self.name(self.writer, op.choice.data)) % len(op.cases)
        return self.region(op.cases[number], values)


STEPS = {
    flow.AlternativesOp: _Frame.alternatives,
    flow.BranchOp: _Frame.branch,
    flow.CallOp: _Frame.call,
    flow.FallbackOp: _Frame.fallback,
    flow.JoinOp: _Frame.join,
    flow.MapOp: _Frame.map,
    flow.RefineOp: _Frame.refine,
}


def run(module: ModuleOp, workflow: str, salt: int) -> Run:
    """One run of a workflow of one text."""
    found = Run(module, salt)
    found.workflow(workflow, ("task",))
    return found
