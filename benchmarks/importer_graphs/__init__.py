"""LangGraph graphs in the styles that its documentation teaches, and what a person sees in them."""
