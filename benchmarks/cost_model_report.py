"""The figures of the cost model's benchmark, and which intervals held what was measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure
from flowir.cost import CostModel

Floats = npt.NDArray[np.float64]


@dataclass
class Report:
    """Collects figures, and which intervals held the measured value, by data set."""

    figures: list[Figure] = field(default_factory=list)
    covered: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    means_inside: list[bool] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        limit: float | None = None,
        *,
        independence: float | None = None,
        note: str = "",
        simulated: bool = False,
    ) -> None:
        """A figure that is to be at most `limit`, None for one that is only reported.

        Added again, for another seed, it keeps the larger value.
        """
        ok = None if limit is None else bool(value <= limit)
        target = "" if limit is None else f"<= {limit:g}"
        figure = Figure(name, float(value), unit, target, ok, simulated, note)
        self._keep(figure)
        beside = "" if independence is None else f"{independence:9.3f}"
        start = f"{name:<62} {value:9.3f} {unit:<8} {target:<9} {figure.verdict:<7}"
        print(f"{start} {beside:>9}  {note}", flush=True)
        if independence is not None:
            name = f"{name} (independence)"
            self._keep(Figure(name, float(independence), unit, "", None, simulated))

    def _keep(self, figure: Figure) -> None:
        names = [other.name for other in self.figures]
        if figure.name not in names:
            self.figures.append(figure)
        elif figure.value > self.figures[names.index(figure.name)].value:
            self.figures[names.index(figure.name)] = figure

    def fitted(self, model: CostModel) -> None:
        """Counts the posterior predictive checks of single-call means."""
        for check in model.checks:
            if check.figure == "share of events":
                self.means_inside.append(check.inside)

    def interval(self, data: str, replicates: Floats, value: float) -> str:
        """Note whether the central 90 % of the replicates holds the measured value."""
        low, high = np.quantile(replicates, [0.05, 0.95])
        self.covered[data].append(bool(low - 1e-9 <= value <= high + 1e-9))
        return f"[{low:.3f}, {high:.3f}]"


def coverage(report: Report, gated: bool) -> None:
    """How often 90 % intervals held the measured value, and single-call means their checks."""
    shares = []
    for data, inside in report.covered.items():
        share = float(np.mean(inside))
        shares.append(share)
        _distance(report, data, share, f"{share:.3f} of {len(inside)} cells", gated)
    average = float(np.mean(shares))
    _distance(report, "all data sets with equal weight", average, f"{average:.3f}", gated)
    inside = float(np.mean(report.means_inside))
    name = "single-call means outside their 90 % checks"
    report.add(name, 1 - inside, "", 0.10, note=f"{len(report.means_inside)} configurations")


def _distance(report: Report, data: str, share: float, note: str, gated: bool) -> None:
    missed = max(0.85 - share, share - 0.97, 0.0)
    name = f"coverage of 90 % intervals, {data}: distance from 0.85 to 0.97"
    report.add(name, missed, "", 0.0 if gated else None, note=note)
