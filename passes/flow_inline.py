"""Inlines workflows that workflows call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from flowir.calculus.sites import site_names
from flowir.dialects.dse import ANNOTATIONS
from flowir.dialects.flow import AgentOp, AlternativesOp, CallOp, MapOp, WorkflowOp, called_symbol
from flowir.dialects.flow_checks import Symbols, fail, module_symbols
from flowir.dialects.flow_fused import FUSED
from flowir.dialects.flow_workflow_checks import verify_sites
from flowir.passes.flow_name_sites import name_sites


@dataclass(frozen=True)
class FlowInline(ModulePass):
    """Replaces calls of workflows by what they do, and drops the workflows that were called.

        %fixed = flow.call @repair(%task) at "fix" : (!flow.text) -> !flow.text

    becomes, where @repair is one call of @coder,

        %draft = flow.call @coder(%task) at "fix.draft" as "repair" : (!flow.text) -> !flow.text

    Attributes:
        keep: keep the workflows that were called, for use as entries of their own.
    """

    name = "flow-inline"

    keep: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        callers = [inner for inner in op.walk() if isinstance(inner, WorkflowOp)]
        # What is inlined is what was written: group and site names are made once, not repeatedly.
        written = {caller.sym_name.data: caller.clone() for caller in callers}
        called: set[str] = set()
        for caller in callers:
            called |= inline_calls(caller, written)
        if not self.keep:
            for caller in callers:
                if caller.sym_name.data in called:
                    Rewriter.erase_op(caller)


def inline_calls(workflow: WorkflowOp, workflows: Mapping[str, WorkflowOp]) -> set[str]:
    """Replace calls of `workflows`, at every depth, by their bodies; names of those called.

    Decisions and tied choices stay those of the workflow that wrote them, however it is reached:
    its groups become `name` or `name.group`, its choices `name.choice`. Its sites are prefixed by
    the site of the call, which differs from call to call. `workflows` are left as they are.

    Raises:
        OperationError: a name made this way stands for something else already, or a list that
            counts by its mean would no longer be the result.
    """
    if not _calls(workflow, workflows):
        return set()
    symbols = module_symbols(workflow) or {}
    name_sites(workflow)
    inliner = _Inliner(workflows, symbols)
    inliner.claim(workflow, workflow.sym_name.data)
    for call in _calls(workflow, workflows):
        inliner.inline(call)
    verify_sites(workflow)
    for op in workflow.walk():
        if isinstance(op, MapOp) and op.mean is not None:
            op.verify_()
    return inliner.called


def _calls(inside: Operation, workflows: Mapping[str, WorkflowOp]) -> list[CallOp]:
    return [
        op
        for op in inside.walk()
        if isinstance(op, CallOp) and op.callee.root_reference.data in workflows
    ]


@dataclass
class _Inliner:
    """Remembers who first used each name, so that no two meanings share one."""

    workflows: Mapping[str, WorkflowOp]
    symbols: Symbols
    called: set[str] = field(default_factory=set)
    _origins: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def inline(self, call: CallOp) -> None:
        name = call.callee.root_reference.data
        self.called.add(name)
        callee = self.workflows[name].clone()
        assert call.site is not None
        for op, site in site_names(callee).items():
            op.properties["site"] = StringAttr(f"{call.site.data}.{site}")
        self.claim(callee, name, prefix=name)
        nested = _calls(callee, self.workflows)
        end = callee.body.block.last_op
        assert end is not None
        Rewriter.inline_block(callee.body.block, InsertPoint.before(call), call.inputs)
        Rewriter.replace_op(call, [], [end.operands[0]])
        Rewriter.erase_op(end)
        for inner in nested:
            self.inline(inner)

    def claim(self, workflow: WorkflowOp, name: str, prefix: str = "") -> None:
        """Prefix the groups and choices that the workflow `name` wrote, and claim them for it."""
        for op in workflow.body.walk():
            if prefix:
                for annotation in (*ANNOTATIONS, FUSED):
                    op.attributes.pop(annotation, None)
            agent = self.symbols.get(called_symbol(op) or "")
            if isinstance(agent, AgentOp):
                written = _text(op, "group")
                if group := ".".join(filter(None, (prefix, written))):
                    op.properties["group"] = StringAttr(group)
                self._claim(op, (f"@{agent.sym_name.data}", group), (name, written), "group")
            elif isinstance(op, AlternativesOp):
                written = op.choice.data
                op.choice = StringAttr(".".join(filter(None, (prefix, written))))
                self._claim(op, ("choice", op.choice.data), (name, written), "choice")

    def _claim(
        self, op: Operation, key: tuple[str, str], origin: tuple[str, str], what: str
    ) -> None:
        first = self._origins.setdefault(key, origin)
        if first != origin:
            raise fail(
                op,
                f'the {what} "{key[1]}" would stand for {_meaning(origin)} and for '
                f"{_meaning(first)}; rename one",
            )


def _meaning(origin: tuple[str, str]) -> str:
    workflow, written = origin
    return f'"{written}" in @{workflow}' if written else f"calls without a group in @{workflow}"


def _text(op: Operation, name: str) -> str:
    value = op.properties.get(name)
    return value.data if isinstance(value, StringAttr) else ""
