"""Supervisor over text: a model names the next worker by Command, at most four times."""

from typing import Literal, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from pydantic import BaseModel

MOST_TURNS = 4
llm = ChatOpenAI(model="gpt-4o", api_key="unused", max_retries=0)
worker = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class Next(BaseModel):
    """Who acts next."""

    who: Literal["research", "write", "finish"]


chooser = llm.with_structured_output(Next)


class State(TypedDict):
    task: str
    notes: str
    draft: str
    turns: int


def supervise(state: State) -> Command[Literal["research", "write", "__end__"]]:
    found = chooser.invoke(
        f"The task: {state['task']}\nNotes: {state.get('notes', 'none')}\n"
        f"Draft: {state.get('draft', 'none')}\nWho is next? Answer as JSON."
    )
    turns = state.get("turns", 0) + 1
    if turns > MOST_TURNS or found.who == "finish":
        return Command(goto=END, update={"turns": turns})
    goto = "research" if found.who == "research" else "write"
    return Command(goto=goto, update={"turns": turns})


def research(state: State) -> Command[Literal["supervise"]]:
    answer = worker.invoke(f"Find facts for: {state['task']}\nKnown: {state.get('notes', 'none')}")
    return Command(goto="supervise", update={"notes": answer.content})


def write(state: State) -> Command[Literal["supervise"]]:
    answer = worker.invoke(f"Write: {state['task']}\nNotes: {state.get('notes', 'none')}")
    return Command(goto="supervise", update={"draft": answer.content})


builder = StateGraph(State)
builder.add_node("supervise", supervise)
builder.add_node("research", research)
builder.add_node("write", write)
builder.add_edge(START, "supervise")
graph = builder.compile()
