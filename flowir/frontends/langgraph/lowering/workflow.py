"""Lowers a compiled StateGraph to a flow workflow: its arguments, its result, what it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, FunctionType, ModuleOp, StringAttr
from xdsl.ir import Block, Region, SSAValue

from flowir.dialects import flow
from flowir.dialects.flow_types import Effect
from flowir.frontends.langgraph.facts import END, START, GraphFacts, GraphImportError, Question
from flowir.frontends.langgraph.lowering.adapters import Adapters, identifier
from flowir.frontends.langgraph.lowering.building import Building, Env
from flowir.frontends.langgraph.lowering.level import Level
from flowir.frontends.langgraph.runs.statistics import NO_RUNS, Statistics

DEFAULT_BOUND = 3
"""Turns of a loop whose bound nobody has said."""


@dataclass(frozen=True)
class Options:
    """What the person who imports a graph knows better.

    Attributes:
        bounds: turns of loops by their header, and items of maps by their node.
        inputs: keys of the state that are given, beside those that nobody writes.
        result: the key that is the answer; by default all that is written.
        runs: what recorded runs say.
    """

    bounds: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    result: str | None = None
    runs: Statistics = NO_RUNS


@dataclass(frozen=True)
class Lowered:
    """A module, what to ask its owner, and notes on what was taken how.

    Attributes:
        nodes_of: paths of the nodes that call each agent.
    """

    module: ModuleOp
    questions: tuple[Question, ...]
    notes: tuple[str, ...]
    nodes_of: Mapping[str, list[str]]


def lower(compiled: Any, facts: GraphFacts, adapters: Adapters, options: Options) -> Lowered:
    """A graph as a module.

    Raises:
        GraphImportError: a part that cannot be written faithfully; the message names it.
    """
    lowering = Lowering(Building(adapters), options, facts)
    module = lowering.workflow(compiled)
    nodes_of = lowering.build.nodes_of
    return Lowered(module, tuple(lowering.questions), tuple(lowering.notes), nodes_of)


class Lowering:
    """Lowers one graph and its subgraphs."""

    def __init__(self, build: Building, options: Options, facts: GraphFacts) -> None:
        self.build, self.options, self.facts = build, options, facts
        self.questions: list[Question] = []
        self.notes: list[str] = []

    def workflow(self, compiled: Any) -> ModuleOp:
        if not hasattr(compiled, "builder"):
            raise GraphImportError(
                f"{self.facts.name} is a workflow of the functional API: its order is Python code, "
                "which is read for facts but not lowered; write it as a StateGraph or in flowir"
            )
        level = Level(self, compiled, "")
        inputs = level.inputs()
        block = Block(arg_types=[level.channels[key].kind for key in inputs])
        self.build.block = block
        env: Env = {}
        for key, argument in zip(inputs, block.args, strict=True):
            argument.name_hint = identifier(key)
            env[key] = argument
        with self.build.at(self.facts.name, "builder"):
            env = level.begin(env)
        env = level.chain(START, END, env, {})
        result = self._result(level, env)
        block.add_op(flow.ReturnOp(result))
        self.build.drop_unused(block)
        workflow = flow.WorkflowOp.create(
            properties={
                "sym_name": StringAttr(self._free(identifier(self.facts.name.rpartition(":")[2]))),
                "function_type": FunctionType.from_lists(
                    [argument.type for argument in block.args], [result.type]
                ),
            },
            attributes={"flowir.source": StringAttr(self.facts.name)},
            regions=[Region(block)],
        )
        declared = self._declared(workflow)
        self._ask_about(declared)
        unique = tuple(dict.fromkeys(map(str, self.questions)))
        if unique:
            workflow.attributes["flowir.questions"] = ArrayAttr(map(StringAttr, unique))
        return ModuleOp([*declared, workflow])

    def _declared(self, workflow: flow.WorkflowOp) -> list[flow.AgentOp | flow.ToolOp]:
        """The agents and tools that are called."""
        called = {flow.called_symbol(op) for op in workflow.walk()}
        for agent in self.build.agents.values():
            nodes = self.build.nodes_of[agent.sym_name.data]
            said = [c.said for n in nodes for c in self.options.runs.calls(n)]
            if said:
                agent.attributes["flowir.runs"] = StringAttr("; ".join(said))
        declared: list[flow.AgentOp | flow.ToolOp] = [
            *self.build.agents.values(),
            *self.build.tools.values(),
        ]
        return [op for op in declared if op.sym_name.data in called]

    def _free(self, name: str) -> str:
        taken = {op.sym_name.data for op in self.build.agents.values()}
        taken |= {op.sym_name.data for op in self.build.tools.values()}
        return f"{name}_workflow" if name in taken else name

    def _result(self, level: Level, env: Env) -> SSAValue:
        if self.options.result is not None:
            if self.options.result not in env:
                known = ", ".join(sorted(env))
                raise GraphImportError(
                    f"no node writes the result {self.options.result!r}; written are {known}"
                )
            return env[self.options.result]
        there = [key for key in level.results() if key in env]
        if not there:
            raise GraphImportError(f"{self.facts.name} writes nothing of its state")
        if len(there) == 1:
            return env[there[0]]
        self.ask(
            self.facts.name,
            "which key of the state is the answer",
            "--result KEY",
            "all of " + ", ".join(there),
        )
        with self.build.at(self.facts.name, "builder"):
            return self.build.pack(env, there)

    def _ask_about(self, declared: list[flow.AgentOp | flow.ToolOp]) -> None:
        for op in declared:
            name = f"@{op.sym_name.data}"
            if isinstance(op, flow.AgentOp):
                self.ask(name, "what makes an answer right", "metric of the agent")
            elif op.effect.data is Effect.WRITES:
                self.ask(name, "what it does to the world", "effect of the tool", "writes")

    def ask(self, about: str, what: str, attribute: str, assumed: str = "") -> None:
        question = Question(about, what, attribute, assumed)
        if question not in self.questions:
            self.questions.append(question)

    def bound(self, name: str, found: int | None, seen: int | None, what: str) -> int:
        """The bound of a loop or a map.

        As told; as its guard says; the most that runs took; else assumed, and asked for.
        """
        if name in self.options.bounds:
            return self.options.bounds[name]
        if found is not None:
            return found
        if seen is not None:
            runs = self.options.runs.said
            self.notes.append(f"{name}: at most {seen} {what}, the most of {runs}; --bound sets it")
            return seen
        self.ask(name, f"how many {what} at most", f"--bound {name}=N", str(DEFAULT_BOUND))
        return DEFAULT_BOUND
