"""The quantities of a batch that are asked for, and no others.

`expect` and `realise` work out everything there is to know of a run. A search asks the same two or
three numbers of many thousand points, so here what nobody asks is a plain 0, which costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flowir.calculus.diagrams import Batch, Diagram
from flowir.calculus.evaluation import Evaluation
from flowir.calculus.expectation import Execution
from flowir.calculus.lookup import checked_settings
from flowir.calculus.noise import Noise
from flowir.calculus.realisation import Realising
from flowir.calculus.rows import Array
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.scopes import analyse
from flowir.calculus.sheets import CallSheets
from flowir.calculus.terms import First, Select, Workflow, walk
from flowir.calculus.writers import Writers

CELLS = 1 << 17
"""Rows × scenarios worked on at a time: several arrays of so many numbers fit a cache."""

WINDOW = 256
"""Scenarios worked on at a time, at most."""


class _Asked(CallSheets):
    """Single calls whose money or time nobody asks."""

    costs = True
    takes = True

    def cost(self, decision: int) -> Diagram:
        return super().cost(decision) if self.costs else 0.0

    def selection_cost(self, term: Select, writers: Writers) -> Diagram:
        return super().selection_cost(term, writers) if self.costs else 0.0

    def latency(self, decision: int) -> Diagram:
        return super().latency(decision) if self.takes else 0.0


@dataclass(frozen=True, eq=False)
class Measuring:
    """Points of any workflow with these decisions, measured under the same noise."""

    scenarios: Scenarios
    execution: Execution
    seed: int
    _noise: dict[int, Noise] = field(default_factory=dict, repr=False)

    def success_cost_latency(
        self,
        workflow: Workflow,
        settings: npt.NDArray[np.intp],
        *,
        success: bool,
        cost: bool,
        latency: bool,
        realised: bool,
    ) -> tuple[Array, Array, Array]:
        """[B, S] each; what is not asked for is left empty.

        Args:
            workflow: specialised.
            settings: [B, D] index of the configuration chosen for each decision.
            realised: whether latency is that of one run per scenario, not its expectation.

        Raises:
            CalculusError: see `expect` and `realise`.
        """
        analysis = analyse(workflow)
        racing = analyse(workflow, quorums=self.execution != "sequential")
        # Who finishes first decides what is right, and what is paid for.
        timed = any(isinstance(term, First) for term in walk(workflow.body))
        size = self.scenarios.size
        chosen = checked_settings(workflow, analysis.decisions, settings, self.scenarios)
        rights, costs, times = [
            np.empty((len(chosen), size if ask else 0)) for ask in (success, cost, latency)
        ]
        noise = self._noise.setdefault(size, Noise(self.seed, size))
        width = min(size, WINDOW)
        height = max(1, CELLS // width)
        for first in range(0, len(chosen), height):
            some = slice(first, first + height)
            batch = Batch(chosen[some], analysis.decisions, width)
            for start in range(0, size, width):
                window = slice(start, min(start + width, size))
                sheets = _Asked(workflow, self.scenarios, batch, window)
                sheets.costs, sheets.takes = cost, timed or (latency and not realised)
                if success or cost or not realised:
                    run = Evaluation(analysis, batch, sheets, self.execution).workflow()
                    if success:
                        batch.write(run.right, rights[some, window])
                    if cost:
                        batch.write(run.cost, costs[some, window])
                    if latency and not realised:
                        batch.write(run.latency, times[some, window])
                if latency and realised:
                    sheets.costs = False
                    drawn = Realising(racing, batch, sheets, noise, window, self.execution)
                    batch.write(drawn.workflow().latency, times[some, window])
        return rights, costs, times
