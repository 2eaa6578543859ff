"""Planner, tasks and joiner together: several plans, one numbering, a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from flowir.plan.joiner import JoinerError
from flowir.plan.signatures import Parameter, Signature
from flowir.runtime.fetching import PlanTool
from flowir.runtime.replanning import ReplanLimitError, Request, Solution, solve
from flowir.sim.clock import run


def _look(x: object) -> str:
    if x == "nowhere":
        raise LookupError("no such page")
    return f"<{x}>"


LOOK = {"look": PlanTool(Signature("look", (Parameter("x"),), "looks (a thing) up"), _look)}


class _Script:
    """A planner and a joiner that say what they are told to, and keep what they were asked."""

    def __init__(self, plans: list[str], joins: list[str]) -> None:
        self.plans, self.joins = plans, joins
        self.asked: list[Request] = []
        self.joined: list[Request] = []

    async def plan(self, request: Request) -> AsyncIterator[str]:
        self.asked.append(request)
        for character in self.plans[len(self.asked) - 1]:
            await asyncio.sleep(0.01)
            yield character

    async def join(self, request: Request) -> str:
        self.joined.append(request)
        return self.joins[len(self.joined) - 1]

    def solve(self, max_replans: int) -> Solution:
        return run(
            solve("q?", planner=self.plan, joiner=self.join, tools=LOOK, max_replans=max_replans)
        )


def test_a_second_plan_sees_and_uses_the_first() -> None:
    script = _Script(
        ['1. look("a")\n2. look("nowhere")\n3. join()', '3. look("$1 b")\n4. join()<END_OF_PLAN>'],
        ["Thought: not there\nAction: Replan(look elsewhere)", "Action: Finish(it is (c))"],
    )
    solution = script.solve(2)
    assert solution.answer == "it is (c)"
    assert [[o.value for o in r.fetched.observations] for r in solution.rounds] == [
        ["<a>", "LookupError: no such page"],
        ["<<a> b>"],
    ]
    assert [(r.first, r.last) for r in script.asked] == [(1, False), (3, False)]
    assert script.asked[0].tools == "look(x: any): looks (a thing) up"
    assert script.asked[0].history == ""
    assert script.asked[1].history == (
        '1. look(x="a")\nObservation: <a>\n'
        '2. look(x="nowhere")\nObservation: (failed: LookupError: no such page)\n'
        "Thought: look elsewhere\n\n"
    )
    assert script.joined[1].history.endswith('3. look(x="${1} b")\nObservation: <<a> b>\n')


def test_plans_end_after_the_last_that_may_be_made() -> None:
    script = _Script(['1. look("a")\n2. join()', "2. join()"], ["Action: Replan(more)"] * 2)
    with pytest.raises(ReplanLimitError, match=r"after 2 plans .* 'more'") as raised:
        script.solve(1)
    assert len(raised.value.rounds) == 2
    assert [request.last for request in script.joined] == [False, True]


@pytest.mark.parametrize("plan", ["", "I cannot plan.", "1. fly()\n2. join()", "1. look($1)"])
def test_a_plan_of_nothing_reaches_the_joiner_with_the_reason(plan: str) -> None:
    script = _Script([plan], ["Action: Finish(nothing)"])
    assert script.solve(0).answer == "nothing"
    history = script.joined[0].history
    assert history == "(a plan without tasks)\n" if not plan else "Refused: line 1" in history


def test_a_joiner_that_says_neither_is_refused() -> None:
    with pytest.raises(JoinerError, match="no line `Action: Finish"):
        _Script(["1. join()"], ["well"]).solve(0)


def test_what_a_planner_writes_after_its_plan_is_not_waited_for() -> None:
    async def endless(request: Request) -> AsyncIterator[str]:
        yield '1. look("a")\n2. join()\n'
        while True:
            await asyncio.sleep(1)
            yield "and so on\n"

    async def join(request: Request) -> str:
        return f"Action: Finish({asyncio.get_running_loop().time()})"

    assert run(solve("q?", planner=endless, joiner=join, tools=LOOK)).answer == "0.0"


def test_nothing_in_a_plan_is_evaluated() -> None:
    attack = '__import__("os").system("true")'
    script = _Script(
        [f'1. look({attack})\n2. look("{{0.__class__}} %s")\n3. look($1.__class__)\n4. join()'],
        ["Action: Finish(x)"],
    )
    seen = script.solve(0).rounds[0].fetched.observations
    assert seen[0].value == f"<{attack}>"
    assert seen[1].value == "<{0.__class__} %s>"
    assert seen[2].outcome == "failed"
