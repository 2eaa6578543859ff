"""Writes the worst case of any run on every workflow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from flowir.calculus.bounds import worst_calls, worst_seconds, worst_total
from flowir.calculus.expectation import Execution
from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.terms import Workflow
from flowir.configuration import Configuration
from flowir.dialects.dse import WORST, WorstAttr
from flowir.dialects.flow import WorkflowOp
from flowir.errors import CalculusError
from flowir.passes.flow_inline import FlowInline

Rates = Callable[[str], tuple[float, float]]
"""US dollars per input token and per output token of a model; NaN where unknown."""

CAP = "max_tokens"
"""The sampling parameter that caps the output of a call."""


@dataclass(frozen=True)
class FlowBounds(ModulePass):
    """Bounds every run of every workflow, over all that may be chosen.

        flow.workflow @w(%task: !flow.text) -> !flow.text { … }

    gets `attributes {dse.worst = #dse.worst<calls = 11>}`. Besides calls, what is capped: output
    tokens where every configuration has `max_tokens` (or the option says it), input tokens by
    option, dollars where prices and both are given, seconds where every call has a timeout or only
    tools are called.

    Attributes:
        timeout: seconds after which a call of an agent is given up.
        max_input_tokens, max_output_tokens: the most tokens of one call.
        prices: CSV file of prices.
        execution: `asyncio`, where only operands are waited for, `langgraph`, where supersteps are,
            or `sequential`.
    """

    name = "flow-bounds"

    timeout: int | float | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    prices: str | None = None
    execution: str = "asyncio"

    def __post_init__(self) -> None:
        if self.execution not in get_args(Execution):
            known = ", ".join(get_args(Execution))
            raise CalculusError(
                f"{self.name}: execution '{self.execution}' is unknown; use one of {known}"
            )
        for option in ("timeout", "max_input_tokens", "max_output_tokens"):
            value = getattr(self, option)
            if value is not None and not value > 0:
                raise CalculusError(
                    f"{self.name}: {option.replace('_', '-')} is {value}; give a positive number"
                )

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        flat = op.clone()
        FlowInline(keep=True).apply(ctx, flat)
        inlined = {w.sym_name.data: w for w in flat.walk() if isinstance(w, WorkflowOp)}
        rates = None if self.prices is None else _rates(self.prices)
        for workflow in op.walk():
            if isinstance(workflow, WorkflowOp):
                terms = workflow_terms(inlined[workflow.sym_name.data])
                workflow.attributes[WORST] = WorstAttr.of(self._bounds(terms, rates))

    def _bounds(self, workflow: Workflow, rates: Rates | None) -> dict[str, int | float]:
        found: dict[str, int | float] = {"calls": worst_calls(workflow)}

        def over_decisions(amount: Callable[[Configuration], float]) -> list[float]:
            return [max(map(amount, decision.configurations)) for decision in workflow.decisions]

        for name, amount in (
            ("input_tokens", self._input_tokens),
            ("output_tokens", self._output_tokens),
        ):
            total = worst_total(workflow, over_decisions(amount))
            if math.isfinite(total):
                found[name] = round(total)
        if rates is not None:
            dollars = worst_total(workflow, over_decisions(lambda c: self._dollars(c, rates)))
            if math.isfinite(dollars):
                found["cost_usd"] = dollars
        seconds = worst_seconds(
            workflow,
            [math.inf if self.timeout is None else self.timeout] * len(workflow.decisions),
            execution=self.execution,  # type: ignore[arg-type]
        )
        if math.isfinite(seconds):
            found["seconds"] = float(seconds)
        return found

    def _input_tokens(self, configuration: Configuration) -> float:
        return math.inf if self.max_input_tokens is None else self.max_input_tokens

    def _output_tokens(self, configuration: Configuration) -> float:
        cap = dict(configuration.params).get(CAP, self.max_output_tokens)
        return math.inf if not isinstance(cap, int | float) else cap

    def _dollars(self, configuration: Configuration, rates: Rates) -> float:
        per_input, per_output = rates(configuration.model)
        dollars = (
            self._input_tokens(configuration) * per_input
            + self._output_tokens(configuration) * per_output
        )
        return math.inf if math.isnan(dollars) else dollars


def _rates(path: str) -> Rates:
    from flowir.profile.prices import read_prices

    return read_prices(path).per_token
