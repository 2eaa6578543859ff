"""Primitive graphs with real parts: what each primitive does, and what drives them."""
