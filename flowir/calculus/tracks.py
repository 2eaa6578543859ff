"""The one loop in which workflows are evaluated: batch by batch, window by window.

A track is a way to run a workflow (its expectation, or one realised run) and the arrays that what
is asked of it goes into. What nobody asks is a plain 0, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from flowir.calculus.diagrams import NOTHING, Batch, Diagram, Sheet, Support
from flowir.calculus.evaluation import Evaluation, Outcome
from flowir.calculus.lookup import checked_settings, parts
from flowir.calculus.noise import Noise
from flowir.calculus.realisation import Realising, Run
from flowir.calculus.rows import Array
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.scopes import analyse
from flowir.calculus.sheets import CallSheets
from flowir.calculus.terms import Select, Workflow
from flowir.calculus.writers import Writers

Quantity = Literal["right", "calls", "cost", "latency"]
"""What a run of a workflow has, by the names of `Outcome` and `Run`."""

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

Tiling = Callable[[int, int], Iterator[tuple[slice, Sequence[slice]]]]
"""(rows, scenarios) -> slices of the rows, each with its windows of scenarios."""


@dataclass(frozen=True, eq=False)
class Track:
    """One way to run a workflow.

    Attributes:
        run: runs a batch in a window of scenarios.
        into: [B, S] each, what is asked for and where it goes.
        costs, times: whether the money and the expected seconds of single calls are wanted.
    """

    run: Callable[[Batch, CallSheets, slice], Outcome | Run]
    into: Mapping[Quantity, Array]
    costs: bool = True
    times: bool = True


def expected(workflow: Workflow, execution: str) -> Callable[[Batch, CallSheets, slice], Outcome]:
    """Runs that give expectations."""
    analysis = analyse(workflow)
    return lambda batch, sheets, _: Evaluation(analysis, batch, sheets, execution).workflow()


def realised(
    workflow: Workflow, execution: str, noise: Noise
) -> Callable[[Batch, CallSheets, slice], Run]:
    """Runs in which everything is drawn. Votes end at their quorum, unless all is sequential."""
    analysis = analyse(workflow, quorums=execution != "sequential")
    return lambda batch, sheets, window: Realising(
        analysis, batch, sheets, noise, window, execution
    ).workflow()


def drive(
    workflow: Workflow,
    settings: npt.ArrayLike,
    scenarios: Scenarios,
    tracks: Sequence[Track],
    tiling: Tiling = parts,
) -> None:
    """Fill the arrays of every track.

    Args:
        workflow: specialised.
        settings: [B, D] index of the configuration chosen for each decision.

    Raises:
        CalculusError: see `expect` and `realise`.
        ValueError: settings that do not fit the decisions.
    """
    decisions = _decisions(workflow)
    chosen = checked_settings(workflow, decisions, settings, scenarios)
    for some, windows in tiling(len(chosen), scenarios.size):
        batch = Batch(chosen[some], decisions, windows[0].stop)
        for window in windows:
            sheets = CallSheets(workflow, scenarios, batch, window)
            for track in tracks:
                run = track.run(batch, _Asked(sheets, track.costs, track.times), window)
                for quantity, out in track.into.items():
                    batch.write(getattr(run, quantity), out[some, window])


def depends(workflow: Workflow, scenarios: Scenarios, tracks: Sequence[Track]) -> tuple[int, ...]:
    """Indices of the decisions that what is asked of the tracks depends on, sorted.

    A decision that is not among them, as that of a call which nothing reads if only success is
    asked, changes none of these quantities, whatever is chosen. A decision with one configuration
    is not among them either.
    """
    decisions = _decisions(workflow)
    ends = np.zeros((2, len(workflow.decisions)), dtype=np.intp)
    for decision in decisions:
        ends[1, decision] = len(scenarios.calls[decision].success) - 1
    batch, window = _Telling(ends, decisions, 1), slice(0, 1)
    sheets = CallSheets(workflow, scenarios, batch, window)
    found: list[Diagram] = []
    for track in tracks:
        run = track.run(batch, _Asked(sheets, track.costs, track.times), window)
        found += [getattr(run, quantity) for quantity in track.into]
    support = reduce(or_, (one.support for one in found if isinstance(one, Sheet)), NOTHING)
    return tuple(decision for decision in decisions if support >> decision & 1)


def _decisions(workflow: Workflow) -> tuple[int, ...]:
    return analyse(workflow).decisions


class _Asked(CallSheets):
    """The sheets of single calls, without money or time where nobody asks; looked up once."""

    def __init__(self, sheets: CallSheets, costs: bool, times: bool) -> None:
        self.__dict__.update(vars(sheets))
        self._costs = costs
        self._times = times

    def cost(self, decision: int) -> Diagram:
        return super().cost(decision) if self._costs else 0.0

    def selection_cost(self, term: Select, writers: Writers) -> Diagram:
        return super().selection_cost(term, writers) if self._costs else 0.0

    def latency(self, decision: int) -> Diagram:
        return super().latency(decision) if self._times else 0.0


class _Telling(Batch):
    """A batch that always tells apart on which decisions a quantity depends.

    It has few settings and one scenario: what does not happen there happens elsewhere.
    """

    def nowhere(self, condition: Diagram) -> bool:
        return not isinstance(condition, Sheet) and condition == 0.0

    def _canonicalise(self, support: Support) -> Support:
        if support not in self._canonical:
            key = np.zeros(self.size, dtype=np.int64)
            for decision in range(self.settings.shape[1]):
                if support >> decision & 1:
                    key |= self.settings[:, decision] > 0
            _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
            self._canonical[support] = support
            self._positions[support] = first, inverse.reshape(-1)
        return self._canonical[support]
