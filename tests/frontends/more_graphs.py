"""Graphs with one difficulty each, for the importer's tests."""

import operator
from typing import Annotated, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)
repeating = ChatOpenAI(
    model="gpt-4o-mini", api_key="unused", max_retries=4, base_url="http://localhost:1/v1"
)


class State(TypedDict):
    text: str
    kind: str
    a: str
    b: str
    log: Annotated[list[str], operator.add]
    count: int
    answer: str


def ask(words: str) -> str:
    """Hides its model call from the nodes that use it."""
    return str(llm.invoke(words).content)


def first(state: State):
    return {"a": llm.invoke(f"first {state['text']}").content, "log": ["first"]}


def second(state: State):
    return {"b": llm.invoke(f"second {state['text']}").content, "log": ["second"]}


def third(state: State):
    return {"b": llm.invoke(f"third {state['b']}").content}


def last(state: State):
    answer = llm.invoke(f"last {state['a']} {state['b']} {state.get('log')}")
    return {"answer": answer.content.strip(), "log": ["last"]}


def by_length(state: State):
    if len(state["a"]) % 2:
        return "odd"
    return "even"


def by_b(state: State):
    return "odd" if len(state["b"]) % 2 else "even"


def maybe(state: State):
    if state["a"].endswith("? "):
        return {"kind": "question", "count": 1}
    return {"kind": "statement"}


def by_kind(state: State):
    return state["kind"] == "question"


def count(state: State):
    return {"count": state.get("count", 0) + 1}


def enough(state: State):
    return END if state["count"] >= 3 else "work"


def work(state: State):
    return {"log": [llm.invoke(f"turn {state['count']} of {state['text']}").content]}


def built(*edges, nodes, routers=(), **options):
    """A graph of the functions above."""
    builder = StateGraph(State)
    for node in nodes:
        builder.add_node(node, **options)
    for edge in edges:
        builder.add_edge(*edge)
    for router in routers:
        builder.add_conditional_edges(*router)
    return builder.compile()


diamond = built(
    (START, "first"),
    (START, "second"),
    (["first", "second"], "last"),
    (["last"], END),
    nodes=(first, second, last),
)
"""Both sides add to one list; LangGraph adds in the order of names."""

uneven = built(
    (START, "first"),
    (START, "second"),
    ("second", "third"),
    (["first", "third"], "last"),
    nodes=(first, second, third, last),
)

twice = built(
    (START, "first"),
    (START, "second"),
    ("second", "third"),
    ("first", "last"),
    ("third", "last"),
    nodes=(first, second, third, last),
)

never = built(
    (START, "first"),
    (START, "second"),
    (["first", "maybe"], "last"),
    nodes=(first, second, maybe, last),
    routers=(("second", by_b, {"odd": "maybe", "even": END}),),
)

partly = built(
    (START, "first"),
    ("first", "maybe"),
    ("second", "last"),
    ("last", END),
    nodes=(first, maybe, second, last),
    routers=(("maybe", by_kind, {True: "second", False: END}),),
)
"""A node that does not always write what it writes, answers that are bools, and keys that stay
unset."""

while_loop = built(
    (START, "count"),
    ("work", "count"),
    nodes=(count, work),
    routers=(("count", enough),),
)

serial = built((START, "first"), ("first", "second"), ("second", END), nodes=(first, second))


def hidden(state: State):
    return {"a": ask(f"hidden {state['text']}")}


def far(state: State):
    return {"a": repeating.invoke(f"far {state['text']}").content}


helper = built((START, "hidden"), ("hidden", END), nodes=(hidden,))
retried = built(
    (START, "far"), ("far", END), nodes=(far,), retry_policy=RetryPolicy(max_attempts=3)
)


def in_a_loop(state: State):
    for _ in range(3):
        llm.invoke("again")
    return {"a": ""}


looping_node = built((START, "in_a_loop"), nodes=(in_a_loop,))

lambdas = StateGraph(State)
lambdas.add_node("short", lambda state: {"a": state["text"]})
lambdas.add_edge(START, "short")
with_lambda = lambdas.compile()

namespace: dict = {}
exec("def unseen(state):\n    return {'a': state['text']}\n", namespace)
sourceless = StateGraph(State)
sourceless.add_node("unseen", namespace["unseen"])
sourceless.add_edge(START, "unseen")
without_source = sourceless.compile()

deferred = built((START, "first"), nodes=(first,), defer=True)
uncompiled = lambdas


# Of each lint, a graph that has it and one that nearly does

listening = ChatOpenAI(
    model="gpt-4o-mini",
    api_key="unused",
    max_retries=0,
    base_url="http://localhost:1/v1",
    stream_usage=True,
)


def near(state: State):
    return {"a": listening.invoke(f"near {state['text']}").content}


def again(state: State):
    return END if state["b"] else "third"


even = built(
    (START, "first"),
    (START, "second"),
    ("first", "last"),
    ("second", "last"),
    nodes=(first, second, last),
)
"""Plain edges of equal depth: the join runs once."""

always = built(
    (START, "first"),
    (START, "second"),
    ("maybe", "work"),
    ("third", "work"),
    (["first", "work"], "last"),
    nodes=(first, second, maybe, third, work, last),
    routers=(("second", by_b, {"odd": "maybe", "even": "third"}),),
)
"""Both answers of the router lead through what the join waits for."""

endless = built(
    (START, "second"), ("second", "third"), nodes=(second, third), routers=(("third", again),)
)
chained = built((START, "second"), ("second", "third"), nodes=(second, third))
patient = built((START, "far"), nodes=(far,))
once = built((START, "near"), nodes=(near,), retry_policy=RetryPolicy(max_attempts=3))
