"""The emitted asyncio file does what the reference interpreter does.

The same calls with the same inputs, started at the same virtual time, the same answer or failure,
after the same time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.passes.flow_select import compile_to
from flowir.runtime.interpreter import interpret
from flowir.search.annotate import front_from_ir
from flowir.sim import clock
from tests.backends.running import (
    Run,
    Script,
    emitted,
    run_emitted,
    run_interpreted,
    unless_races_differ,
    values_for,
)
from tests.budget import some
from tests.strategies_ir import ScriptedModel, entry, module_texts, parse, with_front

SEEDS = st.integers(0, 3)
FAILURES = st.sampled_from([0, 0, 7])
TIMEOUTS = st.sampled_from([None, None, 4.3])


def _same(found: Run, expected: Run) -> None:
    # What else starts in the moment of a failure is a matter of turns.
    calls = [
        [call for call in run.calls if not run.failed or call.start < run.ended]
        for run in (found, expected)
    ]
    assert calls[0] == calls[1]
    assert (found.value, found.failure) == (expected.value, expected.failure)
    assert found.ended == expected.ended


@settings(max_examples=some(40))
@given(module_texts(), SEEDS, FAILURES, TIMEOUTS)
def test_workflows_as_written(text: str, seed: int, failures: int, timeout: float | None) -> None:
    """Also those that call other workflows: the file has them inlined, the interpreter has not."""
    module = parse(text)
    workflow = entry(module)
    values = values_for(workflow)
    expected = run_interpreted(workflow, values, Script(module, seed, failures), timeout=timeout)
    found = run_emitted(
        emitted(module, workflow), values, Script(module, seed, failures), timeout=timeout
    )
    _same(found, expected)


@settings(max_examples=some(20))
@given(module_texts(called=False), st.randoms(use_true_random=False), SEEDS, FAILURES)
def test_every_point_of_a_front(text: str, random: Any, seed: int, failures: int) -> None:
    """One file for each point that is selected, and one for the whole front.

    One for the whole front is refused where races would differ, see `test_races_of_points`. It may
    wait longer: a choice is done when all calls inside it are, also those that are there for
    another choice inside.
    """
    module = parse(text)
    workflow = entry(module)
    with_front(module, random.randint)
    front = front_from_ir(workflow)
    file = unless_races_differ(lambda: emitted(module, workflow))
    values = values_for(workflow)
    for number, point in enumerate(front.points):
        expected = run_interpreted(workflow, values, Script(module, seed, failures), point=number)
        selected = module.clone()
        compile_to(entry(selected), front, point)
        alone = entry(selected)
        _same(
            run_emitted(emitted(selected, alone), values, Script(module, seed, failures)),
            run_interpreted(alone, values, Script(module, seed, failures)),
        )
        if file is None:
            continue
        found = run_emitted(file, values, Script(module, seed, failures), point=number)
        assert (found.value, found.failure) == (expected.value, expected.failure)
        assert found.ended >= expected.ended
        if not found.failed:
            assert _untimed(found) == _untimed(expected)


def _untimed(run: Run) -> Counter[Any]:
    return Counter(replace(call, start=0.0) for call in run.calls)


@settings(max_examples=some(20))
@given(module_texts(), st.floats(0.1, 6.0))
def test_a_cancelled_run_starts_nothing_more_and_leaves_nothing_behind(
    text: str, after: float
) -> None:
    module = parse(text)
    workflow = entry(module)
    file, values = emitted(module, workflow), values_for(workflow)
    inputs = dict(zip(file.INPUTS, values, strict=True))

    def calls(start: Callable[[ScriptedModel], Any]) -> list[Any]:
        model = Script(module, 0, 0)

        async def main() -> None:
            task = asyncio.ensure_future(start(model))
            await asyncio.wait([task], timeout=after)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        clock.run(main())
        return sorted(model.calls, key=repr)

    assert calls(lambda m: file.run(inputs, llm=m.llm, tools=m.tools)) == calls(
        lambda m: interpret(workflow, values, m.llm, m.tools)
    )
