"""Functional API: three tasks at once, one that joins them, and a loop with a bound."""

from langchain_openai import ChatOpenAI
from langgraph.func import entrypoint, task

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)


@task
def joke(topic: str):
    return llm.invoke(f"Write a joke about {topic}").content


@task
def poem(topic: str):
    return llm.invoke(f"Write a poem about {topic}").content


@task
def merge(one: str, other: str):
    return llm.invoke(f"Merge these: {one} and {other}").content


@task
def revise(text: str):
    return llm.invoke(f"Revise: {text}").content


@entrypoint()
def graph(topic: str):
    first = joke(topic)
    second = poem(topic)
    text = merge(first.result(), second.result()).result()
    for _ in range(2):
        text = revise(text).result()
    return text
