"""A router that answers what a model wrote, without a path map: nobody can see where it leads."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class State(TypedDict):
    request: str
    place: str
    answer: str


def choose(state: State):
    return {"place": llm.invoke(f"long or short? {state['request']}").content}


def long(state: State):
    return {"answer": llm.invoke(f"At length: {state['request']}").content}


def short(state: State):
    return {"answer": llm.invoke(f"Briefly: {state['request']}").content}


def route(state: State):
    return state["place"]


builder = StateGraph(State)
builder.add_node("choose", choose)
builder.add_node("long", long)
builder.add_node("short", short)
builder.add_edge(START, "choose")
builder.add_conditional_edges("choose", route)
builder.add_edge("long", END)
builder.add_edge("short", END)
graph = builder.compile()
