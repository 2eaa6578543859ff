"""Loops inside each other: paragraphs are polished until good, the whole until it is complete."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class State(TypedDict):
    topic: str
    text: str
    verdict: str
    tries: int
    rounds: int


def draft(state: State):
    answer = llm.invoke(f"A paragraph on {state['topic']}, after: {state.get('text', 'nothing')}")
    return {"text": answer.content, "tries": 0}


def polish(state: State):
    return {"text": llm.invoke(f"Polish: {state['text']}").content, "tries": state["tries"] + 1}


def check(state: State):
    return {"verdict": llm.invoke(f"Is this good? {state['text']}").content}


def review(state: State):
    answer = llm.invoke(f"Is this complete? {state['text']}")
    return {"verdict": answer.content, "rounds": state.get("rounds", 0) + 1}


def good(state: State):
    if "?" in state["verdict"] or state["tries"] >= 2:
        return "review"
    return "polish"


def complete(state: State):
    return END if state["rounds"] >= 3 or "?" in state["verdict"] else "draft"


builder = StateGraph(State)
for node in (draft, polish, check, review):
    builder.add_node(node)
builder.add_edge(START, "draft")
builder.add_edge("draft", "polish")
builder.add_edge("polish", "check")
builder.add_conditional_edges("check", good)
builder.add_conditional_edges("review", complete)
graph = builder.compile()
