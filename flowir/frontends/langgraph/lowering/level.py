"""Lowers the control flow of one graph, the top one or a subgraph.

Nodes are followed from the start. Routers become branches up to the place where all ways meet (the
immediate post-dominator), plain edges to several nodes become steps with no order between them,
loops are refined or unrolled. What has no such form is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xdsl.ir import Attribute, SSAValue

from flowir.dialects.flow_types import label
from flowir.frontends.langgraph.facts import END, START, Branch, GraphImportError
from flowir.frontends.langgraph.lowering import loops, maps
from flowir.frontends.langgraph.lowering.adapters import identifier
from flowir.frontends.langgraph.lowering.building import GOTO, Env
from flowir.frontends.langgraph.lowering.channels import Channel, channels_of, keys_of, types_of
from flowir.frontends.langgraph.lowering.nodes import NodeLowering
from flowir.frontends.langgraph.lowering.shape import Shape
from flowir.frontends.langgraph.reading.builder import subgraph_of
from flowir.frontends.langgraph.reading.functions import Function, function_of
from flowir.frontends.langgraph.reading.routing import lists_answers, sends

if TYPE_CHECKING:
    from flowir.frontends.langgraph.lowering.workflow import Lowering

Visits = Mapping[str, int | None]
"""How often headers of unrolled loops were passed; None of those whose loop is being refined."""


class Level:
    """One graph: the top one or a subgraph."""

    def __init__(self, owner: Lowering, compiled: Any, prefix: str) -> None:
        self.owner, self.build, self.prefix = owner, owner.build, prefix
        self.builder = compiled.builder
        self.channels: dict[str, Channel] = channels_of(compiled)
        self.types: dict[str, Attribute] = types_of(self.channels)
        self.shape = Shape(owner.facts, prefix, self.channels)
        self.nodes = NodeLowering(self)

    def path(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def inner(self, name: str, compiled: Any) -> Level:
        """The graph that a node is."""
        return Level(self.owner, compiled, self.path(name))

    def refuse(self, name: str, problem: str) -> GraphImportError:
        function = self._function(name)
        place = f"{function.place}: " if function is not None else ""
        return GraphImportError(f"{place}node {self.path(name)!r} {problem}")

    def _function(self, name: str) -> Function | None:
        spec = self.builder.nodes.get(name)
        return None if spec is None or subgraph_of(spec.runnable) else function_of(spec.runnable)

    def written(self) -> list[str]:
        """Keys that some node may write, in the order of the state."""
        found: set[str] = set()
        for name in self.builder.nodes:
            inner = self.builder.nodes[name].runnable
            if subgraph_of(inner):
                found |= set(self.inner(name, inner).written())
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
            written = self.written()
            read = self.shape.live(START) | self.shape.read_by(START)
            keys = [key for key in self.channels if key in read and key not in written]
        return [key for key in self.channels if key in keys or key in self.owner.options.inputs]

    def results(self) -> list[str]:
        """Keys of the state that the graph gives."""
        if self.builder.output_schema is not self.builder.state_schema:
            return [key for key in self.channels if key in keys_of(self.builder.output_schema)]
        return self.written()

    def kept(self) -> list[str]:
        """Keys read after this graph: its results, and in a subgraph all of them."""
        if self.prefix:
            return list(self.channels)
        result = self.owner.options.result
        return [result] if result is not None else self.results()

    def begin(self, env: Env) -> Env:
        """The state with what keys that have a reducer begin as."""
        written = self.written()
        return env | {
            key: channel.begin(self.build)
            for key, channel in self.channels.items()
            if channel.reducer is not None and not channel.is_history
            if key in written and key not in env
        }

    # Control flow

    def chain(self, name: str, stop: str, env: Env, visits: Visits) -> Env:
        """The state after everything from a node up to `stop`, which is not run itself."""
        while name not in (stop, END):
            loop = self.shape.loop_of(name)
            if loop is not None and visits.get(name, 0) is not None:
                rotation = self.shape.rotation(loop)
                if rotation is not None:
                    name, env = loops.refine(self, loop, rotation, env, visits)
                    continue
                visits, leaves = loops.unroll(self, loop, visits)
                if leaves is not None:
                    name = leaves
                    continue
            env = self.nodes.run(name, env)
            name, env = self._after(name, env, visits)
        return env

    def _after(self, name: str, env: Env, visits: Visits) -> tuple[str, Env]:
        """The next node of the chain, and the state when it is reached."""
        targets = self.shape.plain(name)
        routers = self.builder.branches.get(name, {})
        commands = self.shape.commands(name)
        if len(routers) + bool(targets) + bool(commands) > 1:
            raise self.refuse(name, "goes on in more than one way at the same time")
        for spec in routers.values():
            router = function_of(spec.path)
            if sends(router):
                what = f"the router {router.name!r} of {self.path(name)!r}"
                return maps.lower_sends(self, name, router, what, env)
        if routers or commands:
            on, ends = self.decide(name, env)
            join = self.shape.meeting(name)
            return join, self.branch(name, on, ends, join, env, visits)
        if not targets:
            return END, env
        if len(targets) == 1:
            return targets[0], env
        return self._fan_out(name, targets, env, visits)

    def decide(self, name: str, env: Env) -> tuple[SSAValue, dict[str, str]]:
        """Where a node goes, as a label, and the node for each label."""
        if self.shape.commands(name):
            return env[GOTO], {end: end for end in self.shape.commands(name)}
        ((router, spec),) = self.builder.branches[name].items()
        function = function_of(spec.path)
        what = f"the router {router!r} of {self.path(name)!r}"
        if function.tree is None:
            kind = "is a lambda" if function.is_lambda else "has no source"
            raise GraphImportError(f"{function.place}: {what} {kind}; write it as a def")
        if lists_answers(function):
            raise GraphImportError(f"{function.place}: {what} starts several nodes at once")
        ends = {answer: end.rpartition("/")[2] for answer, end in self._branch_facts(name).targets}
        if not ends:
            raise GraphImportError(
                f"{function.place}: {what} has no list of answers; give path_map, or --trace with "
                "recorded runs"
            )
        on = self.nodes.whole(function, f"{identifier(name)}_next", what, env, label, "str({})")
        return on, ends

    def _branch_facts(self, name: str) -> Branch:
        return next(b for b in self.owner.facts.branches if b.source == self.path(name))

    def branch(
        self,
        name: str,
        on: SSAValue,
        ends: Mapping[str, str],
        join: str,
        env: Env,
        visits: Visits,
        live: set[str] | None = None,
    ) -> Env:
        """The state at `join`, after one of several ways there.

        Args:
            live: keys read from there on; by default as the graph says.
        """
        cases: dict[str, Callable[[], Env]] = {}
        for answer, end in ends.items():
            cases[answer] = lambda end=end: self.chain(end, join, env, visits)  # type: ignore[misc]
        if live is None:
            live = self.shape.live(join) | set(self.kept())
        function, via = self._decider(name)
        with self.build.at(function.place, via):
            after = self.build.branch(on, cases, env, live, self._weights(name, on, ends))
        return {key: value for key, value in after.items() if key != GOTO}

    def _decider(self, name: str) -> tuple[Function, str]:
        for spec in self.builder.branches.get(name, {}).values():
            return function_of(spec.path), "builder" if spec.ends else "ast"
        function = self._function(name)
        assert function is not None
        return function, "ast"

    def _weights(
        self, name: str, on: SSAValue, ends: Mapping[str, str]
    ) -> tuple[tuple[float, ...], str] | None:
        """How often each case is taken, as recorded runs say; else it is asked for."""
        path = self.path(name)
        shares = self.owner.options.runs.shares(path, list(ends))
        if shares is None:
            attribute = f"weight of the cases at {on.name_hint!r}"
            self.owner.ask(path, "how often each case is taken", attribute)
            return None
        return shares.values, shares.said

    def _fan_out(self, name: str, targets: list[str], env: Env, visits: Visits) -> tuple[str, Env]:
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
