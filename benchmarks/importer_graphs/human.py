"""Human in the loop: a person approves a draft, or it is written again."""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class State(TypedDict):
    request: str
    draft: str


def write(state: State):
    return {"draft": llm.invoke(f"Draft a reply to: {state['request']}").content}


def approve(state: State):
    answer = interrupt({"draft": state["draft"]})
    if answer == "yes":
        goto = "send"
    else:
        goto = "write"
    return Command(goto=goto)


def send(state: State):
    return {"draft": state["draft"] + "\n(sent)"}


builder = StateGraph(State)
builder.add_node("write", write)
builder.add_node("approve", approve)
builder.add_node("send", send)
builder.add_edge(START, "write")
builder.add_edge("write", "approve")
builder.add_edge("send", END)
graph = builder.compile(checkpointer=InMemorySaver())
