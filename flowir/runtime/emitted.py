"""Emitted files, imported from their text."""

from __future__ import annotations

import itertools
import sys
from types import ModuleType

_NUMBERS = itertools.count()


def loaded(source: str) -> ModuleType:
    """An emitted file as a module of its own, known to nobody else."""
    program = ModuleType(f"flowir_emitted_{next(_NUMBERS)}")
    sys.modules[program.__name__] = program  # Dataclasses look for it while it is imported.
    try:
        exec(compile(source, f"<{program.__name__}>", "exec"), program.__dict__)
    finally:
        del sys.modules[program.__name__]
    return program
