"""The seam between what is decided and where it is done, without a cluster."""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.cli.endpoints import Client
from flowir.cli.main import cli
from flowir.configuration import Configuration
from flowir.errors import FlowirError, SimulationError
from flowir.evaluation.programs import Programs
from flowir.executors.executor import (
    MOST_LOST,
    ExecutorError,
    InProcess,
    JobError,
    WorkerLostError,
    persistent,
)
from flowir.executors.worker import Failure, Worker
from flowir.profile.calls import CallStore
from flowir.profiler.asking import Answered, Asking, Question, ServedModels
from flowir.profiler.caller import Caller
from flowir.profiler.engine import Engine, Grid, Outcome
from flowir.profiler.lanes import Lane
from flowir.profiler.limits import Limits
from flowir.profiler.planning import grid
from flowir.runtime.llm import CallError, Usage
from flowir.sim import clock
from tests.budget import some
from tests.executors.jobs import Broken, Calls, failing
from tests.profiler.commands import arguments, write
from tests.profiler.test_engine import EXAMPLES, READERS


def test_a_process_does_as_many_jobs_at_a_time_as_it_may() -> None:
    open_now = most = 0

    async def job(number: int) -> int:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(1)
        open_now -= 1
        return number

    async def all_of_them() -> tuple[list[int], float]:
        async with InProcess().serving(Calls(job), each=3) as do:
            found = await asyncio.gather(*map(do, range(10)))
        return found, asyncio.get_running_loop().time()

    assert clock.run(all_of_them()) == (list(range(10)), 4.0)
    assert most == 3


@given(st.integers(0, 5))
def test_a_job_that_loses_its_worker_is_given_to_others_but_not_for_ever(times: int) -> None:
    given_to = 0

    async def lossy(job: str) -> str:
        nonlocal given_to
        given_to += 1
        if given_to <= times:
            raise WorkerLostError("gone")
        return job

    async def one() -> str:
        return await persistent(lossy)("job")

    if times < MOST_LOST:
        assert asyncio.run(one()) == "job"
    else:
        with pytest.raises(WorkerLostError):
            asyncio.run(one())
    assert given_to == min(times + 1, MOST_LOST)


async def worked(recipe: Any, job: Any) -> Any:
    """A job on a worker, everything on the way pickled as a cluster would."""
    worker = Worker()
    failure = pickle.loads(pickle.dumps(await worker.begin(pickle.loads(pickle.dumps(recipe)))))
    if failure is None:
        result, failure = pickle.loads(pickle.dumps(await worker.do(job)))
    if failure is not None:
        raise failure.error()
    return result


@pytest.mark.parametrize(
    ("recipe", "job", "kind", "message"),
    [
        (Calls(failing), "ours", SimulationError, "no samples"),
        (Calls(failing), "other", JobError, "KeyError: 'k'"),
        (Broken(), "", SimulationError, "nothing to be made"),
    ],
)
def test_errors_travel(recipe: Any, job: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        asyncio.run(worked(recipe, job))


def test_failed_requests_keep_what_decides_about_repeats_and_lose_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "secret-of-this-worker")
    error = CallError(
        "m: secret-of-this-worker, sk-abcdefgh123", transient=True, retry_after_s=7.0, status=429
    )
    again = pickle.loads(pickle.dumps(Failure.of(error))).error()
    assert isinstance(again, CallError)
    assert (again.transient, again.retry_after_s, again.status) == (True, 7.0, 429)
    assert str(again) == "m: …, sk-…"


def test_recipes_travel_and_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-key-itself")
    client = Client("http://localhost:1/v1", (Configuration("m", 100),), None, None, 1.0)
    for recipe in (Asking(client), Programs("x = 1", client, {"t": "os:getcwd"})):
        sent = pickle.dumps(recipe)
        assert b"the-key-itself" not in sent
        assert pickle.loads(sent) == recipe


def profiled(
    folder: Path, lost: Sequence[bool], *, error: FlowirError | None = None, **lane: Any
) -> tuple[Outcome, CallStore, Caller, list[float]]:
    """Twelve calls through a service that loses workers in this order."""
    waiting = list(lost)
    begun: list[float] = []

    async def service(question: Question) -> Answered:
        begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1)
        if waiting and waiting.pop(0):
            raise error or WorkerLostError("gone")
        return Answered("x", Usage(5, 10), None, question.model, 0.25)

    requests = grid({"a": EXAMPLES}, {"a": [Configuration("m")]}, 1)
    with CallStore(folder / "p.sqlite") as store:
        caller = Caller(ServedModels(service), store, {"m": Lane("m", **lane)}, Limits(), retries=0)
        return clock.run(Engine(caller, READERS).run(Grid(requests))), store, caller, begun


@settings(max_examples=some(20))
@given(st.lists(st.booleans(), max_size=40))
def test_calls_under_way_on_a_lost_worker_are_asked_again_and_count_once(
    tmp_path_factory: pytest.TempPathFactory, lost: list[bool]
) -> None:
    """No failure of the model, whose rate holds for what is asked again, too."""
    folder = tmp_path_factory.mktemp("lost")
    outcome, store, caller, begun = profiled(folder, lost, per_minute=60.0)
    failed = outcome.failed
    assert outcome.answered + failed == len(store.calls) + failed == 12
    # Every request that was begun came to an end, and is either stored or was lost.
    assert len(begun) - len(store.calls) == sum(lost[: len(begun)])
    assert failed <= sum(lost) // MOST_LOST
    assert caller.limits.begun == len(store.calls)
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(begun))
    # The time is that of the request where it was made.
    assert {call.latency_s for call in store.calls.values()} <= {0.25}


def test_without_a_worker_all_ends_with_one_message_and_what_is_done_is_kept(
    tmp_path: Path,
) -> None:
    lost = [False, False, False, True]
    with pytest.raises(ExecutorError, match="no worker is left"):
        profiled(tmp_path, lost, error=ExecutorError("no worker is left"), concurrency=1)
    with CallStore(tmp_path / "p.sqlite") as store:
        assert len(store.calls) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ray-address", "h:1"], "--ray-address is for --engine ray"),
        (["--ray-workers", "2"], "--ray-workers is for --engine ray"),
        (["--engine", "ray"], "pip install 'flowir[ray]'"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    write(tmp_path, 2)
    done = CliRunner().invoke(cli, arguments(tmp_path, "http://localhost:1/v1", *options))
    assert done.exit_code == 1
    assert message in done.output
