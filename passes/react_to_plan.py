"""Makes a plan of what a sequential agent did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.traits import SymbolTable

from flowir.dialects.plan import PlanOp, ToolOp
from flowir.plan.ir import plan_module
from flowir.plan.react import parallelised
from flowir.plan.react_trace import TraceError, read_trace

ASSUMED = "plan.assumed"
"""On a plan: what was taken for granted when it was made, in sentences."""


@dataclass(frozen=True)
class ReactToPlan(ModulePass):
    """Adds the plan of a recorded run: a DAG of its calls, each as early as the record allows.

        {"question": "How much is A's market cap over B's?"}
        {"action": {"tool": "search", "arguments": {"query": "market cap A"}}, "observation": 310}
        {"action": {"tool": "search", "arguments": {"query": "market cap B"}}, "observation": 155}
        {"action": {"tool": "ratio", "arguments": {"a": 310, "b": 155}}, "observation": 2.0}

    becomes, where `@search` and `@ratio` are declared pure,

        plan.plan @recorded {
          %t1 = plan.task 1 @search {query = "\\"market cap A\\""}
          %t2 = plan.task 2 @search {query = "\\"market cap B\\""}
          %t3 = plan.task 3 @ratio(%t1, %t2) {a = "${1}", b = "${2}"}
          plan.join
        } attributes {plan.assumed = []}

    An observed value that appears in a later argument becomes a reference, where one observation
    alone has it. Everything that cannot be told is a dependency: a call that shares a word with an
    observation and not with the question stands behind a `plan.replan`, and so do calls of tools
    that are not declared pure (tools that the module does not declare are declared so). With the
    same answers of the tools the plan gives the same results; `plan.assumed` says what that rests
    on. A record does not show dependencies that leave no word behind, such as a choice made after
    reading a result.

    Attributes:
        trace: the file, as `flowir.plan.react_trace` reads it.
        plan: the name of the plan.
    """

    name = "react-to-plan"

    trace: str
    plan: str = "recorded"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            text = Path(self.trace).read_text(encoding="utf-8")
            found = read_trace(text)
        except (OSError, UnicodeDecodeError) as error:
            raise TraceError(f"{self.name}: trace {self.trace} cannot be read: {error}") from error
        except TraceError as error:
            raise TraceError(f"{self.name}: {self.trace}: {error}") from error
        if SymbolTable.lookup_symbol(op, self.plan) is not None:
            raise TraceError(f"{self.name}: the name @{self.plan} is taken; give another as plan=…")
        declared = {tool.sym_name.data for tool in op.ops if isinstance(tool, ToolOp)}
        tools = [tool.signature for tool in op.ops if isinstance(tool, ToolOp)]
        made = parallelised(found, tools)
        module = plan_module(made.rounds, made.tools, name=self.plan)
        for new in list(module.ops):
            new.detach()
            if isinstance(new, ToolOp) and new.sym_name.data in declared:
                continue
            if isinstance(new, PlanOp):
                new.attributes[ASSUMED] = ArrayAttr([StringAttr(one) for one in made.assumed])
            op.body.block.add_op(new)
