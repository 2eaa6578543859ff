"""A recorded run as a plan: the same results, and no dependency lost that the record shows."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.plan.events import Task
from flowir.plan.ir import plan_module
from flowir.plan.react import Parallelised, parallelised
from flowir.plan.react_trace import Step, Trace, TraceError, read_trace
from flowir.plan.signatures import Parameter, Signature
from tests.plan.executing import fetched_results
from tests.plan.test_ir import parse

LOOK = Signature("look", (Parameter("x"),), pure=True)
DO = Signature("do", (Parameter("x"),))
QUESTION = "compare apples with pears and plums"


def _look(x: Any) -> Any:
    """Results with words of their own, as text or as JSON, the same for the same arguments."""
    draw = random.Random(json.dumps(x, sort_keys=True))
    word = "".join(draw.choice("bcdfghjkl") for _ in range(6))
    number = draw.randint(100, 9999)
    return draw.choice(
        [f"{word} lives {number}", word, number, {"name": word, "of": [number, word + "ish"]}]
    )


def _sources(trace: Trace, made: Parallelised) -> dict[int, set[int]]:
    """What each task comes behind: by reference, through others, or by rounds."""
    behind: dict[int, set[int]] = {}
    for events, _ in made.rounds:
        before = set(behind)
        for task in events:
            if isinstance(task, Task):
                direct = {n for need in task.needs for n in ({need} | behind[need])}
                behind[task.number] = before | direct
    return behind


def _random_trace(draw: random.Random) -> tuple[Trace, list[set[int]]]:
    """A run, and for each step the steps whose results its arguments were made of."""
    steps: list[Step] = []
    made_of: list[set[int]] = []
    for place in range(draw.randint(1, 8)):
        of: set[int] = set()

        def piece(place: int = place, of: set[int] = of) -> Any:
            if place == 0 or draw.random() < 0.4:
                return draw.choice(["apples", "pears", "plums and pears"])
            source = draw.randrange(place)
            of.add(source)
            found: Any = steps[source].observation
            if isinstance(found, dict):
                found = draw.choice([found["name"], found["of"][0], found["of"][1], found])
            if isinstance(found, str) and draw.random() < 0.3:
                found = found.split()[0]
            return found

        form = draw.randrange(4)
        argument: Any = piece()
        if form == 1:
            argument = f"size of {argument if isinstance(argument, str | int) else 'it'}"
            if "it" in argument.split():
                of.clear()
        elif form == 2:
            argument = [argument, piece(), 7]
        elif form == 3:
            argument = {"k": argument, "also": f"{piece()}"}
        tool = "do" if draw.random() < 0.1 else "look"
        steps.append(Step(tool, {"x": argument}, _look(argument), place))
        made_of.append(of)
    return Trace(QUESTION, tuple(steps)), made_of


@given(st.randoms(use_true_random=False))
def test_the_plan_gives_what_was_observed_and_keeps_what_was_used(draw: random.Random) -> None:
    trace, made_of = _random_trace(draw)
    made = parallelised(trace, (LOOK, DO))
    module = plan_module(made.rounds, made.tools)
    module.verify()
    results = fetched_results(parse(str(module)), {"look": _look, "do": _look})
    assert results == {i + 1: step.observation for i, step in enumerate(trace.steps)}
    behind = _sources(trace, made)
    for place, of in enumerate(made_of):
        assert {source + 1 for source in of} <= behind[place + 1]
        if trace.steps[place].tool == "do":
            assert behind[place + 1] == set(range(1, place + 1))


def test_independent_calls_run_together() -> None:
    steps = tuple(Step("look", {"x": f"{fruit}"}, _look(fruit), i)
                  for i, fruit in enumerate(["apples", "pears", "plums"]))  # fmt: skip
    made = parallelised(Trace(QUESTION, steps), (LOOK,))
    assert len(made.rounds) == 1
    assert [e.needs for e in made.rounds[0][0] if isinstance(e, Task)] == [(), (), ()]


def test_a_value_of_two_observations_waits_for_both() -> None:
    steps = (
        Step("look", {"x": "apples"}, "quux", 0),
        Step("look", {"x": "pears"}, {"a": "quux"}, 1),
        Step("look", {"x": "quux"}, "end", 2),
    )
    made = parallelised(Trace(QUESTION, steps), (LOOK,))
    assert [why for _, why in made.rounds] == [
        "task 3: 'quux' in it may be of the result of task 1",
        "",
    ]


def test_a_dollar_sign_of_a_record_is_no_reference() -> None:
    steps = (Step("look", {"x": "apples"}, "quux", 0), Step("look", {"x": "$1 or ${1}"}, "e", 1))
    made = parallelised(Trace(QUESTION, steps), (LOOK,))
    seen: list[Any] = []

    def look(x: Any) -> Any:
        seen.append(x)
        return "quux"

    fetched_results(parse(str(plan_module(made.rounds, made.tools))), {"look": look})
    assert seen == ["apples", "$1 or ${1}"]


def test_messages_are_read_with_what_each_call_could_see() -> None:
    def call(identity: str, query: str) -> dict[str, Any]:
        function = {"name": "look", "arguments": json.dumps({"x": query})}
        return {"id": identity, "type": "function", "function": function}

    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "both", "tool_calls": [call("a", "w"), call("b", "v")]},
        {"role": "tool", "tool_call_id": "a", "content": "w v"},
        {"role": "tool", "tool_call_id": "b", "content": "v"},
        {"role": "assistant", "content": None, "tool_calls": [call("c", "w")]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]
    trace = read_trace(json.dumps(messages))
    assert [step.sees for step in trace.steps] == [0, 0, 2]
    # The second call has a word of the first's result, which it could not have seen.
    assert len(parallelised(trace, (LOOK,)).rounds) == 2
    lines = [
        {"question": QUESTION},
        {"action": "look", "action_input": "w", "observation": "w v"},
        {"action": "look", "action_input": {"x": "v"}, "observation": "v"},
        {"thought": "so", "action": "Final Answer", "action_input": "v"},
    ]
    read = read_trace("\n".join(map(json.dumps, lines)))
    assert [dict(step.arguments) for step in read.steps] == [{"input": "w"}, {"x": "v"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no step"),
        ("{}\n{", "line 2: no JSON"),
        ("3", "line 1: no JSON object"),
        ('{"action": 3}', "line 1: the action names no tool"),
        ('{"action": "look"}', "line 1: look has no observation"),
        ("[3]", "message 1: no JSON object"),
        ('[{"role": "user", "content": "q"}]', "no message has tool_calls"),
        ('[{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "look"}}]}]',
         "no tool message answers the call a of look"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_said(text: str, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        read_trace(text)


@given(st.text(max_size=60) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["role", "tool_calls", "content", "action", "observation", "function",
                         "name", "arguments", "id", "question"]), inner, max_size=4),
).map(json.dumps))  # fmt: skip
def test_any_text_is_a_trace_or_said_to_be_none(text: str) -> None:
    try:
        trace = read_trace(text)
    except TraceError:
        return
    parallelised(trace)
