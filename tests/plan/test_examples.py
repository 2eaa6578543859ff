"""The examples of plans: their answers, their command lines, and the flag for a live endpoint."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import operator
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse
from starlette.routing import Route

from flowir.examples.plans import game24, hotpot_qa, market_cap, movie, parallel_qa
from flowir.examples.plans.asking import JOINER, Example, ask, main, scripted
from flowir.plan.shapes import Recorded, learned
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import Completion, Message, Usage
from flowir.runtime.replanning import Solution
from flowir.sim.clock import run
from tests.strategies_ir import entry, parse


def _solved(example: Example) -> Solution:
    return run(ask(example, *scripted(example)))


@pytest.mark.parametrize(
    ("example", "answer", "calls"),
    [
        (market_cap.EXAMPLE, "1.28 times", 3),
        (movie.EXAMPLE, "Moon", 8),
        (parallel_qa.EXAMPLE, "Kilimanjaro (7074.0 m)", 9),
        (hotpot_qa.EXAMPLE, "yes", 2),
    ],
)
def test_the_scripts_answer(
    example: Example, answer: str, calls: int, capsys: pytest.CaptureFixture[str]
) -> None:
    solution = _solved(example)
    (only,) = solution.rounds
    assert answer in solution.answer
    assert [o.outcome for o in only.fetched.observations] == ["done"] * calls
    assert only.fetched.diagnostics == ()
    assert main(example, []) == 0
    said = capsys.readouterr().out
    assert example.question in said
    assert solution.answer in said
    assert "simulated" in said


OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
             ast.Div: operator.truediv}  # fmt: skip


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        return Fraction(node.value)  # type: ignore[arg-type]
    assert isinstance(node, ast.BinOp)
    return Fraction(OPERATORS[type(node.op)](_value(node.left), _value(node.right)))


@pytest.mark.parametrize(
    ("numbers", "plans"), [((4, 9, 10, 13), 3), ((1, 5, 5, 5), None), ((3, 3, 8, 8), None)]
)
def test_24_is_made_of_each_number_once(numbers: tuple[int, ...], plans: int | None) -> None:
    solution = _solved(game24.game(*numbers))
    written = solution.answer.removesuffix(" = 24")
    tree = ast.parse(written, mode="eval").body
    assert _value(tree) == 24
    used = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert sorted(used) == sorted(numbers)  # type: ignore[type-var]
    assert len(solution.rounds) >= 3
    assert len(solution.rounds) == (plans or len(solution.rounds))
    later = solution.rounds[1].fetched.observations
    # A later plan goes on counting and builds on what the one before it kept.
    assert later[0].task.number == len(solution.rounds[0].fetched.observations) + 1
    assert later[0].task.needs == (later[0].task.number - 1,)


def test_what_cannot_be_made_24_ends() -> None:
    solution = _solved(game24.game(1, 1, 1, 1))
    assert solution.answer == "not found"
    assert len(solution.rounds) == 12


@contextlib.contextmanager
def _endpoint(
    plan: str, decision: str, begun: threading.Event | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An OpenAI-compatible endpoint on loopback that streams a plan, and a joiner's decision.

    Behind its first line the planner waits for something to begin; where that takes longer than
    10 s, it writes another plan.
    """
    asked: list[dict[str, Any]] = []

    async def chat(request: HttpRequest) -> StreamingResponse:
        body = await request.json()
        asked.append(body)
        text = decision if body["messages"][0]["content"] == JOINER else plan

        async def events() -> AsyncIterator[str]:
            line, *lines = text.splitlines(keepends=True)
            rest = "".join(lines)
            for piece in [line[at : at + 4] for at in range(0, len(line), 4)]:
                yield _written(piece)
            if begun is not None and text is plan and not await asyncio.to_thread(begun.wait, 10):
                rest = "nothing had begun"
            for piece in [rest[at : at + 4] for at in range(0, len(rest), 4)]:
                yield _written(piece)
            end = {"index": 0, "delta": {}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
            yield f"data: {json.dumps(_chunk([end]))}\n\n"
            yield f"data: {json.dumps(_chunk([]) | {'usage': usage})}\n\ndata: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # Who connects before the server runs waits for it.
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", asked
        finally:
            server.should_exit = True
            thread.join(10)


def _written(piece: str) -> str:
    delta = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
    return f"data: {json.dumps(_chunk([delta]))}\n\n"


def _chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m",
            "choices": choices}  # fmt: skip


def test_the_live_flag_asks_an_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    plan = '1. search("Nvidia")\n2. search("Apple")\n3. ratio($2.value, $1.value)\n4. join()'
    with _endpoint(plan, "Action: Finish(1.28 times (about))") as (address, asked):
        code = main(market_cap.EXAMPLE, ["--live", "m", "--base-url", address])
    said = capsys.readouterr().out
    assert code == 0
    assert said.rstrip().endswith("1.28 times (about)")
    assert "simulated" not in said
    planner, joiner = (body["messages"][1]["content"] for body in asked)
    assert "ratio(a: number, b: number): a divided by b" in planner
    assert market_cap.EXAMPLE.question in planner
    assert "Observation: 1.28" in joiner
    assert {body["model"] for body in asked} == {"m"}


def test_a_live_plan_runs_while_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The endpoint holds its second line back until the first line's search has begun."""
    begun = threading.Event()
    search = market_cap.EXAMPLE.tools["search"]

    async def telling(**given: Any) -> Any:
        begun.set()
        return await search.call(**given)

    tools = {**market_cap.EXAMPLE.tools, "search": replace(search, call=telling)}
    example = replace(market_cap.EXAMPLE, tools=tools)
    plan = '1. search("Nvidia")\n2. search("Apple")\n3. ratio($2.value, $1.value)\n4. join()'
    with _endpoint(plan, "Action: Finish(1.28)", begun) as (address, asked):
        assert main(example, ["--live", "m", "--base-url", address]) == 0
    assert "  3. ratio" in capsys.readouterr().out
    joiner = asked[-1]["messages"][1]["content"]
    assert "Observation: 1.28" in joiner


def test_an_endpoint_that_does_not_join_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with _endpoint("I would rather not.", "no idea") as (address, _):
        assert main(market_cap.EXAMPLE, ["--live", "m", "--base-url", address]) == 1
    assert "the joiner's answer has no line `Action: Finish" in capsys.readouterr().out


def test_the_workflow_in_ir_runs_the_same_plan() -> None:
    module = parse((files("flowir.examples") / "plans" / "market_cap.mlir").read_text())

    async def llm(node: str, messages: list[Message], *, model: str, **params: Any) -> Completion:
        await asyncio.sleep(1)
        prompt = messages[-1]["content"]
        if "Plan calls" in prompt:
            text = (
                '1. search("Apple")\n2. search("Nvidia")\n3. ratio($1.value, $2.value)\n4. join()'
            )
        else:
            text = f"Action: Finish({prompt.rsplit('Observation: ', 1)[1].split()[0]})"
        return Completion(text, Usage(1, 1), None, model)

    tools = {"search": market_cap.search, "ratio": market_cap.ratio}
    found = run(interpret(entry(module), {"question": "How many times?"}, llm, tools))
    assert found.value == "1.28"
    # What was run says how plans look.
    plans = [[o.task for o in plan.round.fetched.observations] for plan in found.plans]
    shape = learned([Recorded(tasks, False) for tasks in plans])
    assert max(shape.width.mean.values()) == shape.width.mean[1] == shape.width.mean[2]
    assert max(shape.depth.mean, key=lambda depth: shape.depth.mean[depth]) == 2
