"""What emitted LangGraph files have beside, or instead of, the library of the asyncio back end.

The same marks apply. Where both libraries define a name, the definition here is taken.
"""
