"""Plans that a model writes: how many tasks they have, how long they take, what becomes of them.

A plan has d levels of w tasks; a task needs what the whole level before it gave. The planner writes
the n = w·d lines one after another, level by level, and a last one that joins: each takes the same
share of its time. A task's tool is any of the plan's, with the same chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from flowir.calculus import rows
from flowir.calculus.rows import ARRAYS, Arithmetic, Quantity

Distribution = tuple[tuple[int, float], ...]
"""(count, probability) pairs."""


@dataclass(frozen=True)
class PlanShape:
    """What plans are expected to look like.

    Attributes:
        width: of tasks on a level.
        depth: of levels.
        right: P(a task of a right plan gives what was wanted of it); tasks are independent.
        replan_right, replan_wrong: P(the joiner asks for another plan, where it may | what it saw
            is right, or wrong).
        tools: seconds that a call of each tool takes.
        streamed: whether tasks start while the plan is being written.
    """

    width: Distribution = ((1, 1.0),)
    depth: Distribution = ((1, 1.0),)
    right: float = 1.0
    replan_right: float = 0.0
    replan_wrong: float = 0.0
    tools: tuple[float, ...] = (0.0,)
    streamed: bool = True

    def sizes(self) -> Iterator[tuple[int, int, float]]:
        """(width, depth, probability) of every kind of plan."""
        for width, of_width in self.width:
            for depth, of_depth in self.depth:
                yield width, depth, of_width * of_depth

    @property
    def tool_s(self) -> float:
        """Expected seconds of a task."""
        return sum(self.tools) / len(self.tools)

    @property
    def tasks_right(self) -> float:
        """P(every task gives what was wanted | the plan is right) = Σ P(n)·rⁿ."""
        return sum(chance * self.right ** (w * d) for w, d, chance in self.sizes())

    @property
    def tasks(self) -> float:
        """E[n]."""
        return sum(chance * w * d for w, d, chance in self.sizes())


class PlanRow(NamedTuple):
    """`success`, and expected numbers of plans, and of them of those that the joiner finds right or
    wrong."""

    success: Quantity
    plans: Quantity
    seen_right: Quantity
    seen_wrong: Quantity


def plan(
    seen_right: Quantity,
    joined_right: Quantity,
    joined_wrong: Quantity,
    replan_right: float,
    replan_wrong: float,
    plans: int,
    on: Arithmetic = ARRAYS,
) -> PlanRow:
    """Plans in order until the joiner finishes; after the last it has to.

    With u = P(plan and tasks are right), drawn anew for every plan, and q = u·ρ_R + (1 − u)·ρ_W,
    plan k + 1 is made with run_{k+1} = run_k·q. This is a fallback whose checker accepts with
    1 − ρ: with s the success of that, P(right) = s·j_R + (1 − s)·j_W.
    """
    row = rows.fallback([seen_right] * plans, 1.0 - replan_right, 1.0 - replan_wrong, on)
    total: Quantity = 0.0
    for run in row.runs:
        total = on.total(total, run)
    return PlanRow(
        on.mix(row.success, joined_wrong, joined_right),
        total,
        on.product(total, seen_right),
        on.product(total, on.complement(seen_right)),
    )


def planned_seconds(shape: PlanShape, sequential: bool) -> Callable[[Any], Any]:
    """Expected seconds from the planner's start to when its last task is done, by the planner's.

    With P = L/(n + 1) for each line and the same E for every task, the last of the d levels of w
    tasks is done at max(L, w·P + d·E, n·P + E): for d = 1, max over k of (Σ_{i≤k} P_i + E_k). A
    plan that is not streamed takes L + d·E, and one whose tasks run one after another L + n·E.
    """
    task = shape.tool_s

    def seconds(planner: Any) -> Any:
        if sequential:
            return planner + shape.tasks * task
        if not shape.streamed:
            return planner + task * sum(chance * d for _, d, chance in shape.sizes())
        found: Any = 0.0
        for w, d, chance in shape.sizes():
            line = planner / (w * d + 1.0)
            first, last = w * line + d * task, w * d * line + task
            found = found + chance * np.maximum(planner, np.maximum(first, last))
        return found

    return seconds


def drawn_size(cumulative: Distribution) -> Callable[[Any], Any]:
    """The count that a uniform number stands for."""
    counts = np.array([count for count, _ in cumulative])
    ends = np.cumsum([chance for _, chance in cumulative])[:-1]

    def drawn(uniform: Any) -> Any:
        return counts[np.searchsorted(ends, uniform, side="right")]

    return drawn


def realised_seconds(
    shape: PlanShape, sequential: bool, width: Any, depth: Any, tools: Sequence[Any]
) -> Callable[[Any], Any]:
    """Seconds from the planner's start to when the last task of one drawn plan is done.

    Args:
        width, depth: of the plan, by scenario.
        tools: for every place of the largest plan, level by level, the tool's seconds.
    """
    widest = max(count for count, _ in shape.width)
    deepest = max(count for count, _ in shape.depth)

    def seconds(planner: Any) -> Any:
        line = planner / (width * depth + 1.0) if shape.streamed and not sequential else 0.0
        start = 0.0 if shape.streamed and not sequential else planner
        done: Any = start
        for level in range(deepest):
            ready = done
            for place in range(widest):
                exists = (level < depth) & (place < width)
                own = tools[level * widest + place]
                if sequential:
                    done = done + np.where(exists, own, 0.0)
                    continue
                written = start + line * (level * width + place + 1)
                done = np.where(exists, np.maximum(done, np.maximum(written, ready) + own), done)
        return np.maximum(planner, done)

    return seconds


def written_tasks(shape: PlanShape) -> int:
    """How many places the largest plan has."""
    return max(w for w, _ in shape.width) * max(d for d, _ in shape.depth)
