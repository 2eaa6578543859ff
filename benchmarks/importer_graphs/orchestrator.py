"""Orchestrator-workers: a plan of sections, a worker for each, and code that joins them."""

import operator
from typing import Annotated, TypedDict

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o", api_key="unused", max_retries=0)
writer = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class Section(BaseModel):
    """One section of a report."""

    name: str
    description: str


class Sections(BaseModel):
    """A plan."""

    sections: list[Section]


planner = llm.with_structured_output(Sections)


class State(TypedDict):
    topic: str
    sections: list[dict]
    completed: Annotated[list[str], operator.add]
    report: str


class WorkerState(TypedDict):
    name: str
    description: str


def orchestrate(state: State):
    plan = planner.invoke(
        [
            SystemMessage(content="Make a plan for a report, as JSON."),
            HumanMessage(content=f"The topic: {state['topic']}"),
        ]
    )
    return {"sections": [section.model_dump() for section in plan.sections]}


def write_section(state: WorkerState):
    section = writer.invoke(
        [
            SystemMessage(content="Write a section of a report in Markdown."),
            HumanMessage(content=f"Its name: {state['name']}; about: {state['description']}"),
        ]
    )
    return {"completed": [section.content]}


def synthesize(state: State):
    return {"report": "\n\n---\n\n".join(state["completed"])}


def assign(state: State):
    return [Send("write_section", section) for section in state["sections"]]


builder = StateGraph(State)
builder.add_node("orchestrate", orchestrate)
builder.add_node("write_section", write_section)
builder.add_node("synthesize", synthesize)
builder.add_edge(START, "orchestrate")
builder.add_conditional_edges("orchestrate", assign, ["write_section"])
builder.add_edge("write_section", "synthesize")
builder.add_edge("synthesize", END)
graph = builder.compile()
