"""Reads a compiled graph: its builder, objects, and the source of its functions."""
