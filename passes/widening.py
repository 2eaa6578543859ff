"""What the passes that widen a design space share: which calls are meant, and how they are wrapped.

Such a pass puts a `flow.alternatives` in the place of a call. Its first region holds the call as it
was, so that the first labels of all choices are the workflow that was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.traits import MemoryEffectKind, get_effects

from flowir.calculus.sites import site_names
from flowir.dialects.dse import ANNOTATIONS
from flowir.dialects.flow import (
    AgentOp,
    AlternativesOp,
    BranchOp,
    CallOp,
    Effect,
    ToolOp,
    WorkflowOp,
    YieldOp,
    called_symbol,
)
from flowir.dialects.flow_checks import describe, fail, module_symbols
from flowir.dialects.flow_fused import FUSED
from flowir.dialects.flow_types import boolean, label, text
from flowir.errors import SearchError
from flowir.passes.flow_name_sites import name_sites

ONCE, KEPT = "once", "kept"
"""Labels of the call as it was."""

NO_CONTEXT = "none"
"""What `context=` is given where a checker sees the value alone."""


@dataclass(frozen=True)
class Variant:
    """One more region: its operations, which make or pass on the value it yields."""

    label: str
    ops: Sequence[Operation]
    value: SSAValue


class Widening:
    """One run of a pass over a module; remembers which names are taken.

    Args:
        module: what is widened, verified.
        name: of the pass, for messages.
    """

    def __init__(self, module: ModuleOp, name: str) -> None:
        self.name = name
        self.symbols = module_symbols(module) or {}
        self._workflows = [op for op in module.ops if isinstance(op, WorkflowOp)]
        self._sites: dict[WorkflowOp, set[str]] = {}
        self._groups: dict[tuple[WorkflowOp, str], set[str]] = {}
        self._choices: dict[WorkflowOp, set[str]] = {}

    def calls(self, agent: str | None, site: str | None, workflow: str | None) -> list[CallOp]:
        """The calls of an agent, or the call at a site, in order; their workflows get site names.

        What exploration wrote on those workflows goes: it is about workflows that they were.

        Raises:
            SearchError: none is meant, or it is not clear which.
        """
        if agent is None and site is None:
            raise SearchError(f"{self.name}: nothing says what to widen; give agent=NAME or site=…")
        if agent is not None:
            self.declared(agent, AgentOp, "agent")
        within = self._within(workflow)
        sites = {op: name for each in within for op, name in site_names(each).items()}
        calls = {op: name for op, name in sites.items() if isinstance(op, CallOp)}
        if site is not None:
            calls = {op: name for op, name in calls.items() if name == site}
            if not calls:
                raise SearchError(
                    f'{self.name}: no call at "{site}"; there are '
                    f"{_quoted(n for op, n in sites.items() if isinstance(op, CallOp))}"
                )
            if len(calls) > 1:
                raise SearchError(
                    f'{self.name}: several workflows have a call at "{site}"; '
                    "say which with workflow=NAME"
                )
        found = [op for op in calls if agent in (None, op.callee.root_reference.data)]
        if not found and site is not None:
            raise fail(next(iter(calls)), f"it does not call @{agent}; leave out agent={agent}")
        if not found:
            raise SearchError(
                f"{self.name}: no flow.call calls @{agent}"
                f"{'' if workflow is None else f' in @{workflow}'}; only calls are widened"
            )
        for each in dict.fromkeys(map(workflow_of, found)):
            self._prepare(each)
        return found

    def _within(self, workflow: str | None) -> list[WorkflowOp]:
        found = [op for op in self._workflows if workflow in (None, op.sym_name.data)]
        if not found:
            known = ", ".join(f"@{op.sym_name.data}" for op in self._workflows) or "none"
            raise SearchError(
                f"{self.name}: no workflow{f' @{workflow}' if workflow else ''}; there are {known}"
            )
        return found

    def _prepare(self, workflow: WorkflowOp) -> None:
        name_sites(workflow)
        sites, choices = self._sites.setdefault(workflow, set()), set()
        for op in workflow.walk():
            for annotation in (*ANNOTATIONS, FUSED):
                op.attributes.pop(annotation, None)
            if isinstance(site := op.properties.get("site"), StringAttr):
                sites.add(site.data)
            if isinstance(op, AlternativesOp):
                choices.add(op.choice.data)
            if isinstance(self.symbols.get(agent := called_symbol(op) or ""), AgentOp):
                self._groups.setdefault((workflow, agent), set()).add(group_of(op))
        self._choices[workflow] = choices

    def declared(self, symbol: str, kind: type[AgentOp | ToolOp], option: str) -> Operation:
        """The agent or tool of a name.

        Raises:
            SearchError: there is none.
        """
        op = self.symbols.get(symbol)
        if not isinstance(op, kind):
            found = "is not declared" if op is None else f"is a {op.name}"
            known = [f"@{name}" for name, other in self.symbols.items() if isinstance(other, kind)]
            raise SearchError(
                f"{self.name}: {option}={symbol}: @{symbol} {found}; "
                f"declared as {kind.name}: {', '.join(known) or 'none'}"
            )
        return op

    def tool(self, symbol: str, option: str) -> ToolOp:
        """A tool that may be run where it was not run before.

        Raises:
            SearchError: there is none, or it writes.
        """
        tool = self.declared(symbol, ToolOp, option)
        assert isinstance(tool, ToolOp)
        if tool.effect.data is Effect.WRITES:
            raise SearchError(
                f"{self.name}: {option}={symbol}: @{symbol} may write, so it runs only where it is "
                "called; declare `effect pure` or `effect reads` if it does not"
            )
        return tool

    def agent_of(self, call: CallOp) -> AgentOp:
        """The agent that is called.

        Raises:
            OperationError: a tool or a workflow is.
        """
        callee = self.symbols[call.callee.root_reference.data]
        if not isinstance(callee, AgentOp):
            raise fail(call, f"{self.name} widens calls of agents, and this is a {callee.name}")
        return callee

    def may_vary(self, call: CallOp, done: str) -> None:
        """Check that running a call several times or not at all changes nothing else.

        Raises:
            OperationError: it may write, or a branch looks at what it gives.
        """
        effects = get_effects(call)
        if effects is None or any(effect.kind is MemoryEffectKind.WRITE for effect in effects):
            raise fail(
                call,
                f"it may write, so it cannot be {done}; declare the effect of the tools behind it, "
                "`pure` or `reads`, if they do not write",
            )
        if any(isinstance(use.operation, BranchOp) for use in call.output.uses):
            raise fail(
                call,
                f"a branch looks at this label, and its cases are predicted from this one call: it "
                f"cannot be {done}; widen other calls with site=…",
            )

    def choice(self, call: CallOp, what: str, tied: bool) -> str:
        """The name of the choice: of the decision where its calls are tied, else of the site.

        Raises:
            OperationError: the pass has been here before, or the name is taken.
        """
        inside = call.parent_op()
        while inside is not None:
            if isinstance(inside, AlternativesOp) and _made_by(inside, what):
                raise fail(
                    call,
                    f'it is widened already, by alternatives "{inside.choice.data}"; run '
                    f"{self.name} once, with all its options",
                )
            inside = inside.parent_op()
        name = f"{decision_name(call) if tied else site_of(call)} {what}"
        if name in self._choices[workflow_of(call)]:
            raise fail(
                call,
                f'alternatives "{name}" are there already; run {self.name} once, with all its '
                "options, or rename them",
            )
        return name

    def site(self, call: CallOp, suffix: str) -> StringAttr:
        """A site name of its own for something made of a call."""
        taken = self._sites[workflow_of(call)]
        return StringAttr(_fresh(f"{site_of(call)}_{suffix}", taken))

    def group(self, call: CallOp, name: str) -> str:
        """A decision group that no call of the agent is in yet."""
        return _fresh(name, self._groups[workflow_of(call), call.callee.root_reference.data])

    def copy(self, call: CallOp, suffix: str, inputs: Sequence[SSAValue] | None = None) -> CallOp:
        """The same call once more, at a site of its own; of other inputs where they are given."""
        made = call.clone()
        made.properties["site"] = self.site(call, suffix)
        if inputs is not None:
            made.operands = inputs
        return made

    def context(
        self, call: CallOp, checker: str, option: str, names: Sequence[str] | None
    ) -> list[SSAValue]:
        """What a checker of a call's result is shown before the value: operands of the call.

        By default a tool is shown all of them and an agent those its prompt names.

        Args:
            names: variables of the called agent's prompt; `none` for nothing.

        Raises:
            SearchError: the checker gives no verdict, may write, or wants to see something else.
        """
        given = dict(zip(self.agent_of(call).inputs, call.inputs, strict=True))
        found = self.symbols.get(checker)
        judge = found if isinstance(found, AgentOp) else self.tool(checker, option)
        verdicts: tuple[Attribute, ...] = (boolean, text)
        wanted = tuple(given)
        if isinstance(judge, AgentOp):
            verdicts = (*verdicts, label)
            if not judge.inputs:
                raise SearchError(
                    f"{self.name}: {option}={checker}: its prompt does not show what it judges; "
                    "add a variable, the last one"
                )
            wanted = judge.inputs[:-1]
        if judge.output not in verdicts:
            raise SearchError(
                f"{self.name}: {option}={checker}: it gives {judge.output}, not a verdict; "
                "declare it -> !flow.bool"
            )
        if names is not None:
            count, wanted = len(wanted), () if tuple(names) == (NO_CONTEXT,) else tuple(names)
            if isinstance(judge, AgentOp) and len(wanted) != count:
                raise SearchError(
                    f"{self.name}: context={','.join(names)}: the prompt of @{checker} shows "
                    f"{count} values before the one it judges; name as many"
                )
        if unknown := [name for name in wanted if name not in given]:
            raise SearchError(
                f"{self.name}: {option}={checker} is to be shown {_quoted(unknown)}, and "
                f"{describe(call)} is given {_quoted(given)}; say with context=… what of it to show"
            )
        return [given[name] for name in wanted]

    def replace(self, call: CallOp, choice: str, first: str, variants: Sequence[Variant]) -> None:
        """Put alternatives in the place of a call: the call as it was, then the variants."""
        made = AlternativesOp.build(
            result_types=[call.output.type],
            properties={
                "choice": StringAttr(choice),
                "labels": ArrayAttr([StringAttr(name) for name in (first, *_labels(variants))]),
            },
            regions=[[Region(Block()) for _ in (call, *variants)]],
        )
        made.output.name_hint = call.output.name_hint
        Rewriter.insert_op(made, InsertPoint.before(call))
        call.output.replace_all_uses_with(made.output)
        call.detach()  # type: ignore[no-untyped-call]
        regions = [([call], call.output), *((variant.ops, variant.value) for variant in variants)]
        for region, (ops, value) in zip(made.cases, regions, strict=True):
            region.block.add_ops([*ops, YieldOp(value)])
        for op in made.walk():
            op.location = call.location


def counts(name: str, option: str, values: Sequence[int], least: int) -> None:
    """Check numbers of attempts: some, each large enough, none twice.

    Raises:
        SearchError: they are not.
    """
    given = f"{name}: {option}={','.join(map(str, values))}"
    if not values:
        raise SearchError(f"{given}: give at least one number")
    if (small := min(values)) < least:
        raise SearchError(f"{given}: {small} is too few; give {least} or more")
    if len(set(values)) < len(values):
        raise SearchError(f"{given}: a number stands twice; give each once")


def workflow_of(op: Operation) -> WorkflowOp:
    """The workflow an op stands in."""
    parent = op.parent_op()
    while not isinstance(parent, WorkflowOp):
        assert parent is not None
        parent = parent.parent_op()
    return parent


def decision_name(call: CallOp) -> str:
    """`agent`, or `agent/group`."""
    return "/".join(filter(None, (call.callee.root_reference.data, group_of(call))))


def group_of(op: Operation) -> str:
    """The decision group of an op that calls an agent, `""` for the ordinary one."""
    group = op.properties.get("group")
    return group.data if isinstance(group, StringAttr) else ""


def site_of(call: CallOp) -> str:
    """The site of a call that has one."""
    assert call.site is not None
    return call.site.data


def symbol(name: str) -> SymbolRefAttr:
    """`@name`"""
    return SymbolRefAttr(name)


def _made_by(op: AlternativesOp, what: str) -> bool:
    """Whether a pass made these alternatives; inlining prefixes their name and keeps its end."""
    return op.choice.data.endswith(f" {what}") and op.labels.data[0].data in (ONCE, KEPT)


def _labels(variants: Sequence[Variant]) -> list[str]:
    return [variant.label for variant in variants]


def _fresh(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken; taken from now on."""
    made, number = name, 1
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    taken.add(made)
    return made


def _quoted(names: object) -> str:
    return ", ".join(f'"{name}"' for name in names) or "nothing"  # type: ignore[attr-defined]
