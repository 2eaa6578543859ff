"""A draft that is criticised until a person would take it, for the importer."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class State(TypedDict):
    topic: str
    draft: str
    critique: str


def write(state: State):
    words = f"Write on {state['topic']}. Critique: {state.get('critique', 'none')}"
    return {"draft": llm.invoke(words).content}


def criticise(state: State):
    return {"critique": llm.invoke(f"Criticise: {state['draft']}").content}


def enough(state: State):
    return END if state["critique"] == "none" else "write"


builder = StateGraph(State)
builder.add_node("write", write)
builder.add_node("criticise", criticise)
builder.add_edge(START, "write")
builder.add_edge("write", "criticise")
builder.add_conditional_edges("criticise", enough)
graph = builder.compile()
