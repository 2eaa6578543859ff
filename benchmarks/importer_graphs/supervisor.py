"""Supervisor: a model sends the conversation to one of two workers, which report back."""

from typing import Literal

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o", api_key="unused", max_retries=0)
worker = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class Next(BaseModel):
    """Who acts next."""

    who: Literal["researcher", "coder", "finish"]


chooser = llm.with_structured_output(Next)


def supervisor(state: MessagesState) -> Command[Literal["researcher", "coder", "__end__"]]:
    answer = chooser.invoke(state["messages"])
    if answer.who == "finish":
        return Command(goto=END)
    return Command(goto=answer.who)


def researcher(state: MessagesState) -> Command[Literal["supervisor"]]:
    answer = worker.invoke(state["messages"])
    return Command(goto="supervisor", update={"messages": [answer]})


def coder(state: MessagesState) -> Command[Literal["supervisor"]]:
    answer = worker.invoke(state["messages"])
    return Command(goto="supervisor", update={"messages": [answer]})


builder = StateGraph(MessagesState)
builder.add_node("supervisor", supervisor)
builder.add_node("researcher", researcher)
builder.add_node("coder", coder)
builder.add_edge(START, "supervisor")
graph = builder.compile()
