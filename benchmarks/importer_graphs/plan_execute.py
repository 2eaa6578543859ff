"""Plan-and-execute: a plan, one step at a time, and a replanner that ends or goes on."""

import operator
from typing import Annotated, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o", api_key="unused", max_retries=0)
executor = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


class Plan(BaseModel):
    """Steps in order."""

    steps: list[str]


class Decision(BaseModel):
    """Either an answer, or the steps still to do."""

    answer: str
    steps: list[str]


class State(TypedDict):
    task: str
    plan: list[str]
    past: Annotated[list[str], operator.add]
    response: str


def plan(state: State):
    found = llm.with_structured_output(Plan).invoke(f"Plan this as JSON: {state['task']}")
    return {"plan": found.steps}


def execute(state: State):
    answer = executor.invoke(f"Do this step: {state['plan'][0]}")
    return {"past": [state["plan"][0] + ": " + answer.content]}


def replan(state: State):
    done = "\n".join(state["past"])
    found = llm.with_structured_output(Decision).invoke(
        f"The task: {state['task']}\nDone:\n{done}\nAnswer, or give the steps left, as JSON."
    )
    return {"response": found.answer, "plan": found.steps}


def should_end(state: State):
    if state["response"] or not state["plan"]:
        return END
    return "execute"


builder = StateGraph(State)
builder.add_node("plan", plan)
builder.add_node("execute", execute)
builder.add_node("replan", replan)
builder.add_edge(START, "plan")
builder.add_edge("plan", "execute")
builder.add_edge("execute", "replan")
builder.add_conditional_edges("replan", should_end, ["execute", END])
graph = builder.compile()
