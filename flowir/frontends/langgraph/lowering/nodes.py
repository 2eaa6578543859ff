"""Lowers single nodes: as agents with adapters, as one tool, or as the graph that they are."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xdsl.ir import Attribute, SSAValue

from flowir.dialects.flow_types import json, label
from flowir.frontends.langgraph.facts import END, START, GraphImportError
from flowir.frontends.langgraph.lowering.building import GOTO, Env, dict_lines
from flowir.frontends.langgraph.lowering.channels import keys_of
from flowir.frontends.langgraph.lowering.node_code import NodeCode
from flowir.frontends.langgraph.lowering.prompts import TOOL_CALLS
from flowir.frontends.langgraph.reading.builder import subgraph_of
from flowir.frontends.langgraph.reading.functions import Function, calls_function, function_of
from flowir.frontends.langgraph.reading.model_calls import model_calls
from flowir.frontends.langgraph.reading.routing import command_problem, commands_returned
from flowir.frontends.langgraph.reading.state import (
    effect_of,
    keys_always,
    keys_written,
    state_reads,
)

if TYPE_CHECKING:
    from flowir.frontends.langgraph.lowering.level import Level

_COMMAND_FIELDS = f"(lambda c: {{{{**(c.update or {{{{}}}}), {GOTO!r}: c.goto or {END!r}}}}})({{}})"
"""Of a `Command`, as `str.format` takes it: what it writes, and where it goes."""


class NodeLowering:
    """The nodes of one level."""

    def __init__(self, level: Level) -> None:
        self.level, self.build, self.owner = level, level.build, level.owner

    def run(self, name: str, env: Env) -> Env:
        """The state after a node."""
        if name == START:
            return env
        spec = self.level.builder.nodes[name]
        self.check(name, spec)
        inner = subgraph_of(spec.runnable)
        if inner is not None:
            return self._subgraph(name, inner, env)
        function = function_of(spec.runnable)
        if function.tree is None:
            kind = "is a lambda; write it as a def" if function.is_lambda else "has no source"
            raise self.level.refuse(name, kind)
        updates = self.updates(name, function, env, self.level.types)
        return self._merge(updates, env)

    def check(self, name: str, spec: Any) -> None:
        """What is refused of a node whatever it runs."""
        refuse, path = self.level.refuse, self.level.path(name)
        if spec.defer:
            raise refuse(name, "is deferred, which flow IR has no form for; use a list edge")
        if getattr(spec, "error_handler_node", None) or getattr(spec, "error_handler", None):
            raise refuse(name, "has an error handler, which flow IR has no form for")
        if subgraph_of(spec.runnable):
            return
        facts = self.owner.facts.node(path)
        if facts.interrupts:
            raise refuse(name, "stops for a person (interrupt), which flow IR does not")
        function = function_of(spec.runnable)
        if calls_function(function, "Command") is not None:
            goes = bool(self.level.shape.commands(name))
            if (problem := command_problem(function, goes)) is not None:
                raise refuse(name, problem)
        module = str(getattr(function.value, "__module__", ""))
        if module.startswith(("langgraph.", "langchain")):
            raise GraphImportError(
                f"node {path!r} is part of a prebuilt agent ({module}): {TOOL_CALLS}"
            )
        if facts.attempts > 1:
            self.owner.notes.append(
                f"{path} is retried by LangGraph; flowir repeats requests in one place"
            )

    def updates(
        self, name: str, function: Function, env: Env, types: Mapping[str, Attribute]
    ) -> Env:
        """What a node writes, before any reducer."""
        if function.tree is not None and len(function.tree.args.args) > 1:
            raise self.level.refuse(name, "takes more than the state (a config or a runtime)")
        self.build.node = self.level.path(name)
        with self.build.at(function.place, "ast"):
            if any(True for _ in model_calls(function)):
                code = NodeCode(self.build, name, function, env, {**types, GOTO: label})
                found = code.run()
                self.owner.notes += code.notes
            else:
                found = self._as_tool(name, function, env, types)
        if self.level.shape.commands(name):
            return found
        return {key: value for key, value in found.items() if key != GOTO}

    def _as_tool(
        self, name: str, function: Function, env: Env, types: Mapping[str, Attribute]
    ) -> Env:
        """A node that calls no model: one tool, and what it writes picked from what it gives."""
        keys, sure = keys_written(function)
        if not sure:
            raise self.level.refuse(name, "does not return a dict that shows its keys")
        always, what = keys_always(function), f"node {name!r}"
        some, command = commands_returned(function)
        if some and not command:
            raise self.level.refuse(name, "returns a Command only sometimes; do so always")
        if len(keys) == 1 and keys[0] in always and not command:
            key = keys[0]
            kind = types.get(key, json)
            found = self.whole(function, name, what, env, kind, f"{{}}[{key!r}]")
            self._timed(name, found)
            return {key: found}
        shown = _COMMAND_FIELDS if command else "{} or {{}}"
        value = self.whole(function, name, what, env, json, shown)
        self._timed(name, value)
        picked = {
            key: self._picked(value, key, key in always, env, types.get(key, json))
            for key in keys
            if key in always or key in env or key in types
        }
        return {**picked, GOTO: self.build.pick(value, GOTO, label)} if command else picked

    def _timed(self, name: str, value: SSAValue) -> None:
        """The latency of the tool that a node is, where recorded runs say it."""
        seconds = self.owner.options.runs.seconds(self.level.path(name))
        if seconds is not None:
            self.build.set_latency(value, seconds.mean, seconds.said)

    def _picked(
        self, value: SSAValue, key: str, always: bool, env: Env, kind: Attribute
    ) -> SSAValue:
        if always or key not in env:
            return self.build.pick(value, key, kind if always else json, always)
        if self.level.channels[key].reducer is not None:
            raise GraphImportError(f"{self.build.place}: {key!r} is not written every time")
        given = [("values", value), (key, env[key])]
        old = env[key]
        picked = self.build.tool(
            f"pick_{key}_or_old",
            given,
            lambda n: [f"return {n[0]}.get({key!r}, {n[1]})"],
            json if old in self.build.unsure else kind,
        )
        if old in self.build.unsure:
            self.build.unsure.add(picked)
        return picked

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
        schema = self.level.builder.state_schema
        if not hasattr(schema, "__total__"):
            raise GraphImportError(
                f"the state {schema.__name__} is no TypedDict; make it one, since nodes are called "
                "with dicts"
            )
        reference = self.build.adapters.reference(function, what)
        reads, sure = state_reads(function)
        keys = [key for key in (reads if sure else sorted(env)) if key in env and key != GOTO]
        waits = isinstance(function.tree, ast.AsyncFunctionDef)
        may_miss = [key for key in keys if env[key] in self.build.unsure]

        def lines(names: Any) -> list[str]:
            *before, state = dict_lines(keys, names, may_miss, "")
            call = f"{reference}({state})"
            return [*before, "return " + result.format(f"(await {call})" if waits else call)]

        given = [(key, env[key]) for key in keys]
        with self.build.at(function.place, "ast"):
            return self.build.tool(hint, given, lines, kind, effect=effect_of(function), wait=waits)

    def _merge(self, updates: Env, env: Env) -> Env:
        """The state after updates: replaced, or reduced where the key has a reducer."""
        after = dict(env)
        for key, value in updates.items():
            channel = self.level.channels.get(key)
            if key == GOTO:
                after[key] = value
            elif channel is None:
                raise GraphImportError(f"{self.build.place}: {key!r} is no key of the state")
            elif channel.reducer is None:
                after[key] = value
            else:
                after[key] = channel.reduce(self.build, env, value)
        return after

    def _subgraph(self, name: str, compiled: Any, env: Env) -> Env:
        graph = self.level.inner(name, compiled)
        shared = [key for key in graph.channels if key in self.level.channels]
        if any(graph.channels[key].reducer is not None for key in shared):
            raise self.level.refuse(
                name, "is a subgraph that shares a key with a reducer: it adds twice"
            )
        given = set(keys_of(graph.builder.input_schema))
        inside = {key: env[key] for key in shared if key in env and key in given}
        with self.build.at(self.level.path(name), "builder"):
            inside = graph.begin(inside)
        inside = graph.chain(START, END, inside, {})
        results = [key for key in graph.results() if key in shared and key in inside]
        return {**env, **{key: inside[key] for key in results}}
