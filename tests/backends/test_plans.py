"""Emitted files run plans as the interpreter does: read as written, run, joined, replanned."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.backends.asyncio import extract
from flowir.backends.asyncio.emit import emit
from flowir.backends.langgraph import extract as graph_extract
from flowir.backends.langgraph.emit import emit as emit_graph
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import Completion, CompletionLike, Message, Usage
from flowir.sim import clock
from tests.backends.running import load, run_emitted, run_interpreted
from tests.budget import some
from tests.strategies_ir import ScriptedModel, entry, parse

MODULE = """
flow.agent @planner prompt "<planner> {{tools}}|{{question}}|{{history}}" space <models = ["p"]>
flow.agent @joiner prompt "<joiner> {{question}}|{{history}}" space <models = ["j"]>
flow.tool @look impl "m:planned" takes (a: any, b?: text) -> !flow.json {look}
flow.tool @find impl "m:planned" takes (a: any, b?: text) -> !flow.json {find}
flow.workflow @w(%question: !flow.text) -> !flow.text {{
  %answer = flow.plan tools [@look, @find] {clauses} -> !flow.text
    planner(%tools, %history) {{
      %plan = flow.call @planner(%tools, %question, %history)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }}
    joiner(%history) {{
      %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }}
  flow.return %answer : !flow.text
}}
"""

CLAUSES = st.sampled_from(["", "max_replans 1", "max_replans 4", "max_replans 2 max_tasks 2"])
TOOL = st.sampled_from(
    ["", "effect pure", "concurrency 1", "timeout 1.4", "effect pure concurrency 2 timeout 1.7"]
)


def _module(look: str = "", find: str = "", clauses: str = "") -> Any:
    return parse(MODULE.format(look=look, find=find, clauses=clauses))


def _script(module: Any, seed: int, failures: int) -> ScriptedModel:
    model = ScriptedModel(seed, failures)
    model.tools.of(module)
    return model


@settings(max_examples=some(60), deadline=None)
@given(TOOL, TOOL, CLAUSES, st.integers(0, 10**6), st.sampled_from([0, 0, 9, 3]), st.booleans())
def test_interpreter_asyncio_and_langgraph_agree(
    look: str, find: str, clauses: str, seed: int, failures: int, limited: bool
) -> None:
    """The same calls, of models and tools, at the same moments, and the same answer or failure."""
    module = _module(look, find, clauses)
    timeout = 9.3 if limited else None
    expected = run_interpreted(
        entry(module), ["q"], _script(module, seed, failures), timeout=timeout
    )
    for text in (emit(module), emit_graph(module)):
        script = _script(module, seed, failures)
        found = run_emitted(load(text), ["q"], script, timeout=timeout)
        assert (found.value, found.failed, found.ended) == (
            expected.value, expected.failed, expected.ended,
        )  # fmt: skip
        assert found.calls == expected.calls


@settings(max_examples=some(25), deadline=None)
@given(TOOL, st.integers(0, 10**6), st.floats(0.1, 12.0))
def test_cancelling_leaves_nothing_behind(look: str, seed: int, after: float) -> None:
    module = _module(look, clauses="max_replans 4")

    def calls(start: Callable[[ScriptedModel], Any]) -> list[Any]:
        model = _script(module, seed, 0)

        async def main() -> None:
            task = asyncio.ensure_future(start(model))
            await asyncio.wait([task], timeout=after)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        clock.run(main())
        return sorted(model.calls, key=repr)

    expected = calls(lambda m: interpret(entry(module), ["q"], m.llm, m.tools))
    for text in (emit(module), emit_graph(module)):
        file = load(text)

        def start(model: ScriptedModel, file: ModuleType = file) -> Any:
            return file.run({"question": "q"}, llm=model.llm, tools=model.tools)

        assert calls(start) == expected


class Writer:
    """Writes one plan, a line a second, and joins at once; fails as it is told."""

    def __init__(self, plan: str, fails: tuple[int, ...] = ()) -> None:
        self.plan = plan
        self.fails = list(fails)
        self.tries = 0

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        return Completion("Finish(done)", Usage(7, 3), None, model)

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | CompletionLike]:
        self.tries += 1
        fail = self.fails.pop(0) if self.fails else -1
        for number, line in enumerate(self.plan.splitlines(keepends=True)):
            await asyncio.sleep(1)
            if number == fail:
                raise ConnectionError("gone")
            yield line
        yield Completion(self.plan, Usage(20, 11), None, model)


@pytest.fixture(params=["asyncio", "langgraph"])
def file(request: pytest.FixtureRequest) -> ModuleType:
    module = _module(look="timeout 5.0", clauses='at "solve"')
    return load((emit if request.param == "asyncio" else emit_graph)(module))


async def _look(a: Any, b: str = "") -> str:
    await asyncio.sleep(3)
    return f"<{a}>"


def _run(file: ModuleType, llm: Any, look: Callable[..., Any] = _look, **options: Any) -> Any:
    tools = {"look": look, "find": look}
    return clock.run(file.run({"question": "q"}, llm=llm, tools=tools, **options))


def test_usage_is_counted_at_every_site(file: ModuleType) -> None:
    result = _run(file, Writer('1. look("x")\n2. join()\n'))
    assert result.value == "done"
    used = {
        site: (u.calls, u.input_tokens, u.output_tokens, u.seconds)
        for site, u in result.sites.items()
    }
    assert used == {"plan": (1, 20, 11, 2.0), "said": (1, 7, 3, 0.0)}
    assert result.seconds == 4


def test_a_planner_that_goes_on_is_not_waited_for_and_counts_as_cancelled(
    file: ModuleType,
) -> None:
    result = _run(file, Writer('1. look("x")\n2. join()\n' + "and so on\n" * 50))
    assert result.seconds == 4
    assert result.sites["plan"].cancelled == 1


def test_requests_are_repeated_only_before_anything_was_read(file: ModuleType) -> None:
    early = Writer('1. look("x")\n2. join()\n', (0, 0))
    assert _run(file, early).value == "done"
    assert early.tries == 3
    late = Writer('1. look("x")\n2. join()\n', (1,))
    with pytest.raises(file.CallError, match="plan: p failed, 1×: gone"):
        _run(file, late)
    assert late.tries == 1


def test_a_request_has_its_time(file: ModuleType) -> None:
    with pytest.raises(file.CallError, match="plan: p failed"):
        _run(file, Writer('1. look("x")\n2. look("y")\n3. join()\n'), call_timeout=2.5, retries=0)


def test_functions_run_in_threads_and_their_failures_are_seen(
    file: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    def look(a: Any, b: str = "") -> str:
        raise LookupError("no such page")

    with caplog.at_level(logging.INFO):
        assert _run(file, Writer('1. look("x")\n2. look($1)\n3. join()\n'), look).value == "done"
    assert "solve: 2 tasks, 2 failed: finish" in caplog.text


def test_a_tool_that_is_not_there_fails_the_run(file: ModuleType) -> None:
    with pytest.raises(file.ToolError, match="m:planned cannot be imported"):
        clock.run(file.run({"question": "q"}, llm=Writer("1. join()"), tools={}))


def test_files_without_plans_have_nothing_of_them() -> None:
    text = emit(
        parse(
            'flow.agent @solve prompt "{x}" space <models = ["m"]>\n'
            "flow.workflow @fetch(%shown: !flow.text) -> !flow.text {\n"
            "  %Task = flow.call @solve(%shown) : (!flow.text) -> !flow.text\n"
            "  flow.return %Task : !flow.text\n}"
        )
    )
    definitions = extract.library(True).definitions.values()
    own = {d.name for d in definitions if d.module == "plan"} - {"solve", "fetch"}
    defined = re.findall(r"^(?:class |def |async def )?(\w+)", text, re.MULTILINE)
    assert own.isdisjoint(defined)
    assert "async def solve(" in text


def test_what_runs_plans_has_names_of_its_own() -> None:
    """Emitted files are one namespace: no name twice, and none that is imported."""
    for library in (extract.library(True), graph_extract.library(True)):
        assert library.imports.keys().isdisjoint(library.definitions)
