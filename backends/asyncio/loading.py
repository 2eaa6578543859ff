"""Emitted files as modules, without a file."""

from __future__ import annotations

import sys
from types import ModuleType

from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit


def load(module: ModuleOp, workflow: str, name: str = "flowir_compiled") -> ModuleType:
    """The emitted file of a workflow, imported; every time anew.

    Raises:
        FlowirError: it cannot be emitted.
    """
    program = ModuleType(f"{name}_{workflow}")
    source = emit(module, workflow)
    sys.modules[program.__name__] = program  # Dataclasses look for it while it is imported.
    try:
        exec(compile(source, f"<{workflow}>", "exec"), program.__dict__)
    finally:
        del sys.modules[program.__name__]
    return program
