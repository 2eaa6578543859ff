"""What recorded plans look like: their width and depth as distributions, with what is not known.

The depth of a plan is its number of levels, a task's level being one more than the highest of the
tasks it refers to; its width at a level is the number of tasks there. Both are counts from 1, and
categorical with a Dirichlet prior of total weight 1, spread evenly over 1 … the largest seen + 1:
one plan's worth of doubt, some of it on what has not been seen. `flow.plan` takes the means
(`expects <width = {…}, depth = {…}, replan = …>`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowir.dialects.flow_plan import PlanShapeAttr
from flowir.errors import FlowirError
from flowir.plan.events import Task

DRAWS = 4000


class ShapeError(FlowirError):
    """Records that say nothing of how plans look."""


@dataclass(frozen=True)
class Recorded:
    """One plan that was written.

    Attributes:
        tasks: of this plan, in order; results of earlier plans are there from the beginning.
        replanned: whether the joiner asked for another plan; None where it could not.
    """

    tasks: Sequence[Task]
    replanned: bool | None = None


@dataclass(frozen=True)
class Counts:
    """A distribution over counts that is known from records only.

    Attributes:
        weights: of the Dirichlet posterior, by count from 1 on.
    """

    weights: tuple[float, ...]

    @property
    def mean(self) -> Mapping[int, float]:
        """The posterior predictive chance of each count; they sum to 1."""
        total = sum(self.weights)
        return {count: weight / total for count, weight in enumerate(self.weights, 1)}

    def interval(self, credible: float = 0.9, seed: int = 0) -> Mapping[int, tuple[float, float]]:
        """Equal-tailed interval of each chance, from draws of the posterior."""
        return {count: _tails(draws, credible) for count, draws in enumerate(self.draws(seed).T, 1)}

    def expected(self, credible: float = 0.9, seed: int = 0) -> tuple[float, float, float]:
        """The expected count, and its equal-tailed interval."""
        counts = np.arange(1, len(self.weights) + 1)
        draws = self.draws(seed) @ counts
        mean = sum(count * chance for count, chance in self.mean.items())
        return (mean, *_tails(draws, credible))

    def draws(self, seed: int = 0) -> np.ndarray:
        """Distributions that the records allow, `[draws, counts]`."""
        return np.random.default_rng(seed).dirichlet(self.weights, DRAWS)


@dataclass(frozen=True)
class Shape:
    """How plans look.

    Attributes:
        replan: weights of a Beta posterior: another plan was asked for, and was not.
        plans: how many were recorded.
    """

    width: Counts
    depth: Counts
    replan: tuple[float, float]
    plans: int

    @property
    def attribute(self) -> PlanShapeAttr:
        """What `flow.plan` is to expect: means, rounded to a millionth."""
        asked, finished = self.replan
        rate = round(asked / (asked + finished), 6)
        return PlanShapeAttr.of(
            _rounded(self.width.mean), _rounded(self.depth.mean), replan=(rate, rate)
        )


def learned(plans: Iterable[Recorded]) -> Shape:
    """How plans look, from recorded ones.

    Plans without tasks count for replanning only. Levels of one plan are alike, so they count
    together as one plan does: the widths' weights sum to the number of plans, not of levels.

    Raises:
        ShapeError: no plan has a task.
    """
    recorded = list(plans)
    levels = [found for plan in recorded if (found := widths(plan.tasks))]
    if not levels:
        raise ShapeError("no recorded plan has a task; record some runs first")
    width = Counter(one for plan in levels for one in plan)
    depth = Counter(len(plan) for plan in levels)
    asked = [plan.replanned for plan in recorded if plan.replanned is not None]
    return Shape(
        _counts(width, len(levels) / sum(width.values())),
        _counts(depth, 1.0),
        (0.5 + sum(asked), 0.5 + len(asked) - sum(asked)),
        len(recorded),
    )


def widths(tasks: Sequence[Task]) -> list[int]:
    """Tasks on each level of a plan, first level first."""
    level: dict[int, int] = {}
    for task in tasks:
        level[task.number] = max((level[n] for n in task.needs if n in level), default=0) + 1
    found = Counter(level.values())
    return [found[i] for i in range(1, len(found) + 1)]


def _counts(seen: Mapping[int, int], share: float) -> Counts:
    most = max(seen) + 1
    return Counts(tuple(seen.get(count, 0) * share + 1 / most for count in range(1, most + 1)))


def _tails(draws: np.ndarray, credible: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - credible) / 2, (1 + credible) / 2])
    return float(low), float(high)


def _rounded(chances: Mapping[int, float]) -> Mapping[int, float]:
    """Rounded so that they still sum to 1."""
    found = {count: round(chance, 6) for count, chance in chances.items()}
    largest = max(found, key=lambda count: found[count])
    rest = sum(chance for count, chance in found.items() if count != largest)
    return found | {largest: round(1 - rest, 6)}
