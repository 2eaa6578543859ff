"""Plans in JSON and as parallel tool calls say what the same plan in text says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowir.plan.diagnostics import Diagnostic
from flowir.plan.documents import read_json_plan, read_tool_calls
from flowir.plan.events import Event, Join, Task
from flowir.plan.reader import read_plan
from tests.plan.plans import TOOLS


def _calls(events: list[Event]) -> list[Any]:
    return [(e.number, e.tool, e.arguments) for e in events if isinstance(e, Task)]


def test_json_and_text_give_the_same_tasks() -> None:
    text = '1. search("a")\n2. math("$1 + ${1.x}", ["$1", 2, {"k": "$1"}])\n3. join()'
    plan = {"tasks": [
        {"id": 1, "tool": "search", "arguments": {"query": "a"}},
        {"tool": "math",
         "arguments": {"problem": "$1 + ${1.x}", "context": ["$1", 2, {"k": "$1"}]}},
    ]}  # fmt: skip
    read = read_json_plan(json.dumps(plan), TOOLS)
    assert _calls(read) == _calls(read_plan(text, TOOLS))
    assert read == read_json_plan(plan, TOOLS)
    assert isinstance(read[-1], Join)


def test_parallel_tool_calls_are_tasks_whose_text_is_only_text() -> None:
    calls = [
        {"id": "x", "function": {"name": "search", "arguments": '{"query": "$1"}'}},
        {"id": "y", "function": {"name": "serch", "arguments": '{"query": "b"}'}},
        {"id": "z", "function": {"name": "search", "arguments": '{"query": '}},
        {"id": "z"},
    ]
    events = read_tool_calls(calls, TOOLS)
    assert _calls(events) == [(1, "search", (("query", "$1"),))]
    found = [e.message for e in events if isinstance(e, Diagnostic)]
    assert [m.split(";")[0] for m in found] == [
        "no tool 'serch'",
        "search: 'arguments' is no JSON object",
        "no call of a function: \"{'id': 'z'}\"",
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(["search", "tasks", "tool", "id", "arguments", "function", "name", "$1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["tasks", "tool", "id", "arguments", "function", "name", "query"]), inner
    ),
)  # fmt: skip


@given(ANYTHING, st.booleans())
def test_any_document_gives_findings_and_no_exception(found: Any, repair: bool) -> None:
    for plan in (found, {"tasks": [found]}, {"tasks": found}):
        events = read_json_plan(plan, TOOLS, repair=repair)
        assert events
        assert read_json_plan(json.dumps(plan), TOOLS, repair=repair)
    assert read_tool_calls([found], TOOLS, repair=repair)
