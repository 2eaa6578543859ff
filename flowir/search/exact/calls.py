"""Single calls in the mean-field model, as columns: one option per configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from flowir.calculus.labels import LabelEvent
from flowir.calculus.lookup import acceptance
from flowir.calculus.rows import Quantity
from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Checker, Workflow
from flowir.errors import SearchError
from flowir.search.exact.columns import Amount, Array, Columns, Mark, constant
from flowir.search.exact.partial import Chosen, PartialFront


@dataclass(frozen=True)
class Answer:
    """P(right | every input right), P(right | some input wrong), for each configuration."""

    success: Array
    recovery: Quantity


class Calls:
    """What single calls are like in one scenario, for the configurations that may be chosen.

    Attributes:
        spent: which of cost and latency are asked for.

    Raises:
        SearchError: a decision without choices, or an amount asked for that is not known.
    """

    def __init__(self, workflow: Workflow, scenarios: Scenarios, spent: tuple[str, ...]) -> None:
        self._workflow = workflow
        self._scenarios = scenarios.point()
        self.spent = spent
        for decision in workflow.decisions:
            if not decision.choices:
                raise SearchError(
                    f"decision {decision}: no configuration may be chosen; widen its space"
                )

    def answer(self, decision: int, fresh: bool) -> Answer:
        """How often a call is right; the same array twice where inputs make no difference."""
        success = self._of(decision, lambda call: call.success)
        model = self._scenarios.calls[decision]
        if model.recovery is not None:
            return Answer(success, self._of(decision, lambda call: call.recovery))
        return Answer(success, success if fresh else 0.0)

    def amounts(self, decision: int) -> Mapping[Amount, Array]:
        """[n] what one call spends."""
        known = {"cost": lambda call: call.cost, "latency": lambda call: call.mean_latency}
        found: dict[Amount, Array] = {name: self._of(decision, known[name]) for name in self.spent}
        for name, values in found.items():
            if np.isnan(values).any():
                mend = "give its prices" if name == "cost" else "observe its latency"
                index = int(np.flatnonzero(np.isnan(values))[0])
                chosen = self._workflow.decisions[decision]
                raise SearchError(
                    f"{name} of {chosen} with {chosen.configurations[index]} is not known; "
                    f"{mend}, or leave {name} out of the objectives"
                )
        return found

    def agreement(self, writer: int | None) -> Array | None:
        """[n] P(a wrong value is the common wrong answer); None where it is taken to be 1."""
        if writer is None or self._scenarios.calls[writer].wrong_agreement is None:
            return None
        return self._of(writer, lambda call: call.wrong_agreement)

    def tokens(self, writer: int | None) -> Array | None:
        """[n] expected tokens of one output, 0 where unknown; None if all are, or nobody asks."""
        if writer is None or "cost" not in self.spent:
            return None
        if self._scenarios.calls[writer].output_tokens is None:
            return None
        return np.nan_to_num(self._of(writer, lambda call: call.output_tokens), nan=0.0)

    def price(self, decision: int) -> Array | None:
        """[n] US dollars per input token, 0 where unknown; None if all are, or nobody asks."""
        price = self._scenarios.calls[decision].input_price
        if price is None or "cost" not in self.spent:
            return None
        return np.nan_to_num(price[: self._size(decision)], nan=0.0)

    def labels(self, event: LabelEvent) -> tuple[Quantity, ...]:
        """P(state) of each state of a label: [n] of the router's configurations, or numbers."""
        written = {}
        if event.router is not None:
            tables = self._scenarios.calls[event.router].labels
            written = {
                label: self._choices(event.router, tables[label])
                for label in event.states
                if label is not None and label in tables
            }
        return event.probabilities(written)

    def acceptance(self, checker: Checker) -> tuple[Array, Array]:
        """P(accepts | right), P(accepts | wrong): [1] of a tool, [n] of an agent.

        Raises:
            CalculusError: the rates of the checker are not known.
        """
        right, wrong = acceptance(self._workflow, self._scenarios, checker)
        if checker.decision is None:
            return right[:, 0], wrong[:, 0]
        return self._choices(checker.decision, right), self._choices(checker.decision, wrong)

    def options(
        self, decision: int, right: Quantity, amounts: bool, marks: dict[Mark, Quantity]
    ) -> PartialFront:
        """One option per configuration of a decision."""
        size = self._size(decision)
        spent: dict[Amount, Array] = dict(self.amounts(decision)) if amounts else {}
        columns = Columns(
            (),
            constant(right),
            spent,
            {},
            {name: constant(mark) for name, mark in marks.items()},
        )
        index = np.arange(size)
        return PartialFront(columns, size, {decision: index}, Chosen(decision, index))

    def _of(self, decision: int, table: Callable[[CallModel], Array | None]) -> Array:
        values = table(self._scenarios.calls[decision])
        assert values is not None
        return self._choices(decision, values)

    def _choices(self, decision: int, table: Array) -> Array:
        return np.ascontiguousarray(table[: self._size(decision), 0])

    def _size(self, decision: int) -> int:
        return len(self._workflow.decisions[decision].choices)
