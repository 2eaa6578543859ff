"""The target `asyncio` of `flowir-opt`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from flowir.backends.asyncio.emit import emit
from flowir.dialects.prim import GraphOp
from flowir.profile.prices import read_prices


@dataclass(frozen=True)
class AsyncioTarget(Target):
    """One Python file that needs only the standard library: `-t asyncio`.

    Of a module whose workflows were lowered to primitives, one that needs flowir's runtime.

    Attributes:
        workflow: name of the workflow, or of the graph, where several could be meant.
        prices: a file of prices, for the account of what runs cost; those of the exploration
            where left out.
    """

    name = "asyncio"

    workflow: str | None = None
    prices: str | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        if any(isinstance(op, GraphOp) for op in module.ops):
            from flowir.backends.asyncio.primitives import emit_primitives

            output.write(emit_primitives(module, self.workflow))
            return
        prices = None if self.prices is None else read_prices(self.prices)
        output.write(emit(module, self.workflow, prices))
