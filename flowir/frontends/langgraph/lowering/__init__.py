"""Writes what was read as flow IR, and refuses by name what has no faithful form."""
