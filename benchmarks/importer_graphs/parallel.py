"""Parallelization: three writers at once, and a node without a model that puts them together."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class State(TypedDict):
    topic: str
    joke: str
    story: str
    poem: str
    combined: str


def write_joke(state: State):
    return {"joke": llm.invoke(f"Write a joke about {state['topic']}").content}


def write_story(state: State):
    return {"story": llm.invoke(f"Write a story about {state['topic']}").content}


def write_poem(state: State):
    return {"poem": llm.invoke(f"Write a poem about {state['topic']}").content}


def combine(state: State):
    text = f"On {state['topic']}:\n\n"
    for part in (state["story"], state["joke"], state["poem"]):
        text += part + "\n"
    return {"combined": text}


builder = StateGraph(State)
builder.add_node("write_joke", write_joke)
builder.add_node("write_story", write_story)
builder.add_node("write_poem", write_poem)
builder.add_node("combine", combine)
builder.add_edge(START, "write_joke")
builder.add_edge(START, "write_story")
builder.add_edge(START, "write_poem")
builder.add_edge(["write_joke", "write_story", "write_poem"], "combine")
builder.add_edge("combine", END)
graph = builder.compile()
