"""The emitted LangGraph file does what the reference interpreter and the asyncio file do.

The same calls with the same inputs in an order that the workflow allows, and the same answer or
failure. When calls start may differ: the graph waits between supersteps.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import replace
from types import ModuleType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from flowir.backends.langgraph.emit import emit
from flowir.dialects import flow
from flowir.passes.flow_select import compile_to
from flowir.search.annotate import front_from_ir
from tests.backends.running import (
    Run,
    emitted,
    load,
    run_emitted,
    run_interpreted,
    values_for,
)
from tests.strategies_ir import Recorded, ScriptedModel, entry, module_texts, parse, with_front

SEEDS = st.integers(0, 3)
FAILURES = st.sampled_from([0, 0, 7])


class Script(ScriptedModel):
    """A scripted model whose answers do not depend on how long anything takes.

    Args:
        pace: another one gives other durations, and the same answers.
        counts: whether the same call made again is answered anew. Items of a map may share a site,
            and then which of them asks first is a matter of time.
    """

    def __init__(self, module: ModuleOp, seed: int, failures: int, pace: int = 0) -> None:
        super().__init__(seed, failures)
        self.tools.of(module)
        self._pace = pace
        self._counts = not any(isinstance(op, flow.MapOp) for op in module.walk())
        self.ended: list[float] = []

    async def answer(self, node: str, texts: tuple[str, ...], settings: Any = ()) -> int:
        if not self._counts:
            self._times.clear()
        place = len(self.calls)
        self.ended.append(float("inf"))
        if self._pace:
            told = repr((self._pace, node, texts))
            await asyncio.sleep(hashlib.sha256(told.encode()).digest()[0] / 64)
        number = await self._answered(node, texts, settings, place)
        self.ended[place] = asyncio.get_running_loop().time()
        return number

    async def _answered(self, node: str, texts: Any, settings: Any, place: int) -> int:
        return await super().answer(node, texts, settings)


def _calls(run: Run) -> Counter[Recorded]:
    return Counter(replace(call, start=0.0) for call in run.calls)


def _same(found: Run, expected: Run) -> None:
    """The same answer, by the same calls unless a failure cut them short."""
    assert (found.value, found.failed) == (expected.value, expected.failed)
    if not expected.failed:
        assert _calls(found) == _calls(expected)


def _graph(module: ModuleOp, workflow: flow.WorkflowOp, **options: Any) -> ModuleType:
    return load(emit(module, workflow.sym_name.data, **options), "emitted_graph")


@settings(max_examples=40, deadline=None)
@given(module_texts(), SEEDS, FAILURES, st.booleans())
def test_workflows_as_written(text: str, seed: int, failures: int, fuse: bool) -> None:
    """Interpreter, asyncio file and LangGraph file."""
    module = parse(text)
    workflow = entry(module)
    values = values_for(workflow)
    expected = run_interpreted(workflow, values, Script(module, seed, failures))
    _same(run_emitted(emitted(module, workflow), values, Script(module, seed, failures)), expected)
    graph = _graph(module, workflow, fuse=fuse)
    _same(run_emitted(graph, values, Script(module, seed, failures)), expected)


@settings(max_examples=20, deadline=None)
@given(module_texts(called=False), st.randoms(use_true_random=False), SEEDS, FAILURES)
def test_every_point_of_a_front(text: str, random: Any, seed: int, failures: int) -> None:
    """One file for each point that is selected, and one for the whole front."""
    module = parse(text)
    workflow = entry(module)
    with_front(module, random.randint)
    front = front_from_ir(workflow)
    file, values = _graph(module, workflow), values_for(workflow)
    for number, point in enumerate(front.points):
        expected = run_interpreted(workflow, values, Script(module, seed, failures), point=number)
        _same(run_emitted(file, values, Script(module, seed, failures), point=number), expected)
        selected = module.clone()
        compile_to(entry(selected), front, point)
        alone = entry(selected)
        _same(
            run_emitted(_graph(selected, alone), values, Script(module, seed, failures)), expected
        )
