"""What the published code of LLMCompiler gets wrong, each from the planner's text to the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from flowir.plan.signatures import Parameter, Signature
from flowir.runtime.fetching import Observation, PlanTool
from flowir.runtime.replanning import ReplanLimitError, Request, Solution, solve
from flowir.sim.clock import run

Piece = tuple[float, str]


def _quote(name: Any) -> Any:
    return {"name": name, "price": 12.5}


async def _wait(seconds: float, after: Any = None) -> float:
    await asyncio.sleep(seconds)
    return seconds


TOOLS: Mapping[str, PlanTool] = {
    "quote": PlanTool(Signature("quote", (Parameter("name"),)), _quote),
    "wait": PlanTool(
        Signature("wait", (Parameter("seconds", "number"), Parameter("after", "any", False))), _wait
    ),
}


def _solve(
    *plans: list[Piece], decisions: tuple[str, ...] = ("Action: Finish(done)",), repair: bool = True
) -> tuple[Solution, list[Request]]:
    """Plans that come in pieces, each after some seconds; what the joiner was asked comes along."""
    asked: list[Request] = []
    left = list(plans)

    async def planner(request: Request) -> AsyncIterator[str]:
        for seconds, piece in left.pop(0):
            await asyncio.sleep(seconds)
            yield piece

    async def joiner(request: Request) -> str:
        asked.append(request)
        return decisions[len(asked) - 1]

    solution = run(
        solve("q", planner=planner, joiner=joiner, tools=TOOLS, max_replans=len(plans) - 1,
              repair=repair)
    )  # fmt: skip
    return solution, asked


def _seen(solution: Solution) -> list[Observation]:
    return [o for one in solution.rounds for o in one.fetched.observations]


def test_1_a_line_without_its_bracket_is_no_key_error() -> None:
    plan = [(0.0, '1. quote("a"\n2. quote($1.name)\n3. join()\n')]
    mended, _ = _solve(plan)
    assert [o.value["name"] for o in _seen(mended)] == ["a", "a"]
    refused, (request,) = _solve(plan, repair=False)
    assert _seen(refused) == []
    assert "line 1, column 13: error: the line ends before the closing bracket" in request.history
    assert "$1.name refers to a task that was refused" in request.history


def test_2_a_task_does_not_wait_for_the_next_line() -> None:
    plan = [(0.0, "1. wait(0.3)\n2. wait(0.1, $1)\n"), (1.1, "3. wait(0.1)\n4. join()")]
    solution, _ = _solve(plan)
    assert [o.start_s for o in _seen(solution)] == pytest.approx([0, 0.3, 1.1])


def test_3_an_answer_keeps_its_brackets() -> None:
    solution, _ = _solve([(0, "1. join()")], decisions=("Action: Finish(Everest (8848 m))",))
    assert solution.answer == "Everest (8848 m)"


@pytest.mark.parametrize("pieces", [["1. quote(2)\n\n", "2. quote(3)\n\n\n3. join()\n"],
                                    ["1. quote(2)\n\n2. quo", "te(3)\n\n3. join()"]])  # fmt: skip
def test_4_a_piece_of_two_lines_is_two_lines(pieces: list[str]) -> None:
    solution, _ = _solve([(0.0, piece) for piece in pieces])
    assert [o.value["name"] for o in _seen(solution)] == [2, 3]


def test_4_references_forwards_are_said_and_two_in_a_text_and_parts_of_values_work() -> None:
    plan = (
        '1. quote($2)\n2. quote("x")\n3. quote("${2.name}+${2.price}")\n4. wait($2.price)\n'
        "5. join()"
    )
    solution, (request,) = _solve([(0.0, plan)])
    assert "$2 refers to no task so far" in request.history
    assert [o.value for o in _seen(solution)][1:] == [{"name": "x+12.5", "price": 12.5}, 12.5]


def test_5_replanning_is_exercised_and_an_invented_tool_is_an_observation() -> None:
    solution, asked = _solve(
        [(0.0, '1. fly("to the moon")\n2. quote("a")\n3. join()')],
        [(0.0, '3. quote("$2.name and ${2.name}")\n4. join()')],
        decisions=("Thought: hm\nAction: Replan(no flying)", "Action: Finish(ok)"),
    )
    assert "no tool 'fly'; the tools are quote, wait" in asked[0].history
    assert [o.task.number for o in _seen(solution)] == [2, 3]
    assert solution.answer == "ok"


def test_6_independent_tasks_run_at_the_same_time() -> None:
    lines = "".join(f"{i}. wait({i})\n" for i in range(1, 9))
    solution, _ = _solve([(0.0, lines + "9. join()")])
    assert max(o.end_s for o in _seen(solution)) == 8


def test_a_planner_that_says_the_same_again_is_told_and_bounded() -> None:
    same = [(0.0, '1. quote("a")\n2. join()\n')]
    with pytest.raises(ReplanLimitError) as raised:
        _solve(same, same, same, decisions=("Action: Replan(more)",) * 3)
    first, second, third = raised.value.rounds
    assert len(first.fetched.observations) == 1
    for later in (second, third):
        assert later.fetched.observations == ()
        assert "number 1 is taken by a task of an earlier plan; use 2" in str(
            later.fetched.diagnostics[0]
        )


def test_a_planner_that_never_ends_is_stopped_while_its_tasks_run() -> None:
    pieces = ((0.01, f"{i}. wait(0.5)\n") for i in range(1, 10**9))
    solution, (request,) = _solve(pieces)  # type: ignore[arg-type]
    assert len(_seen(solution)) == 1001
    assert "the plan has more than 1000 tasks; what follows is not read" in request.history
