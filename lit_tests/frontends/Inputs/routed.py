"""A branch, and items that are sent to one worker, for the importer."""

import operator
from typing import Annotated, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class State(TypedDict):
    text: str
    kind: str
    parts: Annotated[list[str], operator.add]
    answer: str


class Part(TypedDict):
    line: str


def classify(state: State):
    return {"kind": llm.invoke(f"Long or short? {state['text']}").content}


def by_kind(state: State):
    return "many" if "long" in state["kind"] else "one"


def split(state: State):
    return {"kind": "long"}


def send(state: State):
    return [Send("part", {"line": line}) for line in state["text"].splitlines()]


def part(state: Part):
    return {"parts": [llm.invoke(f"Shorten: {state['line']}").content]}


def join(state: State):
    return {"answer": " ".join(state["parts"])}


def whole(state: State):
    return {"answer": llm.invoke(f"Shorten: {state['text']}").content}


builder = StateGraph(State)
for node in (classify, split, part, join, whole):
    builder.add_node(node)
builder.add_edge(START, "classify")
builder.add_conditional_edges("classify", by_kind, {"many": "split", "one": "whole"})
builder.add_conditional_edges("split", send, ["part"])
builder.add_edge("part", "join")
builder.add_edge("join", END)
builder.add_edge("whole", END)
graph = builder.compile()
