"""The target `langgraph` of `flowir-opt`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target

from flowir.backends.langgraph.emit import emit
from flowir.profile.prices import read_prices


@dataclass(frozen=True)
class LanggraphTarget(Target):
    """One Python file that builds a LangGraph `StateGraph`: `-t langgraph`.

    Attributes:
        workflow: name of the workflow, where several could be meant.
        prices: a file of prices, for the account of what runs cost; those of the exploration
            where left out.
        fuse: whether a chain that runs beside others is one node of the graph, so that no step of
            it waits for steps of the others. If not, only what `flow.fused` marks is, as the
            execution `langgraph` of flow-dse predicts; flow-fuse-supersteps writes these marks.
    """

    name = "langgraph"

    workflow: str | None = None
    prices: str | None = None
    fuse: bool = True

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        prices = None if self.prices is None else read_prices(self.prices)
        output.write(emit(module, self.workflow, prices, fuse=self.fuse))
