"""Makes one call of several that a tool takes in one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr, SymbolRefAttr
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.traits import SymbolTable
from xdsl.utils.exceptions import VerifyException

from flowir.dialects.flow_checks import fail
from flowir.dialects.plan import PlanOp, ReplanOp, TaskOp
from flowir.dialects.plan import ToolOp as PlanToolOp
from flowir.plan.events import Task
from flowir.plan.values import Record, Reference, Template, Value, moved, references, written

BATCH = "plan.batch"
"""On a pure tool: the pure tool that answers many of its calls at once. That one takes a list (of
values where the tool has one parameter, else of objects by parameter) and gives the list of what
the tool would give for each."""


@dataclass(frozen=True)
class PlanFuse(ModulePass):
    """Calls of a batched tool that wait for the same tasks become one call of its batch.

        plan.tool @search(query: text) pure attributes {plan.batch = @search_all}
        plan.tool @search_all(queries: list) pure
        %t1 = plan.task 1 @search {query = "\\"a\\""}
        %t2 = plan.task 2 @search {query = "\\"b\\""}
        %t3 = plan.task 3 @ratio(%t1, %t2) {a = "${1}", b = "${2.price}"}

    becomes

        %t1 = plan.task 1 @search_all {queries = "[\\"a\\", \\"b\\"]"}
        %t3 = plan.task 3 @ratio(%t1) {a = "${1[0]}", b = "${1[1][\\"price\\"]}"}

    Results stay what they are, and no call starts later than it could have: fused are only calls
    of one round whose arguments refer to the same tasks, and only where the batch is declared to
    take no longer than `slower` times one call. An argument that a call would convert (a reference
    where a number is wanted) is not fused, because in a list nothing is converted. What does
    change: a batch that fails is a failure of all its calls.

    Attributes:
        most: calls in one batch.
        slower: the latency of a batch over that of one call, at most.
    """

    name = "plan-fuse"

    most: int = 32
    slower: float = 1.0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for name, least in (("most", 2), ("slower", 1)):
            if not getattr(self, name) >= least:
                raise VerifyException(
                    f"{self.name}: {name}={getattr(self, name)}; write {least} or more"
                )
        batches: dict[str, tuple[PlanToolOp, str]] = {}
        for tool in op.walk():
            if isinstance(tool, PlanToolOp) and BATCH in tool.attributes:
                batch = _batch_of(tool)
                if batch.latency.data <= self.slower * tool.latency.data:
                    batches[tool.sym_name.data] = tool, batch.sym_name.data
        for plan in op.walk():
            if isinstance(plan, PlanOp) and batches:
                self._fuse(plan, batches)

    def _fuse(self, plan: PlanOp, batches: Mapping[str, tuple[PlanToolOp, str]]) -> None:
        groups: list[list[TaskOp]] = []
        open_: dict[object, list[TaskOp]] = {}
        for op in plan.body.block.ops:
            if isinstance(op, ReplanOp):
                open_.clear()
            if not isinstance(op, TaskOp) or op.tool.root_reference.data not in batches:
                continue
            task = op.task
            tool, _ = batches[task.tool]
            if _item(task, tool) is None:
                continue
            key = (task.tool, frozenset(task.needs))
            group = open_.get(key)
            if group is None or len(group) == self.most:
                group = open_[key] = []
                groups.append(group)
            group.append(op)
        places: dict[int, Reference] = {}
        for group in groups:
            if len(group) > 1:
                first = group[0].number.data
                places |= {op.number.data: Reference(first, (i,)) for i, op in enumerate(group)}
        if places:
            _rewrite(plan, [group for group in groups if len(group) > 1], places, batches)


def _rewrite(
    plan: PlanOp,
    groups: list[list[TaskOp]],
    places: Mapping[int, Reference],
    batches: Mapping[str, tuple[PlanToolOp, str]],
) -> None:
    """Every group becomes its first task; all references to its tasks step into that one's list."""
    items: dict[int, list[Value]] = {}
    for group in groups:
        tool, batch = batches[group[0].tool.root_reference.data]
        found = [_item(op.task, tool) for op in group]
        items[group[0].number.data] = [item for item in found if item is not None]
    made: dict[int, SSAValue] = {op.number.data: op.output for op in plan.tasks}
    tasks = [(op, op.task) for op in plan.tasks]
    fused = [op for group in groups for op in group[1:]]
    for op, task in tasks:
        if task.number in items:
            tool, batch = batches[task.tool]
            declared = SymbolTable.lookup_symbol(op, batch)
            assert isinstance(declared, PlanToolOp)
            (parameter,) = declared.signature.parameters
            task = Task(task.number, batch, ((parameter.name, tuple(items[task.number])),), 0)
            op.properties["tool"] = SymbolRefAttr(batch)
        arguments = [(name, moved(value, places)) for name, value in task.arguments]
        needs = dict.fromkeys(r.task for _, value in arguments for r in references(value))
        op.properties["arguments"] = DictionaryAttr(
            {name: StringAttr(written(value)) for name, value in arguments}
        )
        op.operands = [] if op in fused else [made[number] for number in needs]
    for op in fused:
        Rewriter.erase_op(op)


def _item(task: Task, tool: PlanToolOp) -> Value | None:
    """A call as an item of a batch, None where a call would convert what a list does not."""
    parameters = tool.signature.by_name
    entries: list[tuple[str, Value]] = []
    for name, value in task.arguments:
        kind = parameters[name].kind
        if isinstance(value, Reference) and kind == "text":
            value = Template((value,))  # shown as text, as the call would show it
        elif isinstance(value, Reference) and kind != "any":
            return None
        entries.append((name, value))
    return entries[0][1] if len(parameters) == len(entries) == 1 else Record(tuple(entries))


def _batch_of(tool: PlanToolOp) -> PlanToolOp:
    symbol = tool.attributes[BATCH]
    found = SymbolTable.lookup_symbol(tool, symbol) if isinstance(symbol, SymbolRefAttr) else None
    if not isinstance(found, PlanToolOp):
        raise fail(tool, f"{BATCH} = {symbol}; name a plan.tool, as {BATCH} = @search_all")
    if tool.pure is None or found.pure is None:
        raise fail(tool, f"{BATCH}: the tool and its batch must both be pure")
    parameters = found.signature.parameters
    if len(parameters) != 1 or parameters[0].kind not in ("list", "any"):
        raise fail(tool, f"{BATCH} @{found.sym_name.data} must take one parameter, a list")
    if not tool.signature.parameters:
        raise fail(tool, f"{BATCH}: the tool takes nothing, so there is nothing to batch")
    return found
