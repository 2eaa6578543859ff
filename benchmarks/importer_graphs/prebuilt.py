"""Prebuilt agent: `create_react_agent` makes the graph, a model and its tools in a loop."""

import warnings

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent

llm = ChatOpenAI(model="gpt-4o", api_key="unused", max_retries=0)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"It rains in {city}."


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    graph = create_react_agent(llm, [weather], prompt="You know the weather.")
