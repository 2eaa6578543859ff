"""The four ways of the plan benchmark, against times by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plan_tokens import counter, of_agent, of_plans
from benchmarks.plan_ways import Timing, recorded, times
from flowir.examples.plans import hotpot_qa, movie, parallel_qa
from tests.budget import some

RECORDS = {example.name: recorded(example)
           for example in (movie.EXAMPLE, hotpot_qa.EXAMPLE, parallel_qa.EXAMPLE)}  # fmt: skip
SECONDS = st.floats(0.01, 3)


@settings(max_examples=some(20), deadline=None)
@given(
    st.sampled_from(["Movie", "HotpotQA"]), SECONDS, SECONDS, SECONDS, SECONDS, st.integers(0, 9)
)
def test_independent_calls_take_what_the_formulas_say(
    name: str, prefill: float, line: float, join: float, thought: float, seed: int
) -> None:
    record = RECORDS[name]
    timing = Timing(prefill, line, lambda draw: draw.expovariate(1), join, thought)
    draw = random.Random(seed)
    takes = [draw.expovariate(1) for _ in record.observations]
    count = len(takes)
    found = times(record, timing, seed)
    written = prefill + line * (count + 1)
    last = max(prefill + line * (k + 1) + takes[k] for k in range(count))
    assert found.streamed == pytest.approx(max(last, written) + join)
    assert found.planned == pytest.approx(written + max(takes) + join)
    assert found.rounds == pytest.approx(prefill + line * count + max(takes) + join)
    assert found.sequential == pytest.approx(count * thought + sum(takes) + thought)


def test_a_level_that_needs_another_is_another_round() -> None:
    found = times(RECORDS["ParallelQA"], Timing(0.5, 0.25, lambda draw: 1.0, 2.0, 1.0), 0)
    levels = (4, 4, 1)
    assert found.rounds == pytest.approx(sum(0.5 + 0.25 * n + 1 for n in levels) + 2)
    # The last search is written as the seventh line; a calculation on it and the last follow.
    assert found.streamed == pytest.approx(0.5 + 0.25 * 7 + 3 + 2)


def test_an_agent_reads_everything_again_and_a_plan_does_not() -> None:
    count, _ = counter()
    for record in RECORDS.values():
        plans, agent = of_plans(record, count), of_agent(record, count)
        assert plans.read < agent.read
        assert plans.written < agent.written
    one, many = RECORDS["HotpotQA"], RECORDS["Movie"]
    shorter = of_agent(one, len).read / len(one.observations)
    assert of_agent(many, len).read / len(many.observations) > shorter
