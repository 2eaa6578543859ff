"""Workflows as LangGraph: one readable Python file that builds a `StateGraph`."""
