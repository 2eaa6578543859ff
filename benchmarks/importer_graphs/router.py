"""Router: a structured answer picks one of three writers."""

from typing import Literal, TypedDict

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0, temperature=0.0)


class Kind(BaseModel):
    """What is asked for."""

    step: Literal["poem", "story", "joke"]


router = llm.with_structured_output(Kind)


class State(TypedDict):
    request: str
    decision: str
    output: str


def classify(state: State):
    answer = router.invoke(
        [
            SystemMessage(content="Say whether a poem, a story or a joke is asked for, as JSON."),
            HumanMessage(content=state["request"]),
        ]
    )
    return {"decision": answer.step}


def write_poem(state: State):
    return {"output": llm.invoke(f"Write a poem: {state['request']}").content}


def write_story(state: State):
    answer = llm.invoke(f"Write a story of {{two}} lines: {state['request']}")
    return {"output": answer.content}


def write_joke(state: State):
    answer = llm.invoke(f"Tell a joke about this: {state['request']}")
    return {"output": answer.content.strip()}


def route(state: State):
    if state["decision"] == "poem":
        return "write_poem"
    if state["decision"] == "story":
        return "write_story"
    return "write_joke"


builder = StateGraph(State)
builder.add_node("classify", classify)
builder.add_node("write_poem", write_poem)
builder.add_node("write_story", write_story)
builder.add_node("write_joke", write_joke)
builder.add_edge(START, "classify")
builder.add_conditional_edges("classify", route, ["write_poem", "write_story", "write_joke"])
builder.add_edge("write_poem", END)
builder.add_edge("write_story", END)
builder.add_edge("write_joke", END)
graph = builder.compile()
