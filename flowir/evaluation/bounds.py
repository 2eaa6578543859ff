"""What an evaluation may take: runs, US dollars, minutes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowir.evaluation.store import Run, RunKey
from flowir.profiler.limits import Limits

HEADROOM = 2.0
"""Money that is set aside, over what is predicted of a run, and over the dearest verdict so far."""


@dataclass
class Bounds:
    """What an evaluation may take. Runs and dollars count all that is in the store.

    A run is begun only if there is room for it and for those under way, each taken to cost what
    the dearest run of its point did, or twice what is predicted if that is more, and to be judged
    at twice what the dearest verdict did. So dollars are passed only by what is dearer than that.

    Attributes:
        runs, dollars, minutes: None for no limit; minutes are of this call alone.
        judging: what a model that judges has taken; it has no limit of its own.
        reached: which limit was reached, in words.
    """

    runs: int | None = None
    dollars: float | None = None
    minutes: float | None = None
    judging: Limits = field(default_factory=Limits)
    reached: str = ""
    _started: float = field(default_factory=time.monotonic)

    def admit(self, stored: Mapping[RunKey, Run], under_way: int, aside: float) -> bool:
        """Whether another run may begin.

        Args:
            aside: dollars that it and the runs under way are taken to cost.
        """
        if self.runs is not None and len(stored) + under_way >= self.runs:
            self.reached = self.reached or f"{self.runs} runs"
        if self.dollars is not None:
            spent = sum(run.cost_usd or 0.0 for run in stored.values()) + self.judging.spent_usd
            if spent + self.judging.set_aside_usd + aside > self.dollars:
                self.reached = self.reached or f"{self.dollars:g} dollars ({spent:.4g} spent)"
        if self.minutes is not None and time.monotonic() - self._started > 60.0 * self.minutes:
            self.reached = self.reached or f"{self.minutes:g} minutes"
        return not self.reached
