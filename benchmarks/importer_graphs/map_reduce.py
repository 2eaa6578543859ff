"""Map-reduce: subjects of a topic, a joke for each by Send, and the best of them."""

import operator
from typing import Annotated, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class Subjects(BaseModel):
    """Subjects to write about."""

    subjects: list[str]


class State(TypedDict):
    topic: str
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]
    best: str


class JokeState(TypedDict):
    subject: str


def list_subjects(state: State):
    answer = llm.with_structured_output(Subjects).invoke(
        f"List subjects of {state['topic']} as JSON."
    )
    return {"subjects": answer.subjects}


def write_joke(state: JokeState):
    answer = llm.invoke(f"Write a joke about {state['subject']}")
    return {"jokes": [answer.content]}


def to_jokes(state: State):
    return [Send("write_joke", {"subject": subject}) for subject in state["subjects"]]


def choose(state: State):
    jokes = "\n\n".join(state["jokes"])
    answer = llm.invoke(f"Which of these jokes on {state['topic']} is best?\n\n{jokes}")
    return {"best": answer.content}


builder = StateGraph(State)
builder.add_node("list_subjects", list_subjects)
builder.add_node("write_joke", write_joke)
builder.add_node("choose", choose)
builder.add_edge(START, "list_subjects")
builder.add_conditional_edges("list_subjects", to_jokes, ["write_joke"])
builder.add_edge("write_joke", "choose")
builder.add_edge("choose", END)
graph = builder.compile()
