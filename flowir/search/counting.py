"""How many points a space has, and what of every axis is left, under rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod

import numpy as np
import numpy.typing as npt

from flowir.search import space as limits
from flowir.search.rules import Rules
from flowir.search.space import Space
from flowir.search.structures import UNREACHED


@dataclass(frozen=True)
class Count:
    """The size of a space.

    Attributes:
        workflows: how many different workflows it compiles to; at most, where `exact` is false.
        structures: how many different structures; at most, where `exact` is false.
        exact: false where there are too many structures, or settings under rules, to count.
        configurations: per decision, the indices that some point has; those that it may have,
            where `exact` is false.
        labels: per structural choice, likewise.
    """

    workflows: int
    structures: int
    exact: bool
    configurations: tuple[tuple[int, ...], ...]
    labels: tuple[tuple[int, ...], ...]


def count(rules: Rules) -> Count:
    """The size of a narrowed workflow's space. Structures that compile alike count once.

    Raises:
        SearchError: the rules leave nothing.
    """
    merged = Space(rules.workflow)
    if not rules.forbidden:
        found = list(islice(merged.structures(), limits.MANY_STRUCTURES + 1))
        if len(found) > limits.MANY_STRUCTURES:
            return _bound(rules)
        whole = _everything(rules)
        return Count(sum(map(merged.settings_of, found)), len(found), True, *whole)
    # Labels that rules tell apart can lead to the same workflow: told apart here, merged below.
    space = Space(rules.workflow, rules.forbidden, merged=False)
    space.require_some()
    structures = list(islice(space.structures(), limits.MANY_STRUCTURES + 1))
    if len(structures) > limits.MANY_STRUCTURES:
        return _bound(rules)
    tables = []
    for structure in structures:
        table = space.legal_table(structure)
        if table is None:
            return _bound(rules)
        tables.append(table)
    return _counted(space, merged, structures, tables)


def _counted(
    space: Space,
    merged: Space,
    structures: Sequence[tuple[int, ...]],
    tables: Sequence[npt.NDArray[np.bool_]],
) -> Count:
    """From what of every structure is legal: [C, …] over its decisions that rules name."""
    together: dict[tuple[int, ...], npt.NDArray[np.bool_]] = {}
    left = [set[int]() for _ in space.workflow.decisions]
    labels = [set[int]() for _ in space.workflow.structures]
    for structure, table in zip(structures, tables, strict=True):
        if not table.any():
            continue
        for choice, label in enumerate(structure):
            if label != UNREACHED:
                labels[choice].add(label)
        involved = space.involved(structure)
        for decision in space.used(structure):
            choices = np.arange(len(space.workflow.decisions[decision].choices))
            if decision in involved:
                axis = involved.index(decision)
                others = tuple(i for i in range(table.ndim) if i != axis)
                choices = np.flatnonzero(table.any(axis=others))
            left[decision].update(choices.tolist())
        same = merged.canonical(structure)
        together[same] = table | together[same] if same in together else table
    size = sum(
        space.settings_of(structure) // table.size * int(table.sum())
        for structure, table in together.items()
    )
    return Count(
        size,
        len(together),
        True,
        tuple(tuple(sorted(each)) for each in left),
        tuple(tuple(sorted(each)) for each in labels),
    )


def _everything(rules: Rules) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Every configuration and label that no rule forbids by itself."""
    alone = [c.terms[0] for c in rules.forbidden if len(c.terms) == 1]
    gone = {(place, index) for place, which in alone for index in which}
    return (
        tuple(
            tuple(i for i in decision.choices if (("decision", number), i) not in gone)
            for number, decision in enumerate(rules.workflow.decisions)
        ),
        tuple(
            tuple(i for i in range(len(choice.labels)) if (("structure", number), i) not in gone)
            for number, choice in enumerate(rules.workflow.structures)
        ),
    )


def _bound(rules: Rules) -> Count:
    """As if every label went with every configuration."""
    configurations, labels = _everything(rules)
    structures = prod(map(len, labels))
    # Where all of a decision is forbidden, structures that do not reach it are left.
    size = structures * prod(max(1, len(each)) for each in configurations)
    return Count(size, structures, False, configurations, labels)
