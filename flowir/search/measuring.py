"""The quantities of a batch that are asked for, and no others.

`expect` and `realise` work out everything there is to know of a run. A search asks the same two or
three numbers of many thousand points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import Execution
from flowir.calculus.noise import Noise
from flowir.calculus.rows import Array
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import First, Workflow, walk
from flowir.calculus.tracks import Quantity, Track, depends, drive, expected, realised

CELLS = 1 << 17
"""Rows × scenarios worked on at a time: several arrays of so many numbers fit a cache."""

WINDOW = 256
"""Scenarios worked on at a time, at most."""

ASKED: tuple[Quantity, ...] = ("right", "cost", "latency")
"""What a search can ask for."""


@dataclass(frozen=True, eq=False)
class Measuring:
    """Points of any workflow with these decisions, measured under the same noise.

    Attributes:
        asked: what is measured, some of `ASKED`.
    """

    scenarios: Scenarios
    execution: Execution
    seed: int
    asked: frozenset[Quantity]
    _noise: dict[int, Noise] = field(default_factory=dict, repr=False)

    def measured(
        self, workflow: Workflow, settings: npt.NDArray[np.intp], *, drawn: bool
    ) -> dict[Quantity, Array]:
        """[B, S] of each quantity asked for.

        Args:
            workflow: specialised.
            settings: [B, D] index of the configuration chosen for each decision.
            drawn: whether latency is that of one run per scenario, not its expectation.

        Raises:
            CalculusError: see `expect` and `realise`.
        """
        shape = (len(settings), self.scenarios.size)
        into = {quantity: np.empty(shape) for quantity in ASKED if quantity in self.asked}
        drive(workflow, settings, self.scenarios, self._tracks(workflow, into, drawn), _tiles)
        return into

    def depends(self, workflow: Workflow, *, drawn: bool) -> tuple[int, ...]:
        """Decisions on which something asked for depends: no other makes a difference."""
        nowhere = {quantity: np.empty((0, 0)) for quantity in ASKED if quantity in self.asked}
        return depends(workflow, self.scenarios, self._tracks(workflow, nowhere, drawn))

    def _tracks(
        self, workflow: Workflow, into: dict[Quantity, Array], drawn: bool
    ) -> Sequence[Track]:
        """The expectation of what has one, a run per scenario for latency that has none."""
        # Who finishes first decides what is right, and what is paid for.
        timed = any(isinstance(term, First) for term in walk(workflow.body))
        exact = {name: out for name, out in into.items() if name != "latency" or not drawn}
        tracks = []
        if exact:
            run = expected(workflow, self.execution)
            tracks.append(Track(run, exact, "cost" in exact, timed or "latency" in exact))
        if len(exact) < len(into):
            size = self.scenarios.size
            noise = self._noise.setdefault(size, Noise(self.seed, size))
            run_once = realised(workflow, self.execution, noise)
            tracks.append(Track(run_once, {"latency": into["latency"]}, costs=False, times=timed))
        return tracks


def _tiles(rows: int, scenarios: int) -> Iterator[tuple[slice, Sequence[slice]]]:
    """Few scenarios at a time, of many rows."""
    width = min(scenarios, WINDOW)
    height = max(1, CELLS // width)
    windows = [slice(start, min(start + width, scenarios)) for start in range(0, scenarios, width)]
    for first in range(0, rows, height):
        yield slice(first, first + height), windows
