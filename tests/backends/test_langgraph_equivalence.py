"""The emitted LangGraph file does what the reference interpreter and the asyncio file do.

The same calls with the same inputs in an order that the workflow allows, and the same answer or
failure. When calls start may differ: the graph waits between supersteps.
"""

from __future__ import annotations

import asyncio
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
from flowir.sim import clock
from tests.backends.running import (
    LONG,
    Run,
    Script,
    emitted,
    load,
    run_emitted,
    run_interpreted,
    unless_races_differ,
    values_for,
)
from tests.budget import some
from tests.strategies_ir import Recorded, entry, module_texts, parse, with_front

SEEDS = st.integers(0, 3)
FAILURES = st.sampled_from([0, 0, 7])


def _calls(run: Run) -> Counter[Recorded]:
    return Counter(replace(call, start=0.0) for call in run.calls)


def _same(found: Run, expected: Run) -> None:
    """The same answer, by the same calls unless a failure cut them short."""
    assert (found.value, found.failure) == (expected.value, expected.failure)
    if not expected.failed:
        assert _calls(found) == _calls(expected)


def _graph(module: ModuleOp, workflow: flow.WorkflowOp, **options: Any) -> ModuleType:
    return load(emit(module, workflow.sym_name.data, **options), "emitted_graph")


@settings(max_examples=some(40), deadline=None)
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


@settings(max_examples=some(20), deadline=None)
@given(module_texts(called=False), st.randoms(use_true_random=False), SEEDS, FAILURES)
def test_every_point_of_a_front(text: str, random: Any, seed: int, failures: int) -> None:
    """One file for each point that is selected, and one for the whole front.

    The latter is refused where races would differ, see `test_races_of_points`.
    """
    module = parse(text)
    workflow = entry(module)
    with_front(module, random.randint)
    front = front_from_ir(workflow)
    file = unless_races_differ(lambda: _graph(module, workflow))
    values = values_for(workflow)
    for number, point in enumerate(front.points):
        expected = run_interpreted(workflow, values, Script(module, seed, failures), point=number)
        if file is not None:
            _same(run_emitted(file, values, Script(module, seed, failures), point=number), expected)
        selected = module.clone()
        compile_to(entry(selected), front, point)
        alone = entry(selected)
        _same(
            run_emitted(_graph(selected, alone), values, Script(module, seed, failures)), expected
        )


@settings(max_examples=some(20), deadline=None)
@given(module_texts(plans=False), SEEDS, st.booleans())
def test_calls_wait_for_what_they_need(text: str, seed: int, fuse: bool) -> None:
    """A call that a slow call delays in the interpreter needs it, and waits for it here."""
    module = parse(text)
    workflow = entry(module)
    values = values_for(workflow)
    script = Script(module, seed, 0)
    found = run_emitted(_graph(module, workflow, fuse=fuse), values, script)
    if found.failed:
        return
    places = script.once()
    for key, place in places.items():
        late = Script(module, seed, 0, key)
        run_interpreted(workflow, values, late)
        for other, then in late.once().items():
            if late.calls[then].start >= LONG:
                assert script.ended[place] <= script.calls[places[other]].start


@settings(max_examples=some(30), deadline=None)
@given(module_texts(), SEEDS)
def test_usage_is_what_the_asyncio_file_counts(text: str, seed: int) -> None:
    """Site by site: calls, tokens, seconds."""
    module = parse(text)
    workflow = entry(module)
    values = values_for(workflow)
    counted = []
    for file in (emitted(module, workflow), _graph(module, workflow)):
        inputs = dict(zip(file.INPUTS, values, strict=True))
        script = Script(module, seed, 0)

        async def main(file: ModuleType = file, inputs: Any = inputs, script: Any = script) -> Any:
            try:
                result = await file.run(inputs, llm=script.llm, tools=script.tools)
            except file.WorkflowError as error:
                return type(error).__name__
            return {
                site: (used.calls, used.input_tokens, used.output_tokens, round(used.seconds, 9))
                for site, used in {**result.sites, "": result.usage}.items()
                if used.calls  # a lane that loses at the instant it begins may not be seen
            }

        counted.append(clock.run(main()))
    assert counted[0] == counted[1]


@settings(max_examples=some(20), deadline=None)
@given(module_texts(), st.floats(0.1, 6.0), st.booleans())
def test_a_run_that_is_stopped_starts_nothing_more_and_leaves_nothing_behind(
    text: str, after: float, cancel: bool
) -> None:
    """Cancelled from outside, or out of time."""
    module = parse(text)
    workflow = entry(module)
    file, values = _graph(module, workflow), values_for(workflow)
    inputs = dict(zip(file.INPUTS, values, strict=True))
    script = Script(module, 0, 0)
    full = Script(module, 0, 0)
    run_emitted(file, values, full)

    async def main() -> None:
        options = {} if cancel else {"timeout": after}
        task = asyncio.ensure_future(
            file.run(inputs, llm=script.llm, tools=script.tools, **options)
        )
        await asyncio.wait([task], timeout=after if cancel else None)
        if cancel:
            task.cancel()
        (found,) = await asyncio.gather(task, return_exceptions=True)
        if not cancel and asyncio.get_running_loop().time() >= after:
            assert isinstance(found, file.RunTimeoutError)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(10)

    clock.run(main())
    assert script.calls == [call for call in full.calls if call.start < after]
