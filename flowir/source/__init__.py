"""Workflows as people write them, textual IR or Python, and messages with their place."""
