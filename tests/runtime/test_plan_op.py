"""`flow.plan` in the reference interpreter, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from flowir.runtime.interpreter import Interpretation, interpret
from flowir.runtime.llm import Completion, CompletionLike, Message, Usage
from flowir.runtime.replanning import ReplanLimitError
from flowir.sim import clock
from tests.strategies_ir import entry, parse

MODULE = """
flow.agent @planner prompt "{{tools}}|{{question}}|{{history}}" space <models = ["p"]>
flow.agent @joiner prompt "{{question}}|{{history}}" space <models = ["j"]>
flow.tool @look impl "m:look" takes (x: any) effect reads {look} about "looks up"
flow.tool @add impl "m:add" takes (a: number, b: number) -> !flow.json effect pure
flow.workflow @w(%question: !flow.text) -> !flow.text {{
  %answer = flow.plan tools [@look, @add] {clauses} -> !flow.text
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


class Writer:
    """Writes plans line by line, a second for each, and joins in a second."""

    def __init__(self, plans: list[str], joins: list[str]) -> None:
        self.plans, self.joins = list(plans), list(joins)
        self.prompts: list[tuple[float, str, str]] = []
        self.closed: list[float] = []

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        self.prompts.append((_now(), node, messages[-1]["content"]))
        await asyncio.sleep(1)
        return Completion(self.joins.pop(0), Usage(1, 1), None, model)

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | CompletionLike]:
        self.prompts.append((_now(), node, messages[-1]["content"]))
        text = self.plans.pop(0)
        try:
            for line in text.splitlines(keepends=True):
                await asyncio.sleep(1)
                yield line
            yield Completion(text, Usage(1, 1), None, model)
        finally:
            self.closed.append(_now())


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _look(x: Any) -> str:
    await asyncio.sleep(5)
    if x == "nowhere":
        raise LookupError("no such page")
    return f"<{x}>"


TOOLS: Mapping[str, Any] = {"look": _look, "add": lambda a, b: a + b}


def _run(
    writer: Any, clauses: str = "", look: str = "", tools: Mapping[str, Any] = TOOLS
) -> tuple[float, Interpretation]:
    workflow = entry(parse(MODULE.format(clauses=clauses, look=look)))

    async def timed() -> tuple[float, Interpretation]:
        run = await interpret(workflow, ["q"], writer, tools)
        return _now(), run

    return clock.run(timed())


def test_tasks_run_while_the_plan_is_written_and_the_answer_is_the_joiners() -> None:
    """Lines at 1, 2, 3 and 4 s; look until 6 and 7 s; join until 8 s: max_k(Σ P + E_k) + J."""
    writer = Writer(
        ['1. look("a")\n2. look("b")\n3. add(1, 2.5)\n4. join()\n'], ["Action: Finish($1 and (b))"]
    )
    seconds, run = _run(writer)
    assert (seconds, run.value) == (8, "$1 and (b)")
    assert [call.site for call in run.calls] == ["plan", "said"]
    assert writer.prompts[0][2] == ("look(x: any): looks up\nadd(a: number, b: number)|q|")
    assert writer.prompts[1] == (
        7, "said",
        'q|1. look(x="a")\nObservation: <a>\n2. look(x="b")\nObservation: <b>\n'
        "3. add(a=1, b=2.5)\nObservation: 3.5\nNo other plan can follow: finish.\n",
    )  # fmt: skip


def test_without_pieces_the_plan_is_there_when_all_of_it_is() -> None:
    class Whole(Writer):
        pieces: Any = None

        async def __call__(
            self, node: str, messages: list[Message], *, model: str, **params: Any
        ) -> Completion:
            if node == "plan":
                await asyncio.sleep(3)
                return Completion(self.plans.pop(0), Usage(1, 1), None, model)
            return await super().__call__(node, messages, model=model, **params)

    seconds, run = _run(Whole(['1. look("a")\n2. join()\n'], ["Finish(x)"]))
    assert (seconds, run.value) == (3 + 5 + 1, "x")


def test_a_failure_is_seen_by_the_joiner_and_another_plan_uses_what_was_found() -> None:
    writer = Writer(
        ['1. look("nowhere")\n2. look("a")\n3. look($1)\n4. join()', "4. look($2)\n5. join()"],
        ["Thought: it is not there\nAction: Replan(look at what a says)", "Action: Finish(done)"],
    )
    _, run = _run(writer, 'max_replans 2 at "solve"')
    assert run.value == "done"
    assert [p.site for p in run.plans] == ["solve", "solve"]
    found = [[(o.outcome, o.value) for o in plan.round.fetched.observations] for plan in run.plans]
    assert found == [
        [
            ("failed", "LookupError: no such page"),
            ("done", "<a>"),
            ("skipped", "not run: there is no result of task 1"),
        ],
        [("done", "<<a>>")],
    ]
    assert [plan.round.decision.action for plan in run.plans] == ["replan", "finish"]
    assert [call.site for call in run.calls] == ["plan", "said", "plan", "said"]
    assert writer.prompts[2][2].endswith(
        "Thought: look at what a says\n\nThe next task is number 4.\n"
    )
    assert "No other plan" not in writer.prompts[1][2]


def test_a_joiner_that_never_finishes_ends_the_run() -> None:
    writer = Writer(["1. join()"] * 2, ["Replan(more)"] * 2)
    with pytest.raises(ExceptionGroup) as raised:
        _run(writer, "max_replans 1")
    assert raised.group_contains(ReplanLimitError, match="after 2 plans the joiner asks")


def test_caps_and_timeouts_are_the_tools() -> None:
    """Two at once, three seconds each: none of four has its answer after five; 2 + 2 after 6 s."""
    writer = Writer(
        ["".join(f'{i}. look("{i}")\n' for i in range(1, 5)) + "5. join()\n"], ["Finish(x)"]
    )
    seconds, run = _run(writer, look="concurrency 2 timeout 3.0")
    observations = run.plans[0].round.fetched.observations
    assert {(o.outcome, o.value) for o in observations} == {("failed", "no answer within 3 s")}
    assert [(o.start_s, o.end_s) for o in observations] == [(1, 4), (2, 5), (4, 7), (5, 8)]
    assert seconds == 9


def test_max_tasks_stops_a_planner_that_never_ends() -> None:
    writer = Writer(["".join(f"{i}. add({i}, 1)\n" for i in range(1, 900))], ["Finish(x)"])
    seconds, run = _run(writer, "max_tasks 3")
    assert len(run.plans[0].round.fetched.observations) == 4
    assert writer.closed == [4]
    assert seconds == 5


def test_what_a_planner_writes_after_its_join_is_not_waited_for() -> None:
    """The stream may go on while tasks run, as to tell the usage, and is closed when they end."""
    writer = Writer(['1. look("a")\n2. join()\n' + "more\n" * 100], ["Finish(x)"])
    seconds, _ = _run(writer)
    assert writer.closed == [6]
    assert seconds == 7


def test_cancelling_a_run_cancels_planner_and_tasks() -> None:
    ended: list[tuple[str, float]] = []

    async def look(x: str) -> str:
        try:
            await asyncio.sleep(50)
        finally:
            ended.append((x, _now()))
        return x

    writer = Writer(['1. look("a")\n2. look("b")\n' + "\n" * 100], [])
    workflow = entry(parse(MODULE.format(clauses="", look="")))

    async def run() -> None:
        async with asyncio.timeout(4.5):
            await interpret(workflow, ["q"], writer, {**TOOLS, "look": look})

    with pytest.raises(TimeoutError):
        clock.run(run())
    assert sorted(ended) == [("a", 4.5), ("b", 4.5)]
    assert writer.closed == [4.5]


def test_regions_of_more_than_a_call_are_read_when_they_are_done() -> None:
    """A planner that is a fallback, and a joiner that is a vote."""
    text = """
    flow.agent @planner prompt "{question}" space <models = ["p"]>
    flow.agent @joiner prompt "{history}" space <models = ["j"]>
    flow.tool @add impl "m:add" takes (a: number, b: number) -> !flow.json effect pure
    flow.tool @check impl "m:check" -> !flow.bool accepts <right = 1.0, wrong = 0.0>
    flow.workflow @w(%question: !flow.text) -> !flow.text {
      %answer = flow.plan tools [@add] -> !flow.text
        planner(%tools, %history) {
          %kept = flow.fallback until @check max 2 -> !flow.text {
            %plan = flow.call @planner(%question) : (!flow.text) -> !flow.text
            flow.yield %plan : !flow.text
          }
          flow.yield %kept : !flow.text
        }
        joiner(%history) {
          %a = flow.call @joiner(%history) : (!flow.text) -> !flow.text
          %b = flow.call @joiner(%history) : (!flow.text) -> !flow.text
          %c = flow.call @joiner(%history) : (!flow.text) -> !flow.text
          %v = flow.join vote(%a, %b, %c)
            : (!flow.text, !flow.text, !flow.text) -> !flow.text
          flow.yield %v : !flow.text
        }
      flow.return %answer : !flow.text
    }"""
    joins = ["1. nothing(", "1. add(1, 2)\n2. join()", "Finish(3)", "Finish(4)", "Finish(3)"]

    async def llm(node: str, messages: list[Message], *, model: str, **params: Any) -> Completion:
        return Completion(joins.pop(0), Usage(1, 1), None, model)

    tools = {"add": lambda a, b: a + b, "check": lambda plan: "add" in plan}
    run = clock.run(interpret(entry(parse(text)), ["q"], llm, tools))
    assert run.value == "3"
    assert [call.site for call in run.calls] == ["plan", "plan", "a", "b", "c"]
    assert run.plans[0].round.fetched.observations[0].value == 3
