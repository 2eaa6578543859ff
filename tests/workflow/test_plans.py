"""`plan` in a Python workflow: traced, run, and refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from flowir.dialects import flow
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import Completion, Usage
from flowir.workflow import WorkflowError, agent, plan, tool, workflow

planner = agent("planner", prompt="{tools}\n{question}\n{history}", models=["p"])
joiner = agent("joiner", prompt="{question}\n{history}", models=["j"])


@tool(effect="pure", latency=0.5, concurrency=2, timeout=9)
def cap(company: str, year: int = 2024) -> dict:
    """The market cap of a company.

    Of a year's end.
    """
    return {"usd": {"A": 3.0, "B": 1.5}[company], "year": year}


@tool(effect="pure")
def ratio(a: float, b: float) -> float:
    return a / b


@workflow
def compare(question: str) -> str:
    return plan(
        lambda tools, history: planner(tools, question, history),
        lambda history: joiner(question, history),
        tools=[cap, ratio],
        max_replans=1,
        width={1: 0.5, 2: 0.5},
        depth=2,
        replan=(0.1, 0.5),
    )


def test_the_trace_has_signatures_and_what_is_expected() -> None:
    text = str(compare.to_ir())
    assert (
        "takes (company: text, year?: integer) -> !flow.json effect pure latency 0.5 "
        'concurrency 2 timeout 9.0 about "The market cap of a company."'
    ) in text
    assert 'flow.plan tools [@cap, @ratio] max_replans 1 at "plan" -> !flow.text' in text
    assert (
        "expects <width = {1: 0.5, 2: 0.5}, depth = 2, replan = <right = 0.1, wrong = 0.5>>"
    ) in text
    assert "planner(%tools, %history)" in text


def test_it_runs() -> None:
    said = [
        '1. cap("A")\n2. cap("B", 2020)\n3. ratio($1.usd, $2.usd)\n4. join()',
        "Action: Finish(2 times)",
    ]

    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Completion:
        return Completion(said.pop(0), Usage(1, 1), None, model)

    (entry,) = [op for op in compare.to_ir().module.ops if isinstance(op, flow.WorkflowOp)]
    tools = {"cap": cap.function, "ratio": ratio.function}
    run = asyncio.run(interpret(entry, ["how much larger is A than B?"], llm, tools))
    assert run.value == "2 times"
    (done,) = run.plans
    assert done.round.fetched.observations[-1].value == 2.0


def _traced(body: Callable[[], Any]) -> str:
    @workflow
    def failing(question: str) -> str:
        return body()

    with pytest.raises(WorkflowError) as raised:
        failing.to_ir()
    return str(raised.value)


def _plan(**options: Any) -> Any:
    return plan(lambda tools, history: history, lambda history: history, **options)


def test_what_means_nothing_is_refused_with_its_place() -> None:
    message = _traced(lambda: _plan(tools=[]))
    assert "no tools, so there is nothing to plan" in message
    message = _traced(lambda: _plan(tools=[cap], width={1: 0.5}))
    assert "test_plans.py:" in message
    assert "the chances sum to 0.5, not to 1" in message
    message = _traced(lambda: _plan(tools=[cap], replan=2.0))
    assert "replan right = 2.0 is no probability" in message
    message = _traced(lambda: _plan(tools=[cap], max_replans=-1))
    assert "max_replans -1; write 0 or more" in message
