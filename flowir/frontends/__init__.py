"""Front ends: what makes flow IR of workflows that were written for something else."""

from flowir.frontends.langgraph import from_langgraph

__all__ = ["from_langgraph"]
