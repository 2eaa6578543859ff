"""Writes the site name of every op that has one."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass

from flowir.calculus.sites import site_names
from flowir.dialects.flow import WorkflowOp


def name_sites(workflow: WorkflowOp) -> None:
    """Give every op that has a site its name, so that later changes elsewhere cannot alter it."""
    for op, name in site_names(workflow).items():
        op.properties["site"] = StringAttr(name)


@dataclass(frozen=True)
class FlowNameSites(ModulePass):
    """Names the places of every workflow.

        %draft = flow.call @coder(%task) : (!flow.text) -> !flow.text

    becomes

        %draft = flow.call @coder(%task) at "draft" : (!flow.text) -> !flow.text
    """

    name = "flow-name-sites"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in op.walk():
            if isinstance(inner, WorkflowOp):
                name_sites(inner)
