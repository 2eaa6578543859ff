"""Prompt chaining with a gate: a joke is improved and polished unless it has a punchline."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class State(TypedDict):
    topic: str
    joke: str
    improved: str
    final: str


def generate(state: State):
    message = llm.invoke(f"Write a short joke about {state['topic']}.")
    return {"joke": message.content}


def has_punchline(state: State):
    if "?" in state["joke"] or "!" in state["joke"]:
        return "Pass"
    return "Fail"


def improve(state: State):
    message = llm.invoke(f"Add a play on words to this joke: {state['joke']}")
    return {"improved": message.content}


async def polish(state: State):
    message = await llm.ainvoke("Add a twist: " + state["improved"])
    return {"final": message.content}


builder = StateGraph(State)
builder.add_node("generate", generate)
builder.add_node("improve", improve)
builder.add_node("polish", polish)
builder.add_edge(START, "generate")
builder.add_conditional_edges("generate", has_punchline, {"Fail": "improve", "Pass": END})
builder.add_edge("improve", "polish")
builder.add_edge("polish", END)
graph = builder.compile()
