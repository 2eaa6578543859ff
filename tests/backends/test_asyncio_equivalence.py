"""The emitted asyncio file does what the reference interpreter does.

The same calls with the same inputs, started at the same virtual time, and the same answer.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.running import emitted, run_emitted, run_interpreted, values_for
from tests.strategies_ir import ScriptedModel, entry, module_texts, parse, with_front


@settings(max_examples=60)
@given(module_texts(), st.integers(0, 3), st.sampled_from([0, 0, 7]))
def test_a_plain_workflow(text: str, seed: int, failures: int) -> None:
    module = parse(text)
    workflow = entry(module)
    file = emitted(module, workflow)
    values = values_for(workflow)
    models = [ScriptedModel(seed, failures) for _ in range(2)]
    for model in models:
        model.tools.of(module)
    expected = run_interpreted(workflow, values, models[0])
    found = run_emitted(file, values, models[1])
    assert found.calls == expected.calls
    assert (found.value, found.failed) == (expected.value, expected.failed)
    assert found.ended == expected.ended
