"""flowir: an optimizing compiler for LLM workflows."""

from flowir._version import __version__

__all__ = ["__version__"]
