"""The supersteps that the cost model counts are those that LangGraph runs: on the virtual clock."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit as emit_asyncio
from flowir.backends.langgraph.emit import emit
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.realised import realise
from flowir.passes.flow_fuse_supersteps import FlowFuseSupersteps
from flowir.sim import clock
from tests.backends.running import load
from tests.budget import some
from tests.calculus.samples import call_model, point
from tests.strategies_ir import entry, parse

CONTEXT = Context()
CALL = "  %v{0} = flow.call @{1}({2}) : ({3}) -> !flow.text"


def seconds(agent: str) -> float:
    return {"a": 0.1, "b": 0.4}.get(agent) or 0.1 + hashlib.sha256(agent.encode()).digest()[0] / 64


def chains() -> ModuleOp:
    """A call of 0.1 s and one of 0.4 s, beside the same in the other order."""
    return _module([("a", ["%t"]), ("b", ["%v0"]), ("b", ["%t"]), ("a", ["%v2"])], [1, 3])


def _module(calls: list[tuple[str, list[str]]], last: list[int]) -> ModuleOp:
    names = dict.fromkeys((name, len(uses)) for name, uses in calls)
    lines = []
    for name, count in names:
        prompt = " ".join(f"{{x{i}}}" for i in range(count))
        lines.append(f'flow.agent @{name}{count} prompt "{prompt}" space <models = ["{name}"]>')
    lines.append("flow.workflow @w(%t: !flow.text) -> !flow.text {")
    for i, (name, uses) in enumerate(calls):
        types = ", ".join(["!flow.text"] * len(uses))
        lines.append(CALL.format(i, f"{name}{len(uses)}", ", ".join(uses), types))
    ends = ", ".join(f"%v{i}" for i in last)
    types = ", ".join(["!flow.text"] * len(last))
    lines.append(f"  %all = flow.join concat({ends}) : ({types}) -> !flow.text")
    lines += ["  flow.return %all : !flow.text", "}"]
    return parse("\n".join(lines))


def random_calls(draw: random.Random, size: int) -> ModuleOp:
    """So many calls, each of some of the values before it; all are awaited."""
    calls: list[tuple[str, list[str]]] = []
    for i in range(size):
        values = ["%t", *(f"%v{k}" for k in range(i))]
        calls.append((draw.choice("abcdefg"), draw.sample(values, min(draw.randint(1, 3), i + 1))))
    return _module(calls, list(range(size)))


ITEMS = ["x", "y", "z"]
REJECT = 'flow.tool @never impl "tests.backends.running:checked" -> !flow.bool'


class Constructs:
    """Random bodies of calls, branches, loops and maps, with one configuration for each agent.

    The label is always `p`, and no checker is ever satisfied: how long a run takes is certain.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.names: dict[str, None] = {}
        self.count = 0

    def module(self) -> ModuleOp:
        body = self.body(["%t"], 2, "return")
        agents = [
            f'flow.agent @{name} prompt "{{x}} {{y}}" space <models = ["{name}"]>'
            for name in self.names
        ]
        head = "flow.workflow @w(%t: !flow.text, %l: !flow.label, %i: !flow.list<!flow.text>)"
        agents.append('flow.agent @gather prompt "{x}" space <models = ["h"]>')
        never = f"{REJECT} accepts <right = 0.0, wrong = 0.0>"
        return parse("\n".join([*agents, never, f"{head} -> !flow.text {{", *body, "}"]))

    def body(self, scope: list[str], depth: int, end: str) -> list[str]:
        scope, outer = list(scope), len(scope)
        lines: list[str] = []
        kinds = ["call"] * 3 + ["branch", "fallback", "refine", "map"] * (depth > 0)
        for _ in range(self.draw.randint(1, 4)):
            lines += getattr(self, self.draw.choice(kinds))(scope, depth - 1)
        own = scope[outer:]
        types = ", ".join(["!flow.text"] * len(own))
        lines.append(f"%e{self.new()} = flow.join concat({', '.join(own)}) : ({types})")
        lines[-1] += " -> !flow.text"
        return [*lines, f"flow.{end} {lines[-1].split()[0]} : !flow.text"]

    def new(self) -> int:
        self.count += 1
        return self.count

    def call(self, scope: list[str], depth: int) -> list[str]:
        name, value = self.draw.choice("abcdefg"), f"%v{self.new()}"
        self.names[name] = None
        uses = ", ".join(self.draw.choices(scope, k=2))
        scope.append(value)
        return [f"{value} = flow.call @{name}({uses}) : (!flow.text, !flow.text) -> !flow.text"]

    def branch(self, scope: list[str], depth: int) -> list[str]:
        taken, other = (self.body(scope, depth, "yield") for _ in range(2))
        scope.append(f"%v{self.new()}")
        head = f"{scope[-1]} = flow.branch %l : !flow.label -> !flow.text"
        cases = ['"p" weight 1.0 {', *taken, "}", '"q" weight 0.0 {', *other, "}"]
        return [head, *cases, "else weight 0.0 {", f"flow.yield {scope[0]} : !flow.text", "}"]

    def fallback(self, scope: list[str], depth: int) -> list[str]:
        bound = self.draw.randint(2, 3)
        tier = self.body(scope, depth, "yield")
        scope.append(f"%v{self.new()}")
        return [
            f"{scope[-1]} = flow.fallback until @never max {bound} -> !flow.text {{",
            *tier,
            "}",
        ]

    def refine(self, scope: list[str], depth: int) -> list[str]:
        start, n = self.draw.choice(scope), self.new()
        body = self.body([*scope, f"%r{n}", f"%f{n}"], depth, "yield")
        scope.append(f"%v{n}")
        bound = self.draw.randint(1, 2)
        head = f"%v{n} = flow.refine(%r{n}, %f{n}) from {start} : !flow.text max {bound}"
        return [f"{head} until @never {{", *body, "}"]

    def map(self, scope: list[str], depth: int) -> list[str]:
        n = self.new()
        body = self.body([*scope, f"%x{n}"], depth, "yield")
        scope.append(f"%v{n}")
        return [
            f"%m{n} = flow.map(%x{n}) in %i : !flow.list<!flow.text> max {len(ITEMS)}"
            " -> !flow.list<!flow.text> {",
            *body,
            "}",
            f"%v{n} = flow.call @gather(%m{n}) : (!flow.list<!flow.text>) -> !flow.text",
        ]


def measured(file: ModuleType, run: Callable[[Any], Any] = clock.run) -> float:
    """How many seconds a run takes, on the virtual clock unless `run` has another."""

    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Any:
        await asyncio.sleep(seconds(model))
        usage = SimpleNamespace(input_tokens=1, output_tokens=1)
        return SimpleNamespace(text="x", usage=usage, model=model)

    async def never(*values: Any) -> bool:
        return False

    given = {"t": "task", "l": "p", "i": ITEMS}
    inputs = {name: given[name] for name in file.INPUTS}
    result: float = run(file.run(inputs, llm=llm, tools={"never": never})).seconds
    return result


def predicted(module: ModuleOp, execution: Any) -> float:
    terms = workflow_terms(entry(module))
    models = [call_model(1.0, seconds=seconds(d.configurations[0].model)) for d in terms.decisions]
    scenarios = point(models, never=(0.0, 0.0))
    found = realise(terms, [[0] * len(models)], scenarios, execution)
    return float(found.latency.item())


def test_two_chains_wait_for_each_other_unless_fused() -> None:
    module = chains()
    apart, fused = (measured(load(emit(module, fuse=fuse), "timed")) for fuse in (False, True))
    assert apart == pytest.approx(0.8)
    assert fused == pytest.approx(0.5)
    assert predicted(module, "langgraph") == pytest.approx(apart)
    assert predicted(module, "asyncio") == pytest.approx(fused)


@settings(max_examples=some(40), deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_random_graphs_of_calls_take_what_is_predicted(seed: int, size: int) -> None:
    """Not fused, the sum over supersteps; fused, no more than the critical path."""
    module = random_calls(random.Random(seed), size)
    apart = measured(load(emit(module, fuse=False), "timed"))
    assert apart == pytest.approx(predicted(module, "langgraph"), rel=0.05)
    fused = measured(load(emit(module), "timed"))
    assert fused == pytest.approx(predicted(module, "asyncio"), rel=0.05)
    assert fused == pytest.approx(measured(load(emit_asyncio(module), "timed_asyncio")))


@settings(max_examples=some(40), deadline=None)
@given(st.integers(0, 10**6))
def test_random_workflows_take_what_is_predicted(seed: int) -> None:
    """Calls, branches, loops and maps inside one another: apart, as marked, and all fused."""
    module = Constructs(seed).module()
    apart = measured(load(emit(module, fuse=False), "timed"))
    assert apart == pytest.approx(predicted(module, "langgraph"), rel=0.05)
    fused = measured(load(emit(module), "timed"))
    assert fused == pytest.approx(predicted(module, "asyncio"), rel=0.05)
    FlowFuseSupersteps().apply(CONTEXT, module)
    marked = measured(load(emit(module, fuse=False), "timed"))
    assert marked == pytest.approx(predicted(module, "langgraph"), rel=0.05)
    assert marked <= apart * (1 + 1e-9)
