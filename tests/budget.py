"""How many random examples are tried: a third in `make test`, all of them in `make test-all`."""

from __future__ import annotations

import os


def some(examples: int) -> int:
    """A third of the examples, at least five; all where FLOWIR_EXPLORE is set."""
    return examples if os.environ.get("FLOWIR_EXPLORE") else max(5, examples // 3)
