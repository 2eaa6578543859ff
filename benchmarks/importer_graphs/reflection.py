"""Reflection: an essay is criticised and revised a fixed number of times, counted in the state."""

from typing import TypedDict

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

MOST_REVISIONS = 2
llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)
critic = ChatOpenAI(model="o3-mini", api_key="unused", max_retries=0, reasoning_effort="low")

write = (
    ChatPromptTemplate.from_messages(
        [("system", "You write essays."), ("human", "On {topic}.\n\nCritique so far: {critique}")]
    )
    | llm
    | StrOutputParser()
)
reflect = ChatPromptTemplate.from_messages([("human", "Criticise this essay:\n{draft}")]) | critic


class State(TypedDict):
    topic: str
    draft: str
    critique: str
    revisions: int


def generate(state: State):
    draft = write.invoke({"topic": state["topic"], "critique": state.get("critique", "none")})
    return {"draft": draft, "revisions": state.get("revisions", 0) + 1}


def criticise(state: State):
    return {"critique": reflect.invoke({"draft": state["draft"]}).content}


def should_continue(state: State):
    if state["revisions"] > MOST_REVISIONS:
        return END
    return "criticise"


builder = StateGraph(State)
builder.add_node("generate", generate)
builder.add_node("criticise", criticise)
builder.add_edge(START, "generate")
builder.add_conditional_edges("generate", should_continue)
builder.add_edge("criticise", "generate")
graph = builder.compile()
