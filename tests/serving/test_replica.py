"""An engine in fluid form against one that takes step after step."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.engines.engine import LanguageModelEngine
from flowir.sim.serving.clusters import ENGINES, INPUT_TOKENS, OUTPUT_TOKENS, saturation
from flowir.sim.serving.replica import Job, Replica
from tests.budget import some

ENGINE = LanguageModelEngine(
    "m", prefill_base_s=0.0, prefill_per_token_s=5e-5, decode_base_s=0.01,
    decode_per_request_s=0.002, decode_per_context_token_s=1e-6, slots=3,
)  # fmt: skip
JOBS = st.lists(
    st.tuples(st.floats(0, 3), st.integers(1, 2000), st.integers(1, 120)), min_size=1, max_size=8
)


def fluid(jobs: list[tuple[float, int, int]], replica: Replica) -> list[float]:
    """When each ends."""
    ended = [math.nan] * len(jobs)
    coming = deque(sorted(range(len(jobs)), key=lambda number: jobs[number][0]))
    while coming or replica.next_event() < math.inf:
        at = replica.next_event()
        if coming and jobs[coming[0]][0] <= at:
            number = coming.popleft()
            replica.advance(jobs[number][0])
            replica.submit(Job(number, *jobs[number][1:]))
            continue
        replica.advance(at)
        job = replica.finish_next()
        if job is not None:
            assert isinstance(job.owner, int)
            ended[job.owner] = at
    assert replica.active == 0
    return ended


@dataclass
class Running:
    number: int
    context: float
    left: int


def stepwise(jobs: list[tuple[float, int, int]]) -> list[float]:
    """The same, one token of all at a time; what comes during a step joins after it."""
    ended = [math.nan] * len(jobs)
    coming = deque(sorted(range(len(jobs)), key=lambda number: jobs[number][0]))
    now, running = 0.0, list[Running]()
    while coming or running:
        if not running and coming and jobs[coming[0]][0] > now:
            now = jobs[coming[0]][0]
        while coming and jobs[coming[0]][0] <= now and len(running) < ENGINE.slots:
            number = coming.popleft()
            now += ENGINE.prefill_s(jobs[number][1])
            running.append(Running(number, jobs[number][1], jobs[number][2]))
        now += ENGINE.step_s(len(running), sum(job.context for job in running))
        for job in list(running):
            job.context += 1
            job.left -= 1
            if job.left == 0:
                ended[job.number] = now
                running.remove(job)
    return ended


@given(JOBS)
@settings(max_examples=some(60), deadline=None)
def test_it_ends_when_single_steps_end(jobs: list[tuple[float, int, int]]) -> None:
    """Each change of the batch may shift an end by one step, and a prefill that waits for it."""
    found, expected = fluid(jobs, Replica("e", "m", ENGINE)), stepwise(jobs)
    step = ENGINE.step_s(ENGINE.slots, 3 * 2200)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=(2 * len(jobs) + 1) * step)


@given(st.integers(1, 3000), st.integers(1, 400))
def test_alone_it_is_the_formula(read: int, written: int) -> None:
    (end,) = fluid([(0.0, read, written)], Replica("e", "m", ENGINE))
    exact = ENGINE.prefill_s(read) + ENGINE.decode_s(written, read)
    # The fluid context grows within a step, too: half a token in each.
    assert end == pytest.approx(exact + written * 0.5 * ENGINE.decode_per_context_token_s)


@given(JOBS, st.floats(1.5, 4))
@settings(max_examples=some(20), deadline=None)
def test_a_slower_engine_is_a_slower_clock(
    jobs: list[tuple[float, int, int]], slowdown: float
) -> None:
    at_once = [(0.0, *job[1:]) for job in jobs]
    fast = fluid(at_once, Replica("e", "m", ENGINE))
    slow = fluid(at_once, Replica("e", "m", ENGINE, slowdown=slowdown))
    assert slow == pytest.approx([slowdown * end for end in fast])


def test_a_change_of_speed_counts_from_then_on() -> None:
    replica = Replica("e", "m", ENGINE)
    replica.submit(Job(0, 1000, 100))
    alone = replica.next_event()  # its prefill
    replica.advance(alone / 2)
    replica.set_slowdown(3.0)
    assert replica.next_event() == pytest.approx(alone / 2 + 3 * alone / 2)


@given(JOBS)
@settings(max_examples=some(20), deadline=None)
def test_it_never_holds_more_than_its_slots(jobs: list[tuple[float, int, int]]) -> None:
    replica = Replica("e", "m", ENGINE)
    fluid(jobs, replica)
    assert replica.most_active <= ENGINE.slots


def test_a_full_engine_takes_at_most_twice_as_long() -> None:
    for engine in ENGINES:
        slots = engine.slots

        def takes(batch: int, engine: LanguageModelEngine = engine) -> float:
            jobs = [(0.0, int(INPUT_TOKENS), int(OUTPUT_TOKENS))] * batch
            return max(fluid(jobs, Replica("e", engine.name, engine)))

        assert saturation(engine) == slots
        assert takes(slots) <= 2.05 * takes(1)
