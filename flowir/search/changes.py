"""What changed between two versions of a workflow, and between two fronts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flowir.dialects import flow
from flowir.dialects.flow_checks import module_symbols
from flowir.search.annotate import canonical_text
from flowir.search.front import QUANTITY, Estimate, Front, words
from flowir.search.pareto import non_dominated
from flowir.search.problem import OBJECTIVES, losses


@dataclass(frozen=True)
class Declarations:
    """Names of what only one version declares, and of what both do in different ways."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True)
class Moved:
    """A way to compile the workflow that both fronts have.

    Attributes:
        old, new: its number in each.
        estimates: by quantity, before and after.
        apart: quantities whose intervals do not overlap.
    """

    configuration: str
    old: int
    new: int
    estimates: Mapping[str, tuple[Estimate, Estimate]]
    apart: tuple[str, ...]


@dataclass(frozen=True)
class Fronts:
    """Two fronts side by side.

    Attributes:
        added, removed: numbers of points that only one has, in that front.
        old_beaten, new_beaten: how many points of each the other dominates in posterior means.
        facts: what they were made with, by name, where it differs: before and after.
    """

    added: tuple[int, ...]
    removed: tuple[int, ...]
    moved: tuple[Moved, ...]
    old_beaten: int
    new_beaten: int
    facts: Mapping[str, tuple[object, object]]


def declarations(old: flow.WorkflowOp, new: flow.WorkflowOp) -> Declarations:
    """Of two workflows, their agents, tools and callees: names apart, and how they are written.

    Names of values, order of attributes and what exploration wrote do not count.
    """
    texts = [
        {name: canonical_text(op) for name, op in (module_symbols(workflow) or {}).items()}
        for workflow in (old, new)
    ]
    before, after = texts
    return Declarations(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(name for name in before if name in after and before[name] != after[name]),
    )


def fronts(old: Front, new: Front) -> Fronts:
    """What the points of two fronts have in common, and how they differ."""
    before = {words(old, point): number for number, point in enumerate(old.points)}
    after = {words(new, point): number for number, point in enumerate(new.points)}
    moved = []
    for configuration, number in before.items():
        if configuration not in after:
            continue
        first, second = old.points[number].estimates, new.points[after[configuration]].estimates
        both = {name: (first[name], second[name]) for name in first if name in second}
        apart = tuple(name for name, (a, b) in both.items() if a.high < b.low or b.high < a.low)
        moved.append(Moved(configuration, number, after[configuration], both, apart))
    beaten = _beaten(old, new)
    names = ("objectives", "latency", "execution", "model", "queries", "profile", "prices", "rules")
    facts = {
        name: (getattr(old.facts, name), getattr(new.facts, name))
        for name in names
        if getattr(old.facts, name) != getattr(new.facts, name)
    }
    return Fronts(
        tuple(number for text, number in after.items() if text not in before),
        tuple(number for text, number in before.items() if text not in after),
        tuple(moved),
        *beaten,
        facts,
    )


def _beaten(old: Front, new: Front) -> tuple[int, int]:
    """How many points of each front a point of the other dominates."""
    shared = [x for x in OBJECTIVES if x in old.facts.objectives and x in new.facts.objectives]
    rows = [
        [point.estimates[QUANTITY[x]].mean for x in shared] for point in (*old.points, *new.points)
    ]
    if not shared:
        return 0, 0
    values = losses(np.array(rows), shared)
    alone = np.concatenate(
        [non_dominated(part, duplicates=True) for part in np.split(values, [len(old.points)])]
    )
    lost = alone & ~non_dominated(values, duplicates=True)
    return int(lost[: len(old.points)].sum()), int(lost[len(old.points) :].sum())
