"""Single calls as sheets: one row per configuration that the batch asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flowir.calculus import rows
from flowir.calculus.diagrams import NOTHING, Batch, Diagram, Sheet, Support
from flowir.calculus.labels import LabelEvent
from flowir.calculus.lookup import acceptance
from flowir.calculus.rows import Array
from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Checker, Select, Workflow
from flowir.calculus.writers import Writers


@dataclass(frozen=True)
class Verdict:
    """What one judgement is like: acceptance rates, and what it takes."""

    accept_right: Diagram
    accept_wrong: Diagram
    calls: float
    cost: Diagram
    latency: Diagram


class CallSheets:
    """What single calls are like, for the settings of one batch in some of the scenarios."""

    def __init__(
        self, workflow: Workflow, scenarios: Scenarios, batch: Batch, window: slice
    ) -> None:
        self._workflow = workflow
        self._scenarios = scenarios
        self._batch = batch
        self._window = window
        self._known: dict[tuple[int, str], Diagram] = {}

    def success(self, decision: int) -> Diagram:
        """P(right | every input right)."""
        return self._sheet(decision, "success", lambda call: call.success)

    def recovery(self, decision: int, fresh: bool) -> Diagram:
        """P(right | some input wrong): as observed, else of a fresh attempt, else 0."""
        if self._scenarios.calls[decision].recovery is None:
            return self.success(decision) if fresh else 0.0
        return self._sheet(decision, "recovery", lambda call: call.recovery)

    def cost(self, decision: int) -> Diagram:
        """Expected US dollars of one call."""
        return self._sheet(decision, "cost", lambda call: call.cost)

    def selection_cost(self, term: Select, writers: Writers) -> Diagram:
        """Expected US dollars of choosing among candidates.

        Besides the cost of the call, the selector pays its input price for the expected output
        tokens of every candidate whose writer is known; what is not known adds nothing.
        """
        shown = [self._output_tokens(writers.get(value)) for value in term.candidates]
        tokens = self._batch.fold(rows.total, shown, 0.0)
        reading = self._batch.apply(rows.product, self._input_price(term.decision), tokens)
        return self._batch.apply(rows.total, self.cost(term.decision), reading)

    def location(self, decision: int) -> Diagram:
        """Location of the log-normal latency of one call."""
        return self._sheet(decision, "location", lambda call: call.log_latency)

    def scale(self, decision: int) -> Diagram:
        """Scale of the log-normal latency of one call."""
        return self._sheet(decision, "scale", lambda call: call.latency_scale)

    def latency(self, decision: int) -> Diagram:
        """Expected seconds of one call."""
        key = (decision, "latency")
        if key not in self._known:
            location, scale = self.location(decision), self.scale(decision)
            self._known[key] = self._batch.apply(_mean_log_normal, location, scale)
        return self._known[key]

    def agreement(self, writer: int | None) -> Diagram:
        """P(a wrong value is the common wrong answer); 1 where nobody knows."""
        if writer is None or self._scenarios.calls[writer].wrong_agreement is None:
            return 1.0
        return self._sheet(writer, "agreement", lambda call: call.wrong_agreement)

    def _output_tokens(self, writer: int | None) -> Diagram:
        """Expected tokens of one output, 0 where unknown."""
        if writer is None or self._scenarios.calls[writer].output_tokens is None:
            return 0.0
        return self._sheet(writer, "tokens", _tokens)

    def _input_price(self, decision: int) -> Diagram:
        """US dollars per input token, 0 where unknown."""
        if self._scenarios.calls[decision].input_price is None:
            return 0.0
        return self._sheet(decision, "price", _price)

    def verdict(self, checker: Checker) -> Verdict:
        """One judgement of a checker.

        Raises:
            CalculusError: its acceptance rates are not known.
        """
        right, wrong = acceptance(self._workflow, self._scenarios, checker)
        decision = checker.decision
        if decision is None:
            return Verdict(
                Sheet(NOTHING, right[:, self._window]),
                Sheet(NOTHING, wrong[:, self._window]),
                0.0,
                0.0,
                float(checker.latency_s),
            )
        return Verdict(
            self._sheet(decision, "accept_right", lambda _: right),
            self._sheet(decision, "accept_wrong", lambda _: wrong),
            1.0,
            self.cost(decision),
            self.latency(decision),
        )

    def labels(self, event: LabelEvent) -> tuple[Diagram, ...]:
        """P(state) of each state of a label."""
        support, written = NOTHING, {}
        if event.router is not None:
            tables = self._scenarios.calls[event.router].labels
            for label in event.states:
                if label is not None and label in tables:
                    support, written[label] = self._rows(event.router, tables[label])
        return tuple(
            p if isinstance(p, float) else Sheet(support, p) for p in event.probabilities(written)
        )

    def _sheet(
        self, decision: int, name: str, table: Callable[[CallModel], Array | None]
    ) -> Diagram:
        key = (decision, name)
        if key not in self._known:
            values = table(self._scenarios.calls[decision])
            assert values is not None
            self._known[key] = Sheet(*self._rows(decision, values))
        return self._known[key]

    def _rows(self, decision: int, table: Array) -> tuple[Support, Array]:
        """The rows of a [C, S] table that the batch asks for, in this window of scenarios."""
        support = self._batch.support(decision)
        chosen = self._batch.settings[self._batch.representatives(support), decision]
        values = table[:, self._window][chosen]
        return (NOTHING if len(values) == 1 else support), values


def _mean_log_normal(location: rows.Quantity, scale: rows.Quantity) -> rows.Quantity:
    return np.exp(location + 0.5 * scale * scale)


def _tokens(call: CallModel) -> Array | None:
    return None if call.output_tokens is None else np.nan_to_num(call.output_tokens, nan=0.0)


def _price(call: CallModel) -> Array | None:
    if call.input_price is None:
        return None
    price = np.nan_to_num(call.input_price, nan=0.0)
    return np.broadcast_to(price[:, None], call.success.shape)
