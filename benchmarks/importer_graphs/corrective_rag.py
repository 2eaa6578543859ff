"""Corrective RAG: retrieved documents are graded; bad ones lead to a rewritten question."""

from typing import Literal, TypedDict

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

llm = ChatOpenAI(model="gpt-4o-mini", api_key="unused", max_retries=0)
LIBRARY = {"cats": "Cats sleep for most of the day.", "tides": "The moon makes the tides."}


class Grade(BaseModel):
    """Whether documents answer a question."""

    relevant: Literal["yes", "no"]


class State(TypedDict):
    question: str
    search: str
    documents: list[str]
    grade: str
    answer: str


def retrieve(state: State):
    query = state["question"].lower()
    return {"documents": [text for word, text in LIBRARY.items() if word in query]}


def grade_documents(state: State):
    grader = llm.with_structured_output(Grade)
    shown = "\n".join(state["documents"])
    found = grader.invoke(
        [
            SystemMessage(content="Do the documents answer the question? Answer as JSON."),
            HumanMessage(content=f"{shown}\n\nQuestion: {state['question']}"),
        ]
    )
    return {"grade": found.relevant}


def decide(state: State) -> Literal["rewrite", "generate"]:
    return "generate" if state["grade"] == "yes" else "rewrite"


def rewrite(state: State):
    return {"search": llm.invoke(f"Write a search query for: {state['question']}").content}


def web_search(state: State):
    return {"documents": [*state["documents"], "web: " + state["search"]]}


def generate(state: State):
    shown = "\n".join(state["documents"])
    answer = llm.invoke(f"Answer from these documents:\n{shown}\n\n{state['question']}")
    return {"answer": answer.content}


builder = StateGraph(State)
for node in (retrieve, grade_documents, rewrite, web_search, generate):
    builder.add_node(node)
builder.add_edge(START, "retrieve")
builder.add_edge("retrieve", "grade_documents")
builder.add_conditional_edges("grade_documents", decide)
builder.add_edge("rewrite", "web_search")
builder.add_edge("web_search", "generate")
builder.add_edge("generate", END)
graph = builder.compile()
