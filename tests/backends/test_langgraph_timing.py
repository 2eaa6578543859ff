"""The supersteps that the cost model counts are those that LangGraph runs: on the virtual clock."""

from __future__ import annotations

import asyncio
import hashlib
import random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit as emit_asyncio
from flowir.backends.langgraph.emit import emit
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.realised import realise
from flowir.sim import clock
from tests.backends.running import load
from tests.calculus.samples import call_model, point
from tests.strategies_ir import entry, parse

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


def measured(file: ModuleType) -> float:
    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Any:
        await asyncio.sleep(seconds(model))
        usage = SimpleNamespace(input_tokens=1, output_tokens=1)
        return SimpleNamespace(text="x", usage=usage, model=model)

    result: float = clock.run(file.run({"t": "task"}, llm=llm)).seconds
    return result


def predicted(module: ModuleOp, execution: Any) -> float:
    terms = workflow_terms(entry(module))
    models = [call_model(1.0, seconds=seconds(d.configurations[0].model)) for d in terms.decisions]
    found = realise(terms, [[0] * len(models)], point(models), execution)
    return float(found.latency.item())


def test_two_chains_wait_for_each_other_unless_fused() -> None:
    module = chains()
    apart, fused = (measured(load(emit(module, fuse=fuse), "timed")) for fuse in (False, True))
    assert apart == pytest.approx(0.8)
    assert fused == pytest.approx(0.5)
    assert predicted(module, "langgraph") == pytest.approx(apart)
    assert predicted(module, "asyncio") == pytest.approx(fused)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_random_graphs_of_calls_take_what_is_predicted(seed: int, size: int) -> None:
    """Not fused, the sum over supersteps; fused, no more than the critical path."""
    module = random_calls(random.Random(seed), size)
    apart = measured(load(emit(module, fuse=False), "timed"))
    assert apart == pytest.approx(predicted(module, "langgraph"), rel=0.05)
    fused = measured(load(emit(module), "timed"))
    assert fused == pytest.approx(predicted(module, "asyncio"), rel=0.05)
    assert fused == pytest.approx(measured(load(emit_asyncio(module), "timed_asyncio")))
