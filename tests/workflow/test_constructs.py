"""What plain Python cannot show of constructs: races, orders of inputs, equal declarations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.calculus.from_ir import find_workflow
from flowir.dialects import flow
from flowir.runtime.interpreter import interpret
from flowir.runtime.llm import Completion, Usage
from flowir.sim import clock
from flowir.workflow import (
    Traced,
    Workflow,
    WorkflowError,
    agent,
    fallback,
    first,
    map_,
    refine,
    select,
    tool,
    workflow,
)


def run(what: Workflow, answer: Any, tools: Any = None, task: str = "task") -> Any:
    """The value on a virtual clock; `answer(node, text)` gives seconds and the answer."""

    async def llm(node: str, messages: Any, *, model: str, **params: Any) -> Completion:
        seconds, text = answer(node, messages[-1]["content"])
        await asyncio.sleep(seconds)
        return Completion(text, Usage(1, 1), None, model)

    op = find_workflow(what.to_ir().module, what.name)
    return clock.run(interpret(op, [task], llm, tools or {})).value


@agent(models=["m"])
def ask(task: str) -> str:
    """{task}"""


@given(
    seconds=st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True),
    delays=st.lists(st.sampled_from([0.0, 20.25, 40.5]), min_size=3, max_size=3),
    accepted=st.sets(st.integers(0, 3)),
    judged=st.booleans(),
)
def test_first_is_the_earliest_that_is_accepted_else_the_last(seconds, delays, accepted, judged):
    count = len(seconds)
    after = [0.0, *delays][:count]

    @tool(name="good")
    def good(task: str, value: str) -> bool:
        return int(value) in accepted

    @workflow
    def raced(task: str) -> str:
        drafts = [ask(task) for _ in range(count)]
        until: dict[str, Any] = {"until": good, "given": task} if judged else {}
        return first(drafts, after=after, **until)

    names = [f"drafts_{n}" if n else "drafts" for n in range(count)]

    def answer(node: str, text: str) -> tuple[float, str]:
        return seconds[names.index(node)], str(names.index(node))

    arrivals = sorted(range(count), key=lambda n: after[n] + seconds[n])
    good_ones = [n for n in arrivals if n in accepted or not judged]
    expected = good_ones[0] if good_ones else arrivals[-1]
    assert run(raced, answer, {"good": good.function}) == str(expected)


@pytest.mark.parametrize("word", ["fallback", "refine", "first", "select"])
def test_a_judge_reads_each_input_where_its_prompt_has_it(word):
    """`given` is in the order of the parameters, whatever the order in the prompt."""

    @agent(models=["m"])
    def judge(task: str, style: str, value: Any) -> str:
        """style={style} task={task} value={value}"""

    @agent(prompt="style of {task}", models=["m"])
    def styled(task: str) -> str: ...

    asked: list[str] = []

    @workflow
    def judged(task: str) -> str:
        style, one, two = styled(task), ask(task), ask(task)
        inputs: dict[str, Any] = {"given": [task, style]}
        if word == "select":
            return select(one, two, by=judge, **inputs)
        if word == "first":
            return first(one, two, until=judge, **inputs)
        if word == "fallback":
            return fallback(lambda: one, until=judge, max=2, **inputs)
        return refine(one, lambda value, feedback: two, until=judge, max=1, **inputs)

    def answer(node: str, text: str) -> tuple[float, str]:
        asked.append(text)
        return 1.0, "S" if text.startswith("style of") else "ACCEPT 1" if "=" in text else text

    run(judged, answer)
    shown = "1. task\n2. task" if word == "select" else "task"
    assert set(asked) == {"task", "style of task", f"style=S task=task value={shown}"}


def test_a_judge_whose_prompt_does_not_end_in_the_value_is_refused():
    @agent(models=["m"])
    def judge(task: str, value: str) -> bool:
        """{value} for {task}"""

    @workflow
    def judged(task: str) -> str:
        return fallback(lambda: ask(task), until=judge, given=task, max=2)

    with pytest.raises(WorkflowError, match="let the prompt read it last"):
        judged.to_ir()


def test_declarations_that_are_equal_are_one():
    """A cell of a notebook that ran twice declares its agents again."""
    again = agent("ask", prompt="{task}", models=["m"])

    @workflow
    def both(task: str) -> str:
        return again(ask(task))

    agents = [op for op in both.to_ir().module.ops if isinstance(op, flow.AgentOp)]
    assert len(agents) == 1


def test_decisions_of_groups_and_calls_of_helpers():
    def stronger(value: Traced) -> Traced:
        return ask.grouped("strong").within(["m"])(value)

    @workflow
    def helped(task: str) -> str:
        for _ in range(2):
            task = stronger(task)
        return task

    calls = [op for op in helped.to_ir().module.walk() if isinstance(op, flow.CallOp)]
    assert [op.group.data for op in calls if op.group is not None] == ["strong", "strong"]
    assert run(helped, lambda node, text: (1.0, text + "!")) == "task!!"


def test_a_map_that_counts_by_its_mean_and_an_agent_as_a_body():
    lines = agent("lines", prompt="{task}", models=["m"], output=list[str])

    @workflow
    def mapped(task: str) -> list[str]:
        return map_(ask, lines(task), max=3, mean=True)

    assert " mean " in str(mapped.to_ir())
    answers = {"lines": "a\nb"}
    assert run(mapped, lambda node, text: (1.0, answers.get(node, text * 2))) == ["aa", "bb"]


def test_inputs_by_name_only_and_by_position_only():
    @workflow
    def named(task: str, /, *, style: str) -> str:
        return agent("join", prompt="{a} {b}", models=["m"])(b=task, a=style)

    @workflow
    def outer(task: str) -> str:
        return named(task, style=ask(task))

    text = run(outer, lambda node, text: (1.0, text if "join" in node or " " in text else "S"))
    assert text == "S task"


def test_models_may_have_budgets_and_parameters_of_their_own() -> None:
    own = {"a": {"params": {"top_p": [0.9]}}, "b": {"budgets": ["low", "high"]}, "c": [1, 2]}
    coder = agent("coder", prompt="{x}", models=own, budgets=[7], params={"temperature": [0.0]})
    assert str(coder.op.space) == (
        '#dse.space<models = ["a" {budgets = [7], params = {top_p = [0.9]}}, '
        '"b" {budgets = ["low", "high"], params = {temperature = [0.0]}}, '
        '"c" {budgets = [1, 2], params = {temperature = [0.0]}}]>'
    )
