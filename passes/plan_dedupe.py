"""Makes one call of several that are the same."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from flowir.dialects.plan import PlanOp, ReplanOp, TaskOp
from flowir.dialects.plan import ToolOp as PlanToolOp
from flowir.plan.values import renumbered, written


@dataclass(frozen=True)
class PlanDedupe(ModulePass):
    """Identical calls of a pure tool in one plan become the first of them.

        %t1 = plan.task 1 @search {query = "\\"Everest\\""}
        %t2 = plan.task 2 @search {query = "\\"Everest\\""}
        %t3 = plan.task 3 @ratio(%t1, %t2) {a = "${1}", b = "${2}"}

    becomes, where `@search` is pure,

        %t1 = plan.task 1 @search {query = "\\"Everest\\""}
        %t3 = plan.task 3 @ratio(%t1) {a = "${1}", b = "${1}"}

    Calls on the two sides of a `plan.replan` stay: the second was wanted after the first was seen.
    """

    name = "plan-dedupe"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pure = {
            tool.sym_name.data
            for tool in op.walk()
            if isinstance(tool, PlanToolOp) and tool.pure is not None
        }
        for plan in op.walk():
            if isinstance(plan, PlanOp):
                _dedupe(plan, pure)


def _dedupe(plan: PlanOp, pure: set[str]) -> None:
    kept: dict[object, TaskOp] = {}
    numbers: dict[int, int] = {}
    made: dict[int, TaskOp] = {}
    for op in list(plan.body.block.ops):
        if isinstance(op, ReplanOp):
            kept.clear()
        if not isinstance(op, TaskOp):
            continue
        task = op.task
        arguments = {name: renumbered(value, numbers) for name, value in task.arguments}
        if any(number in numbers for number in task.needs):
            op.properties["arguments"] = DictionaryAttr(
                {name: StringAttr(written(value)) for name, value in arguments.items()}
            )
            op.operands = [made[number].output for number in op.task.needs]
        key = (task.tool, tuple(arguments.items()))
        first = kept.setdefault(key, op) if task.tool in pure else op
        if first is op:
            made[task.number] = op
            continue
        numbers[task.number] = first.number.data
        # Those that read it come later and are told to read the first when their turn comes.
        op.output.replace_all_uses_with(first.output)
        Rewriter.erase_op(op)
