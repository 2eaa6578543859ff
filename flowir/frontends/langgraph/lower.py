"""Lowers a compiled StateGraph to a flow workflow.

Nodes are followed from the start. Routers become branches up to the place where all ways meet (the
immediate post-dominator), plain edges to several nodes become steps with no order between them,
loops are unrolled as often as their bound says. What has no such form is refused by name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, FunctionType, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, Region, SSAValue

from flowir.dialects import flow
from flowir.dialects.flow_types import Effect, json, label
from flowir.frontends.langgraph import source
from flowir.frontends.langgraph.adapters import Adapters, identifier
from flowir.frontends.langgraph.builder import subgraph_of
from flowir.frontends.langgraph.building import Building, Env
from flowir.frontends.langgraph.channels import Channel, channels_of, keys_of, types_of
from flowir.frontends.langgraph.facts import END, START, GraphFacts, GraphImportError, Question
from flowir.frontends.langgraph.maps import lower_sends
from flowir.frontends.langgraph.node_code import NodeCode
from flowir.frontends.langgraph.shape import Shape
from flowir.frontends.langgraph.source import Function, function_of

DEFAULT_BOUND = 3
"""Turns of a loop whose bound nobody has said."""


@dataclass(frozen=True)
class Options:
    """What the person who imports a graph knows better.

    Attributes:
        bounds: turns of loops by their header, and items of maps by their node.
        inputs: keys of the state that are given, beside those that nobody writes.
        result: the key that is the answer; by default all that is written.
    """

    bounds: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    result: str | None = None


def lower(
    compiled: Any, facts: GraphFacts, adapters: Adapters, options: Options
) -> tuple[ModuleOp, list[Question], list[str]]:
    """The module, what to ask its owner, and notes on what was taken how.

    Raises:
        GraphImportError: a part that cannot be written faithfully; the message names it.
    """
    lowering = Lowering(Building(adapters), options, facts)
    return lowering.workflow(compiled), lowering.questions, lowering.notes


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
        graph = GraphLowering(self, compiled, "")
        inputs = graph.inputs()
        block = Block(arg_types=[graph.channels[key].kind for key in inputs])
        self.build.block = block
        env: Env = {}
        for key, argument in zip(inputs, block.args, strict=True):
            argument.name_hint = identifier(key)
            env[key] = argument
        env = graph.chain(START, END, env, {})
        result = self._result(graph, env)
        block.add_op(flow.ReturnOp(result))
        name = identifier(self.facts.name.rpartition(":")[2])
        workflow = flow.WorkflowOp.create(
            properties={
                "sym_name": StringAttr(self._free(name)),
                "function_type": FunctionType.from_lists(
                    [argument.type for argument in block.args], [result.type]
                ),
            },
            attributes={"flowir.source": StringAttr(self.facts.name)},
            regions=[Region(block)],
        )
        self._ask_about_metrics()
        unique = tuple(dict.fromkeys(map(str, self.questions)))
        if unique:
            workflow.attributes["flowir.questions"] = ArrayAttr(map(StringAttr, unique))
        declared = [*self.build.agents.values(), *self.build.tools.values()]
        return ModuleOp([*declared, workflow])

    def _free(self, name: str) -> str:
        taken = {op.sym_name.data for op in self.build.agents.values()}
        taken |= {op.sym_name.data for op in self.build.tools.values()}
        return f"{name}_workflow" if name in taken else name

    def _result(self, graph: GraphLowering, env: Env) -> SSAValue:
        wanted = graph.results()
        if self.options.result is not None:
            if self.options.result not in env:
                known = ", ".join(sorted(env))
                raise GraphImportError(
                    f"no node writes the result {self.options.result!r}; written are {known}"
                )
            return env[self.options.result]
        there = [key for key in wanted if key in env]
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

    def _ask_about_metrics(self) -> None:
        for agent in self.build.agents.values():
            name = f"@{agent.sym_name.data}"
            self.ask(name, "what makes an answer right", "metric of the agent")
        for tool in self.build.tools.values():
            if tool.effect.data is Effect.WRITES:
                name = f"@{tool.sym_name.data}"
                self.ask(name, "what it does to the world", "effect of the tool", "writes")

    def ask(self, about: str, what: str, attribute: str, assumed: str = "") -> None:
        question = Question(about, what, attribute, assumed)
        if question not in self.questions:
            self.questions.append(question)

    def bound(self, name: str, found: int | None, what: str) -> int:
        """The bound of a loop or a map: as told, as its guard says, else assumed and asked for."""
        if name in self.options.bounds:
            return self.options.bounds[name]
        if found is not None:
            return found
        self.ask(name, f"how many {what} at most", f"--bound {name}=N", str(DEFAULT_BOUND))
        return DEFAULT_BOUND


class GraphLowering:
    """One graph: the top one or a subgraph."""

    def __init__(self, owner: Lowering, compiled: Any, prefix: str) -> None:
        self.owner, self.build, self.prefix = owner, owner.build, prefix
        self.builder = compiled.builder
        self.channels: dict[str, Channel] = channels_of(compiled)
        self.types: dict[str, Attribute] = types_of(self.channels)
        self.shape = Shape(owner.facts, prefix, self.channels)

    def path(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def refuse(self, name: str, problem: str) -> GraphImportError:
        function = self._function(name)
        place = f"{function.place}: " if function is not None else ""
        return GraphImportError(f"{place}node {self.path(name)!r} {problem}")

    def _function(self, name: str) -> Function | None:
        spec = self.builder.nodes.get(name)
        return None if spec is None or subgraph_of(spec.runnable) else function_of(spec.runnable)

    def _written(self) -> list[str]:
        """Keys that some node may write, in the order of the state."""
        found: set[str] = set()
        for name in self.builder.nodes:
            inner = self.builder.nodes[name].runnable
            if subgraph_of(inner):
                found |= set(GraphLowering(self.owner, inner, self.path(name))._written())
            else:
                found |= set(self.owner.facts.node(self.path(name)).writes)
        return [key for key in self.channels if key in found]

    def inputs(self) -> list[str]:
        """Keys of the state that the user gives."""
        for key in self.owner.options.inputs:
            if key not in self.channels:
                known = ", ".join(self.channels)
                raise GraphImportError(f"the state has no key {key!r}; it has {known}")
        if self.builder.input_schema is not self.builder.state_schema:
            keys = keys_of(self.builder.input_schema)
        else:
            written = self._written()
            read = self.shape.live(START) | self.shape.read_by(START)
            keys = [key for key in self.channels if key in read and key not in written]
        return [key for key in self.channels if key in keys or key in self.owner.options.inputs]

    def results(self) -> list[str]:
        """Keys of the state that the graph gives."""
        if self.builder.output_schema is not self.builder.state_schema:
            return [key for key in self.channels if key in keys_of(self.builder.output_schema)]
        return self._written()

    # Control flow

    def chain(self, name: str, stop: str, env: Env, visits: Mapping[str, int]) -> Env:
        """The state after everything from a node up to `stop`, which is not run itself."""
        while name not in (stop, END):
            loop = self.shape.loop_of(name)
            if loop is not None:
                visits = {**visits, name: visits.get(name, 0) + 1}
                found = None if loop.bound is None else loop.bound + 1
                bound = self.owner.bound(self.path(name), found, "turns")
                if visits[name] > bound:
                    leaves = self.shape.exit_of(name)
                    if leaves is None:
                        raise self.refuse(name, "begins a loop that is left in several ways")
                    name = leaves
                    continue
            env = self.node(name, env)
            name, env = self.after(name, stop, env, visits)
        return env

    def after(self, name: str, stop: str, env: Env, visits: Mapping[str, int]) -> tuple[str, Env]:
        """The next node of the chain, and the state when it is reached."""
        targets = self.shape.plain(name)
        routers = dict(self.builder.branches.get(name, {}))
        if len(routers) > 1 or (routers and targets):
            raise self.refuse(name, "goes on in more than one way at the same time")
        if routers:
            ((router, spec),) = routers.items()
            return self._route(name, router, spec, env, visits)
        if not targets:
            return END, env
        if len(targets) == 1:
            return targets[0], env
        return self._fan_out(name, targets, env, visits)

    def _route(
        self, name: str, router: str, spec: Any, env: Env, visits: Mapping[str, int]
    ) -> tuple[str, Env]:
        function = function_of(spec.path)
        what = f"the router {router!r} of {self.path(name)!r}"
        if source.sends(function):
            return lower_sends(self, name, function, what, env)
        if function.tree is None:
            kind = "is a lambda" if function.is_lambda else "has no source"
            raise GraphImportError(f"{function.place}: {what} {kind}; write it as a def")
        found = [b for b in self.owner.facts.branches if b.source == self.path(name)]
        targets = {answer: end.rpartition("/")[2] for answer, end in found[0].targets}
        if not targets:
            raise GraphImportError(
                f"{function.place}: {what} has no list of answers; give path_map"
            )
        if source.lists_answers(function):
            raise GraphImportError(f"{function.place}: {what} starts several nodes at once")
        join = self.shape.meeting(name)
        on = self.whole(function, f"{identifier(name)}_next", what, env, label, "str({})")
        cases: dict[str, Callable[[], Env]] = {}
        for answer, end in targets.items():
            cases[answer] = self._case(end, join, env, visits)
        weights = f"weight of the cases at {on.name_hint!r}"
        self.owner.ask(self.path(name), "how often each case is taken", weights)
        live = self.shape.live(join) | set(self._kept())
        with self.build.at(function.place, "builder" if spec.ends else "ast"):
            env = self.build.branch(on, cases, env, live)
        return join, env

    def _case(self, end: str, join: str, env: Env, visits: Mapping[str, int]) -> Callable[[], Env]:
        return lambda: self.chain(end, join, env, visits)

    def _kept(self) -> list[str]:
        """Keys read after this graph: its results, and in a subgraph all of them."""
        if self.prefix:
            return list(self.channels)
        result = self.owner.options.result
        return [result] if result is not None else self.results()

    def _fan_out(
        self, name: str, targets: list[str], env: Env, visits: Mapping[str, int]
    ) -> tuple[str, Env]:
        """Several nodes at once; the state when all of them have come to where they meet."""
        join = self.shape.meeting(name)
        if (problem := self.shape.join_problem(name, targets, join)) is not None:
            raise self.refuse(join if join != END else name, problem)
        writers: dict[str, list[str]] = {}
        for target in targets:
            for key in self.shape.writes_between(target, join):
                writers.setdefault(key, []).append(target)
        shared = {key for key, by in writers.items() if len(by) > 1}
        for key in sorted(shared):
            self._check_shared(name, key, targets, join)
        merged = dict(env)
        for target in targets:
            start = {**env, **{k: merged[k] for k in shared if k in merged}}
            after = self.chain(target, join, start, visits)
            merged |= {k: v for k, v in after.items() if v is not start.get(k)}
        return join, merged

    def _check_shared(self, name: str, key: str, targets: list[str], join: str) -> None:
        channel = self.channels.get(key)
        if channel is None or channel.reducer is None:
            raise self.refuse(name, f"starts nodes that both write {key!r}, which has no reducer")
        if not self.shape.same_step(targets, join, key):
            raise self.refuse(name, f"starts nodes that write {key!r} at different steps")

    # Nodes

    def node(self, name: str, env: Env) -> Env:
        """The state after a node."""
        if name == START:
            return env
        spec = self.builder.nodes[name]
        self._check_node(name, spec)
        inner = subgraph_of(spec.runnable)
        if inner is not None:
            return self._subgraph(name, inner, env)
        function = function_of(spec.runnable)
        if function.tree is None:
            kind = "is a lambda; write it as a def" if function.is_lambda else "has no source"
            raise self.refuse(name, kind)
        updates = self.updates(name, function, env, self.types)
        return self.merge(updates, env)

    def _check_node(self, name: str, spec: Any) -> None:
        facts = self.owner.facts
        if spec.defer:
            raise self.refuse(name, "is deferred, which flow IR has no form for")
        if getattr(spec, "error_handler_node", None) or getattr(spec, "error_handler", None):
            raise self.refuse(name, "has an error handler, which flow IR has no form for")
        if subgraph_of(spec.runnable):
            return
        if facts.node(self.path(name)).interrupts:
            raise self.refuse(name, "stops for a person (interrupt), which flow IR does not")
        if any(e.source == self.path(name) and e.kind == "command" for e in facts.edges):
            raise self.refuse(name, "goes on by Command; use conditional edges")
        if facts.node(self.path(name)).attempts > 1:
            self.owner.notes.append(
                f"{self.path(name)} is retried by LangGraph; flowir repeats requests in one place"
            )

    def updates(
        self, name: str, function: Function, env: Env, types: Mapping[str, Attribute]
    ) -> Env:
        """What a node writes, before any reducer."""
        if function.tree is not None and len(function.tree.args.args) > 1:
            raise self.refuse(name, "takes more than the state (a config or a runtime)")
        with self.build.at(function.place, "ast"):
            if any(True for _ in source.model_calls(function)):
                code = NodeCode(self.build, name, function, env, types)
                found = code.run()
                self.owner.notes += code.notes
                return found
            keys, sure = source.keys_written(function)
            if not sure:
                raise self.refuse(name, "does not return a dict that shows its keys")
            always = source.keys_always(function)
            if len(keys) == 1 and keys[0] in always:
                key = keys[0]
                value = self.whole(
                    function, name, f"node {name!r}", env, types.get(key, json), f"{{}}[{key!r}]"
                )
                return {key: value}
            value = self.whole(function, name, f"node {name!r}", env, json, "{} or {{}}")
            return {
                key: self._picked(value, key, key in always, env, types.get(key, json))
                for key in keys
                if key in always or key in env or key in types
            }

    def _picked(
        self, value: SSAValue, key: str, always: bool, env: Env, kind: Attribute
    ) -> SSAValue:
        if always or key not in env:
            return self.build.pick(value, key, kind if always else json)
        if self.channels[key].reducer is not None:
            raise GraphImportError(f"{self.build.place}: {key!r} is not written every time")
        given = [("values", value), (key, env[key])]
        return self.build.tool(
            f"pick_{key}_or_old", given, lambda n: [f"return {n[0]}.get({key!r}, {n[1]})"], kind
        )

    def whole(
        self,
        function: Function,
        hint: str,
        what: str,
        env: Env,
        kind: Attribute,
        result: str,
    ) -> SSAValue:
        """A whole function of the state as one tool; `result` is made of what it returns."""
        schema = self.builder.state_schema
        if not hasattr(schema, "__total__"):
            raise GraphImportError(f"the state {schema.__name__} is no TypedDict")
        reference = self.build.adapters.reference(function, what)
        reads, sure = source.state_reads(function)
        keys = [key for key in (reads if sure else sorted(env)) if key in env]
        waits = isinstance(function.tree, ast.AsyncFunctionDef)

        def lines(names: Any) -> list[str]:
            pairs = ", ".join(f"{k!r}: {n}" for k, n in zip(keys, names, strict=True))
            call = f"{reference}({{{pairs}}})"
            return ["return " + result.format(f"(await {call})" if waits else call)]

        given = [(key, env[key]) for key in keys]
        with self.build.at(function.place, "ast"):
            return self.build.tool(
                hint, given, lines, kind, effect=source.effect_of(function), wait=waits
            )

    def merge(self, updates: Env, env: Env) -> Env:
        """The state after updates: replaced, or reduced where the key has a reducer."""
        after = dict(env)
        for key, value in updates.items():
            channel = self.channels.get(key)
            if channel is None:
                raise GraphImportError(f"{self.build.place}: {key!r} is no key of the state")
            after[key] = (
                value if channel.reducer is None else channel.reduce(self.build, env, value)
            )
        return after

    def _subgraph(self, name: str, compiled: Any, env: Env) -> Env:
        graph = GraphLowering(self.owner, compiled, self.path(name))
        shared = [key for key in graph.channels if key in self.channels]
        if any(graph.channels[key].reducer is not None for key in shared):
            raise self.refuse(name, "is a subgraph that shares a key with a reducer: it adds twice")
        inside = graph.chain(START, END, {key: env[key] for key in shared if key in env}, {})
        return {**env, **{key: inside[key] for key in shared if key in inside}}
