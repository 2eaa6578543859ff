"""Plans are run as a real server writes them, whoever runs them and by whichever client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.written_plans import RUNS, Told
from tests.writing import JOINER_USAGE, PLANNER_USAGE, Seen, writing

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

ROOT = Path(__file__).resolve().parents[2]
LITELLM = "interpreter, LiteLLM"
Run = Callable[[str], tuple[Told, Seen]]


@pytest.fixture(scope="module", params=[*RUNS, pytest.param(LITELLM, marks=pytest.mark.slow)])
def who(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def run(who: str) -> Iterator[Run]:
    """A run of a story: what came of it, and what the server saw."""
    with writing() as server:
        if who in RUNS:

            def one(story: str) -> tuple[Told, Seen]:
                found = asyncio.run(asyncio.wait_for(RUNS[who](server.url, story), 30))
                return json.loads(json.dumps(found)), server.seen[story]

        else:
            command = [sys.executable, "-m", "tests.runtime.written_plans", server.url]
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stderr
            runs = json.loads(done.stdout.splitlines()[-1])

            def one(story: str) -> tuple[Told, Seen]:
                return runs[story], server.seen[story]

        yield one


def _repeats(who: str) -> bool:
    """Emitted files repeat requests; the interpreter is without repeats."""
    return "file" in who


def test_tools_begin_while_the_planner_writes_and_every_token_is_counted(run: Run) -> None:
    told, seen = run("whole")
    assert seen.early == [True, True]
    assert told == {
        "value": "done",
        "sites": {"plan": list(PLANNER_USAGE), "said": list(JOINER_USAGE)},
    }
    assert seen.planners == 1


@pytest.mark.parametrize("story", ["cut", "early end"])
def test_a_stream_that_breaks_off_is_an_error_and_not_repeated(
    run: Run, who: str, story: str
) -> None:
    """The first task had begun by then; another plan would begin it again."""
    told, seen = run(story)
    assert told.get("error") == "CallError", told
    assert seen.early == [True]
    assert seen.planners == 1
    assert told["message"].startswith("plan: ")
    if _repeats(who):
        assert "failed, 1×" in told["message"]
    else:
        assert told["transient"] is True


def test_a_request_of_which_nothing_was_read_is_repeated_in_the_one_layer(
    run: Run, who: str
) -> None:
    told, seen = run("busy at first")
    if _repeats(who):
        assert told["value"] == "done"
        assert told["sites"]["plan"] == list(PLANNER_USAGE)
        assert seen.planners == 2
    else:
        assert (told["error"], told["transient"]) == ("CallError", True)
        assert seen.planners == 1


def test_a_lasting_refusal_is_told_apart(run: Run, who: str) -> None:
    told, seen = run("barred")
    assert told["error"] == "CallError"
    assert told["transient"] in (None, False)
    assert "made to fail" in told["message"]
    assert seen.planners == 1


def test_a_planner_that_goes_on_is_hung_up_on(run: Run) -> None:
    told, seen = run("goes on")
    assert told.get("value") == "done", told
    assert told["sites"]["plan"] is None
    assert seen.gone.wait(10)


def test_spans_of_planners_have_what_those_of_other_calls_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the library's client, which measures the time to the first piece."""
    trace = pytest.importorskip("opentelemetry.trace")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter, provider = memory.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda *a, **k: provider.get_tracer("flowir"))
    with writing() as server:
        told: Any = asyncio.run(RUNS["file, OpenAIModels"](server.url, "whole"))
    assert told["value"] == "done"
    (span,) = (
        s for s in exporter.get_finished_spans() if s.attributes.get("flowir.node.id") == "plan"
    )
    found = dict(span.attributes)
    used = (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"])
    assert used == PLANNER_USAGE
    assert found["gen_ai.response.model"] == "m-2024"
    assert 0 < found["gen_ai.response.time_to_first_chunk"] < found["flowir.latency_s"]
