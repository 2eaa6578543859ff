"""A run that failed still says what it used, whichever back end wrote the file."""

from __future__ import annotations

import asyncio
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from flowir.backends.asyncio.emit import emit
from flowir.backends.langgraph.emit import emit as emit_graph
from flowir.profile.prices import Price, Prices
from flowir.sim import clock
from tests.backends.running import load
from tests.strategies_ir import parse

TEXT = """
flow.agent @a prompt "{x}" space <models = ["m"]>
flow.agent @j prompt "{x}" -> !flow.json space <models = ["m"]>
flow.tool @t impl "m:f"
flow.workflow @w(%x: !flow.text) -> !flow.text {
  %first = flow.call @a(%x) : (!flow.text) -> !flow.text
  %slow = flow.call @a(%first) : (!flow.text) -> !flow.text
  %last = flow.call @j(%first) : (!flow.text) -> !flow.json
  %kept = flow.call @t(%slow, %last) : (!flow.text, !flow.json) -> !flow.text
  flow.return %kept : !flow.text
}
"""
"""After %first, %slow takes four seconds and %last one."""

PRICES = Prices({"m": Price(1.0, 2.0)})


@pytest.fixture(scope="module", params=["asyncio", "langgraph"])
def file(request: pytest.FixtureRequest) -> ModuleType:
    write = emit if request.param == "asyncio" else emit_graph
    return load(write(parse(TEXT), prices=PRICES), f"emitted_failing_{request.param}")


def _failure(file: ModuleType, last: str | Exception, **options: Any) -> Any:
    """The error of a run in which %last is answered so, or fails so."""

    async def llm(node: str, messages: Any, *, model: str) -> Any:
        await asyncio.sleep(4.0 if node == "slow" else 1.0)
        if node == "last" and isinstance(last, Exception):
            raise last
        text = last if node == "last" else node
        return SimpleNamespace(
            text=text, usage=SimpleNamespace(input_tokens=100, output_tokens=10), model=model
        )

    async def broken(*values: object) -> str:
        raise ValueError("broken")

    with pytest.raises(file.WorkflowError) as caught:
        clock.run(file.run({"x": "x"}, llm=llm, tools={"t": broken}, **options))
    return caught.value


def _answered(file: ModuleType, calls: int, seconds: float, cancelled: int = 0) -> Any:
    cost = pytest.approx(calls * 120e-6)
    return file.Usage(calls, 100 * calls, 10 * calls, cost, seconds, cancelled)


def test_of_a_model_that_failed(file: ModuleType) -> None:
    """%first was answered, %last failed, and %slow was cut short by that."""
    error = _failure(file, ValueError("out of order"))
    assert type(error) is file.CallError
    assert error.usage == _answered(file, 1, 1.0, cancelled=1)
    assert error.sites == {"first": _answered(file, 1, 1.0), "slow": _answered(file, 0, 0.0, 1)}


def test_of_an_answer_that_does_not_parse(file: ModuleType) -> None:
    """It was answered, and so it is counted."""
    error = _failure(file, "{")
    assert type(error) is file.AnswerError
    assert error.usage == _answered(file, 2, 2.0, cancelled=1)
    assert error.sites["last"] == _answered(file, 1, 1.0)


def test_of_a_tool_that_failed_after_everything_was_answered(file: ModuleType) -> None:
    error = _failure(file, "{}")
    assert type(error) is file.ToolError
    assert error.usage == _answered(file, 3, 6.0)
    assert set(error.sites) == {"first", "slow", "last"}


def test_of_a_run_out_of_time(file: ModuleType) -> None:
    error = _failure(file, "{}", timeout=3)
    assert type(error) is file.RunTimeoutError
    assert error.usage == _answered(file, 2, 2.0, cancelled=1)


def test_a_run_that_did_not_begin_used_nothing(file: ModuleType) -> None:
    error = _failure(file, "{}", max_concurrency=0)
    assert type(error) is file.InputError
    assert (error.usage, error.sites) == (file.Usage(), {})
