"""Evaluator-optimizer: a joke is written again with feedback until it is found funny."""

from typing import Literal, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class Feedback(BaseModel):
    """A verdict on a joke."""

    grade: Literal["funny", "not funny"]
    feedback: str


evaluator = llm.with_structured_output(Feedback)


class State(TypedDict):
    topic: str
    joke: str
    feedback: str
    funny_or_not: str


def generator(state: State):
    if state.get("feedback"):
        message = llm.invoke(
            f"Write a joke about {state['topic']}. Take this into account: {state['feedback']}"
        )
    else:
        message = llm.invoke(f"Write a joke about {state['topic']}.")
    return {"joke": message.content}


def grade(state: State):
    found = evaluator.invoke(f"Grade this joke as JSON: {state['joke']}")
    return {"funny_or_not": found.grade, "feedback": found.feedback}


def route_joke(state: State):
    if state["funny_or_not"] == "funny":
        return "Accepted"
    return "Rejected"


builder = StateGraph(State)
builder.add_node("generator", generator)
builder.add_node("grade", grade)
builder.add_edge(START, "generator")
builder.add_edge("generator", "grade")
builder.add_conditional_edges("grade", route_joke, {"Accepted": END, "Rejected": "generator"})
graph = builder.compile()
