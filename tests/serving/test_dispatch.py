"""Laws of the dispatcher, and of what it knows of endpoints."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.serving.dispatch import Dispatcher, UnavailableError
from flowir.serving.endpoints import Endpoint, endpoints_of
from flowir.serving.loads import FAILURES_IN_A_ROW, UNKNOWN, Flight, Replica, Reported
from flowir.serving.observing import observe, reported
from flowir.serving.requests import Choice, ReadyCall, ServedRequest, ServedWorkflow, Stage
from flowir.serving.stagewise import OBJECTIVES, StageWise
from flowir.serving.static import StaticPoint
from flowir.sim.clock import run
from tests.budget import some

MODELS = ("small", "large")
WORKFLOW = ServedWorkflow(
    "w",
    (
        Stage("first", tuple(Choice(model, 50.0) for model in MODELS)),
        Stage("second", tuple(Choice(model, 50.0) for model in MODELS), ("first",)),
    ),
)


def replica(name: str, model: str, slots: int) -> Replica:
    endpoint = Endpoint(name, f"http://{name}", slots=slots)
    return Replica(endpoint, model, replace(UNKNOWN, slots=slots))


def dispatcher(slots: int, scheduler: Any = None) -> Dispatcher:
    replicas = [replica(name, model, slots) for name in "ab" for model in MODELS]
    return Dispatcher(scheduler or StageWise(), {one.name: one for one in replicas})


def request(number: int) -> ServedRequest:
    return ServedRequest(f"r{number}", number, WORKFLOW, WORKFLOW.every(), 0.0)


@settings(max_examples=some(30), deadline=None)
@given(st.integers(1, 3), st.integers(0, 2**32))
def test_slots_are_kept_to_and_every_call_gets_one(slots: int, seed: int) -> None:
    """Whatever fails or is cancelled, nothing is left in flight."""
    draw = random.Random(seed)
    found = dispatcher(slots)
    ended: list[int] = []

    def check() -> None:
        assert all(len(one.flights) <= slots for one in found.replicas.values())

    async def one(number: int) -> None:
        asked = request(number)
        await asyncio.sleep(draw.random())
        try:
            for stage in ("first", "second"):
                avoid: set[str] = set()
                while True:
                    grant = await found.acquire(asked, stage, 100.0, avoid)
                    check()
                    assert asked.chosen[stage] == grant.choice
                    assert grant.replica.model == MODELS[grant.choice]
                    try:
                        await asyncio.sleep(draw.random())
                    except asyncio.CancelledError:
                        found.dropped(grant)
                        raise
                    if draw.random() < 0.1:
                        found.failed(grant)
                        avoid.add(grant.replica.name)
                        continue
                    found.ended(grant, 100, 50)
                    break
            ended.append(number)
        finally:
            found.forget(asked)

    async def main() -> int:
        tasks = [asyncio.create_task(one(number)) for number in range(20)]
        await asyncio.sleep(0.7)
        gone = [task for task in tasks if draw.random() < 0.2 and task.cancel()]
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        return len(tasks) - sum(task.cancelled() for task in gone)

    assert run(main()) == len(ended)
    assert not found.waiting
    assert not any(one.flights for one in found.replicas.values())


@pytest.mark.parametrize("objective", [None, *OBJECTIVES.values()])
def test_first_come_first_served_so_that_nobody_starves(objective: Any) -> None:
    """Of calls that all want the only slot; those of later stages are of older requests."""
    one = replica("a", "small", 1)
    choices = (Choice("small", 50.0),)
    workflow = ServedWorkflow("w", (Stage("first", choices), Stage("second", choices, ("first",))))
    point = StaticPoint({"w": {"first": 0, "second": 0}})
    found = Dispatcher(point if objective is None else StageWise(objective), {one.name: one})
    granted: list[tuple[int, str]] = []

    async def run_one(number: int) -> None:
        await asyncio.sleep(0.01 * number)
        asked = ServedRequest(f"r{number}", number, workflow, workflow.every(), found.now())
        for stage in ("first", "second"):
            grant = await found.acquire(asked, stage, 100.0)
            granted.append((number, stage))
            await asyncio.sleep(1.0)
            found.ended(grant, 100, 50)
        found.forget(asked)

    async def main() -> None:
        await asyncio.gather(*(run_one(number) for number in range(12)))

    run(main())
    assert len(granted) == 24
    firsts = [number for number, stage in granted if stage == "first"]
    assert firsts == sorted(firsts)
    # Nobody who came later is ahead by more than the call that was under way.
    for place, (number, _) in enumerate(granted):
        assert place <= 2 * number + 2


def test_one_endpoint_dies_in_the_moment_in_which_another_is_back() -> None:
    one, other = replica("a", "small", 1), replica("b", "small", 1)
    one.flights[0] = Flight(1.0, 1.0, 0.0)
    other.rests_until = 100.0
    scheduler, call = StageWise(), ReadyCall(request(0), "first", 10.0, 0.0)
    assert scheduler.place([call], [one.load(1.0), other.load(1.0)], 1.0) == []
    one.rests_until, other.rests_until = 100.0, 0.0
    (placed,) = scheduler.place([call], [one.load(2.0), other.load(2.0)], 2.0)
    assert placed.endpoint == other.name


def test_calls_that_nobody_can_take_are_given_up() -> None:
    found = dispatcher(1, StaticPoint({"w": {"first": 0, "second": 0}}))

    async def main() -> None:
        for one in found.replicas.values():
            one.rests_until = found.now() + 1e6
        with pytest.raises(UnavailableError):
            await found.acquire(request(0), "first", 10.0)

    run(main())
    assert not found.waiting


def test_a_choice_that_failed_is_taken_back_only_where_nothing_depends_on_it() -> None:
    found = dispatcher(2)

    async def main() -> None:
        asked = request(0)
        one = await found.acquire(asked, "first", 10.0)
        other = await found.acquire(asked, "first", 10.0)
        assert other.choice == one.choice  # Calls of one stage are made alike.
        assert len(asked.open) == 2
        found.failed(one)
        found.reopen(one)
        assert len(asked.open) == 2  # The other call is under way.
        found.failed(other)
        found.reopen(other)
        assert len(asked.open) == 4
        assert not asked.chosen

    run(main())


def test_an_endpoint_that_failed_is_asked_once_before_more_is_sent() -> None:
    one = replica("a", "small", 8)
    for _ in range(FAILURES_IN_A_ROW):
        one.failed(0.0)
    assert not one.alive(0.5)
    assert one.load(2.0).free == 1
    one.flights[0] = Flight(1.0, 1.0, 2.0)
    assert not one.alive(2.0)
    one.ended(one.flights.pop(0), 1.0)
    assert one.load(2.0).free == 8


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(1, 64),
)
def test_no_number_that_an_endpoint_says_shuts_it(
    running_: float, waiting: float, slots: int
) -> None:
    page = f"vllm:num_requests_running {running_}\nvllm:num_requests_waiting {waiting}\n"
    said = reported(page, "small", 0.0)
    one = replica("a", "small", slots)
    if said is not None:
        assert said.running >= 0
        assert said.waiting >= 0
        one.says(said)
    assert one.load(0.0).free >= 1


def test_what_vllm_says_is_read() -> None:
    page = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_running{engine="0",model_name="other"} 70.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
"""
    assert reported(page, "m", 7.0) == Reported(5.0, 1.0, 7.0)
    assert reported("process_cpu_seconds_total 7\n", "m", 0.0) is None


@contextmanager
def page(text: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()


def test_endpoints_are_asked_how_they_are_and_pages_that_say_nothing_do_no_harm() -> None:
    with page("vllm:num_requests_running 5\n") as good, page("{not metrics}") as bad:
        one = Replica(Endpoint("a", "http://a", metrics=good), "small", UNKNOWN)
        other = Replica(Endpoint("b", "http://b", metrics=bad), "small", UNKNOWN)
        found = Dispatcher(StageWise(), {"a": one, "b": other})

        async def main() -> None:
            watching = asyncio.create_task(observe(found, [one.endpoint, other.endpoint]))
            async with asyncio.timeout(30):
                while one.reported is None:
                    await asyncio.sleep(0.01)
            watching.cancel()

        asyncio.run(main())
        assert one.reported is not None
        assert one.reported.running == 5.0
        assert other.reported is None


def test_endpoints_of_a_command_line() -> None:
    found = endpoints_of(["a=http://x/v1", "b=http://x/v1/", "http://y:1/p/v1", "c=d=http://z/v1"])
    assert [(one.name, one.url, one.models) for one in found] == [
        ("x", "http://x/v1", ("a", "b")),
        ("y:1/p", "http://y:1/p/v1", ()),
        ("z", "http://z/v1", ("c=d",)),
    ]
