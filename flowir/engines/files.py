"""Engines from a file, by name; see `flowir.engines.storage`."""

from flowir.engines.storage import read as load_engines

__all__ = ["load_engines"]
