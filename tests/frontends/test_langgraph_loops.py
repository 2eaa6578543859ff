"""Loops and `Command`s: which guards bound, what is refined, what is unrolled, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowir.dialects import flow
from flowir.frontends.langgraph import GraphImportError, from_langgraph
from flowir.frontends.langgraph.reading.builder import read_graph
from tests.frontends.random_graphs import load_source
from tests.frontends.scripted import Script, run_emitted, run_original

HEAD = """
import operator
from typing import Annotated, Literal, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)
MOST = 3


class State(TypedDict):
    text: str
    draft: str
    score: int
    n: int
    log: Annotated[list[str], operator.add]
    total: Annotated[int, operator.add]
"""

LOOP = """
def work(state: State):
    draft = llm.invoke(f"work {{state['text']}} {{state.get('draft', 'none')}}").content
    return {update}


def after(state: State):
    {guard}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
builder.add_conditional_edges("work", after, ["work", END])
graph = builder.compile()
"""
COUNTED = '{"draft": draft, "n": state.get("n", 0) + 1}'


@pytest.mark.parametrize(
    ("update", "guard", "bound"),
    [
        (COUNTED, 'return END if state["n"] >= 3 else "work"', 3),
        (COUNTED, 'return END if state["n"] > MOST else "work"', 3),
        (COUNTED, 'return "work" if state["n"] < 2 else END', 2),
        (COUNTED, 'return END if state["n"] == 2 else "work"', 2),
        (COUNTED, 'return END if state["n"] >= 2 or "?" in state["draft"] else "work"', 2),
        ('{"draft": draft, "log": [draft]}', 'return END if len(state["log"]) > 2 else "work"', 2),
        ('{"draft": draft, "total": 1}', 'return END if state["total"] >= 2 else "work"', 2),
        # These compare numbers, and bound nothing.
        (COUNTED, 'return END if state["n"] >= 2 and "?" in state["draft"] else "work"', None),
        (
            '{"draft": draft, "score": len(draft) % 9}',
            'return END if state["score"] >= 4 else "work"',
            None,
        ),
        (
            '{"draft": draft, "n": state.get("n", 0) + len(draft) % 2}',
            'return END if state["n"] >= 2 else "work"',
            None,
        ),
        ('{"draft": draft, "log": []}', 'return END if len(state["log"]) > 2 else "work"', None),
    ],
)
def test_guards_bound_loops_where_a_counter_counts_turns(
    update: str, guard: str, bound: int | None, tmp_path: Path
) -> None:
    """What is bounded does what the graph does, whatever the model says."""
    graph: Any = load_source(HEAD + LOOP.format(update=update, guard=guard), tmp_path).graph
    (loop,) = read_graph(graph, "graph").loops
    assert loop.bound == bound
    found = from_langgraph(graph)
    assert any("--bound" in q.attribute for q in found.questions) == (bound is None)
    if bound is None:
        return
    (refine,) = [op for op in found.module.walk() if isinstance(op, flow.RefineOp)]
    assert refine.bound.data == bound  # a guard that compares with n is passed n + 1 times at most
    for seed in range(3):
        original, again = Script(seed), Script(seed)
        state = run_original(graph, {"text": "{x}"}, original)
        value = run_emitted(found, "asyncio", {"text": "{x}"}, again)
        assert again.asked == original.asked
        assert value == {key: state[key] for key in value}


TWO_EXITS = """
def work(state: State):
    return {"draft": llm.invoke(f"work {state['text']}").content, "n": state.get("n", 0) + 1}


def check(state: State):
    return {"score": llm.invoke(f"check {state['draft']}").content.count("?")}


def early(state: State):
    return FIRST if "?" in state["draft"] else "check"


def late(state: State):
    return SECOND if state["n"] >= 3 or state["score"] % 2 else "work"


def left(state: State):
    return {"score": 0}


builder = StateGraph(State)
for node in (work, check, left):
    builder.add_node(node)
builder.add_edge(START, "work")
builder.add_conditional_edges("work", early, [FIRST, "check"])
builder.add_conditional_edges("check", late, [SECOND, "work"])
graph = builder.compile()
"""


@pytest.mark.parametrize("kind", ["asyncio", "langgraph"])
def test_a_loop_that_is_left_at_two_nodes_for_one_is_unrolled(kind: str, tmp_path: Path) -> None:
    source = TWO_EXITS.replace("FIRST", "END").replace("SECOND", "END")
    graph: Any = load_source(HEAD + source, tmp_path).graph
    found = from_langgraph(graph)
    assert not [op for op in found.module.walk() if isinstance(op, flow.RefineOp)]
    ways = set()
    for seed in range(12):
        original, again = Script(seed), Script(seed)
        state = run_original(graph, {"text": "x"}, original)
        value = run_emitted(found, kind, {"text": "x"}, again)
        assert again.asked == original.asked
        assert value == {key: state[key] for key in value}
        ways.add(original.asked.total())
    assert len(ways) > 2


def test_a_loop_that_is_left_for_two_nodes_is_refused(tmp_path: Path) -> None:
    source = TWO_EXITS.replace("FIRST", "'left'").replace("SECOND", "END")
    with pytest.raises(GraphImportError, match="'work' begins a loop that is left to several"):
        from_langgraph(load_source(HEAD + source, tmp_path).graph)


COMMANDS = """
def choose(state: State) -> Command[Literal["short", "long"]]:
    BODY


def short(state: State):
    return {"draft": "short"}


def long(state: State):
    return {"draft": "long"}


builder = StateGraph(State)
for node in (choose, short, long):
    builder.add_node(node)
builder.add_edge(START, "choose")
graph = builder.compile()
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('return Command(goto=["short", "long"])', "goes to several nodes by one Command"),
        ('return Command(goto=Send("short", {}))', "sends an item by Command"),
        ('return Command(goto="short", graph=Command.PARENT)', "of the graph around it by Command"),
        (
            'return {"n": 1} if state["text"] else Command(goto="short")',
            "returns a Command only sometimes",
        ),
        (
            'return Command(goto="short") if state["text"] else Command(update={"n": 1})',
            "returns a Command that goes nowhere; write goto=END",
        ),
    ],
)
def test_commands_without_a_form_are_refused(body: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(GraphImportError, match=words):
        from_langgraph(load_source(HEAD + COMMANDS.replace("BODY", body), tmp_path).graph)


def test_commands_of_code_branch(tmp_path: Path) -> None:
    """A node without a model goes where its Command says, and writes what that updates."""
    body = (
        'return Command(goto="long" if len(state["text"]) > 3 else "short", '
        'update={"n": len(state["text"])})'
    )
    graph: Any = load_source(HEAD + COMMANDS.replace("BODY", body), tmp_path).graph
    found = from_langgraph(graph)
    for text in ("ab", "abcde"):
        for kind in ("asyncio", "langgraph"):
            state = run_original(graph, {"text": text}, Script(0))
            value = run_emitted(found, kind, {"text": text}, Script(0))
            assert value == {"draft": state["draft"], "n": state["n"]}


def test_defaults_are_taken_where_nobody_has_written(tmp_path: Path) -> None:
    """`.get(key, default)` after a branch that may leave the key unset, in prompts and in code."""
    source = """
def first(state: State):
    return {"n": llm.invoke(f"first {state['text']}").content.count("?")}


def route(state: State):
    return "some" if state["n"] % 2 else "none"


def some(state: State):
    return {"draft": "written"}


def none(state: State):
    return {"score": state.get("score", 7) + 1}


def last(state: State):
    said = llm.invoke(f"last {state.get('draft', 'nothing')} {state.get('score', 3)}").content
    return {"text": said}


def code(state: State):
    return {"log": [state.get("draft", "nothing")]}


builder = StateGraph(State)
for node in (first, some, none, last, code):
    builder.add_node(node)
builder.add_edge(START, "first")
builder.add_conditional_edges("first", route, ["some", "none"])
builder.add_edge("some", "last")
builder.add_edge("none", "last")
builder.add_edge("last", "code")
graph = builder.compile()
"""
    graph: Any = load_source(HEAD + source, tmp_path).graph
    found = from_langgraph(graph, inputs=("text",))
    ways = set()
    for seed in range(12):
        original, again = Script(seed), Script(seed)
        state = run_original(graph, {"text": "x"}, original)
        value = run_emitted(found, "asyncio", {"text": "x"}, again)
        assert again.asked == original.asked
        written = ("text", "n", "draft", "score", "log")
        assert value == {key: state[key] for key in written if key in state}
        ways.add("draft" in state)
    assert ways == {True, False}
