"""ReAct agent: a model calls tools until it answers."""

from langchain_core.messages import SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

llm = ChatOpenAI(model="gpt-4o", api_key="unused", max_retries=0)


@tool
def multiply(a: int, b: int) -> int:
    """Multiply a and b."""
    return a * b


tools = [multiply]
llm_with_tools = llm.bind_tools(tools)


def llm_call(state: MessagesState):
    system = SystemMessage(content="Do arithmetic with the tools.")
    return {"messages": [llm_with_tools.invoke([system] + state["messages"])]}


def should_continue(state: MessagesState):
    if state["messages"][-1].tool_calls:
        return "tools"
    return END


builder = StateGraph(MessagesState)
builder.add_node("llm_call", llm_call)
builder.add_node("tools", ToolNode(tools))
builder.add_edge(START, "llm_call")
builder.add_conditional_edges("llm_call", should_continue, ["tools", END])
builder.add_edge("tools", "llm_call")
graph = builder.compile()
