"""Workflows in Python: decorated functions, traced into the `flow` dialect."""

from flowir.errors import WorkflowError
from flowir.workflow.constructs import (
    all_of,
    alternatives,
    any_of,
    branch,
    concat,
    fallback,
    first,
    map_,
    optional,
    refine,
    select,
    vote,
)
from flowir.workflow.declarations import Agent, Tool, agent, tool
from flowir.workflow.front import Compiled, WorkflowFront
from flowir.workflow.kinds import Label
from flowir.workflow.plans import plan
from flowir.workflow.program import Workflow, workflow
from flowir.workflow.values import Traced

__all__ = [
    "Agent",
    "Compiled",
    "Label",
    "Tool",
    "Traced",
    "Workflow",
    "WorkflowError",
    "WorkflowFront",
    "agent",
    "all_of",
    "alternatives",
    "any_of",
    "branch",
    "concat",
    "fallback",
    "first",
    "map_",
    "optional",
    "plan",
    "refine",
    "select",
    "tool",
    "vote",
    "workflow",
]
