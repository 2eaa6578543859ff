"""Spans of emitted files, by OpenTelemetry's own SDK, and what flowir reads back from them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.backends.asyncio.emit import emit
from flowir.configuration import Configuration
from flowir.profile import Observations, read_observations
from flowir.sim import clock
from tests.backends.running import emitted, load, values_for
from tests.budget import some
from tests.strategies_ir import ScriptedModel, entry, module_text, parse

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
files = pytest.importorskip("opentelemetry.exporter.otlp.json.file.trace_exporter")

TEXT = """
flow.agent @solve prompt "{item}" space <models = ["small" {budgets = ["low"]}],
  params = {temperature = [0.5], max_tokens = [9]}>
flow.agent @check prompt "{value}" space <models = ["large" {budgets = [2048]}]>
flow.tool @length impl "a:b" -> !flow.text
flow.workflow @w(%items: !flow.list<!flow.text>) -> !flow.list<!flow.text> {
  %out = flow.map(%item) in %items : !flow.list<!flow.text> max 9 -> !flow.list<!flow.text> {
    %try = flow.call @solve(%item) at "first try" as "strong" : (!flow.text) -> !flow.text
    %mark = flow.call @length(%try) : (!flow.text) -> !flow.text
    %good = flow.call @check(%mark) : (!flow.text) -> !flow.text
    flow.yield %good : !flow.text
  }
  flow.return %out : !flow.list<!flow.text>
}
"""
SOLVE = Configuration("small", "low", (("temperature", 0.5), ("max_tokens", 9)))
CHECK = Configuration("large", 2048)


class Model:
    """Takes as many seconds as the prompt says; fails or hangs where it says so."""

    provider = "somebody"

    def __init__(self) -> None:
        self.busy = 1

    async def __call__(self, node: str, messages: Any, *, model: str, **params: Any) -> Any:
        text = messages[-1]["content"]
        if "busy" in text and self.busy:
            self.busy -= 1
            error = ConnectionError("busy")
            error.retry_after = 50  # type: ignore[attr-defined]
            raise error
        await asyncio.sleep(3600 if "hang" in text else len(text))
        if "fail" in text:
            raise ValueError("no such model")
        return SimpleNamespace(
            text=text,
            usage=SimpleNamespace(input_tokens=len(text), output_tokens=7),
            model=f"{model}-2026",
            ttft_s=0.25,
        )


@pytest.fixture(scope="module")
def file() -> ModuleType:
    return load(emit(parse(TEXT)), "emitted_tracing")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The exporter that has the spans when they end."""
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def _run(file: ModuleType, *items: str, **options: Any) -> Any:
    run = file.run({"items": list(items)}, llm=Model(), tools={"length": str}, **options)
    return clock.run(run)


def test_a_run_is_a_span_with_its_calls_and_tools_inside(file: ModuleType, spans: Any) -> None:
    _run(file, "ab")
    solve, length, check, run = spans.get_finished_spans()
    assert [s.name for s in (solve, length, check, run)] == [
        "chat small", "execute_tool length", "chat large", "invoke_workflow w",
    ]  # fmt: skip
    assert run.parent is None
    assert {s.parent.span_id for s in (solve, length, check)} == {run.context.span_id}
    assert run.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert run.attributes["gen_ai.workflow.name"] == "w"
    assert run.attributes["flowir.point"] == 0
    assert solve.kind is trace.SpanKind.CLIENT
    assert dict(solve.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "somebody",
        "gen_ai.request.model": "small",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.reasoning.level": "low",
        "flowir.request.max_tokens": 9,
        "gen_ai.agent.name": "solve",
        "gen_ai.workflow.name": "w",
        "flowir.node.id": "first try",
        "gen_ai.response.model": "small-2026",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "flowir.latency_s": 2.0,
    }
    assert check.attributes["gen_ai.request.reasoning.level"] == "2048"
    assert dict(length.attributes) == {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "length",
    }  # fmt: skip
    assert all(s.status.is_ok or s.status.is_unset for s in (solve, length, check, run))


def test_no_text_of_prompts_answers_or_inputs_gets_into_spans(file: ModuleType, spans: Any) -> None:
    _run(file, "secret one", "secret two")
    assert spans.get_finished_spans()
    assert "secret" not in "".join(s.to_json() for s in spans.get_finished_spans())


def test_failures_and_cancelled_calls_say_so(file: ModuleType, spans: Any) -> None:
    with pytest.raises(file.CallError):
        _run(file, "fail", "hang")
    found = {s.attributes.get("error.type"): s for s in spans.get_finished_spans()}
    assert set(found) == {"CallError", "CancelledError", "ExceptionGroup"}
    assert all(s.status.status_code is trace.StatusCode.ERROR for s in found.values())
    assert "no such model" in found["CallError"].status.description
    assert found["ExceptionGroup"].name == "invoke_workflow w"


def _observed(file: ModuleType, folder: Path, monkeypatch: Any, *runs: tuple[str, ...]) -> Any:
    """What flowir reads of the traces of runs, through a file in OpenTelemetry's own format."""
    path = folder / "traces.jsonl"
    provider = sdk.TracerProvider()
    exporter = files.FileSpanExporter(str(path))
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    for items in runs:
        try:
            _run(file, *items)
        except file.WorkflowError:
            continue
    provider.shutdown()
    return read_observations(path)


def _rows(found: Observations) -> set[tuple[Any, ...]]:
    return {
        (
            found.agents[found.agent[i]],
            found.configurations[found.configuration[i]],
            found.latency_s[i].item() if not found.error[i] else None,
            found.input_tokens[i].item() if not found.error[i] else None,
            bool(found.error[i]),
        )
        for i in range(len(found))
    }


def test_traces_are_read_back_as_the_calls_that_were_made(
    file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of the sub-agent, with its whole configuration, seconds and tokens."""
    found = _observed(file, tmp_path, monkeypatch, ("ab", "abc"))
    assert _rows(found) == {
        ("solve", SOLVE, 2.0, 2.0, False),
        ("check", CHECK, 2.0, 2.0, False),
        ("solve", SOLVE, 3.0, 3.0, False),
        ("check", CHECK, 3.0, 3.0, False),
    }
    assert set(found.output_tokens.tolist()) == {7.0}


def test_waiting_for_a_repeat_is_no_latency_of_the_model(
    file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _observed(file, tmp_path, monkeypatch, ("busy",))
    assert ("solve", SOLVE, 4.0, 4.0, False) in _rows(found)
    assert len(found) == 2


def test_what_failed_or_was_cancelled_is_missing_and_never_wrong(
    file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _observed(file, tmp_path, monkeypatch, ("fail", "hang"))
    assert _rows(found) == {("solve", SOLVE, None, None, True)}
    assert len(found) == 2


def test_runs_on_the_same_inputs_are_one_query(
    file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _observed(file, tmp_path, monkeypatch, ("ab",), ("ab",), ("cd",))
    assert len(found) == 6
    assert len(found.queries) == 2


@settings(max_examples=some(15))
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_random_workflows_have_one_span_for_each_call(draw: Any, seed: int) -> None:
    module = parse(module_text(draw.randint))
    workflow = entry(module)
    file, values = emitted(module, workflow), values_for(workflow)
    model = ScriptedModel(seed)
    model.tools.of(module)
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    run = file.run(dict(zip(file.INPUTS, values, strict=True)), llm=model.llm, tools=model.tools)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer", provider.get_tracer)
        with contextlib.suppress(file.WorkflowError):
            clock.run(run)
    found = exporter.get_finished_spans()
    kinds = [s.attributes["gen_ai.operation.name"] for s in found]
    tools = sum(call.node.startswith("@") for call in model.calls)
    assert kinds.count("invoke_workflow") == 1
    assert kinds.count("chat") == len(model.calls) - tools
    assert kinds.count("execute_tool") == tools


def test_nothing_of_opentelemetry_is_loaded_by_a_file(file: ModuleType, tmp_path: Path) -> None:
    """A program that does not trace pays a look into a table, and no import."""
    (tmp_path / "plain.py").write_text(emit(parse(TEXT)))
    code = (
        "import asyncio, sys, types, plain\n"
        "async def llm(node, messages, **params):\n"
        "    return plain.Completion('x', plain.Usage(1, 2, 3), 'm')\n"
        "run = plain.run({'items': ['a']}, llm=llm, tools={'length': str})\n"
        "print(asyncio.run(run).usage.calls, [m for m in sys.modules if 'telemetry' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "2 []\n"


def test_an_api_without_an_sdk_is_no_trouble(file: ModuleType) -> None:
    """The API alone gives spans that record nothing."""
    assert _run(file, "ab").value == ["ab"]


def test_the_documentation_names_every_attribute() -> None:
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
    used = set(re.findall(r'"((?:gen_ai|flowir|error)\.[a-z_.]+)"', emit(parse(TEXT))))
    assert len(used) > 12
    for name in used:
        assert f"`{name}`" in page or name.rpartition(".")[0] + ".…" in page, name
