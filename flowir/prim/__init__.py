"""Primitive graphs: a workflow as the operations of engines, with nothing but data between them."""
