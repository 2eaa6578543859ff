"""Subgraphs: a compiled graph is a node of another and shares two keys of its state."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class InnerState(TypedDict):
    text: str
    summary: str
    keywords: str


def extract(state: InnerState):
    return {"keywords": llm.invoke(f"Name the keywords of: {state['text']}").content}


def summarise(state: InnerState):
    answer = llm.invoke(f"Summarise with {state['keywords']}: {state['text']}")
    return {"summary": answer.content}


inner = StateGraph(InnerState)
inner.add_sequence([extract, summarise])
inner.add_edge(START, "extract")
inner_graph = inner.compile()


class State(TypedDict):
    text: str
    summary: str
    title: str


def entitle(state: State):
    return {"title": llm.invoke(f"Give a title to: {state['summary']}").content}


builder = StateGraph(State)
builder.add_node("digest", inner_graph)
builder.add_node("entitle", entitle)
builder.add_edge(START, "digest")
builder.add_edge("digest", "entitle")
builder.add_edge("entitle", END)
graph = builder.compile()
