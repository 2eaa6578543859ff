"""PartialFront of a sub-workflow: what each is like, and which choices it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flowir.search.exact.columns import Columns, Indices
from flowir.search.exact.dominance import Sense

Key = int | str
"""A choice: the number of a decision, or the name of a structural choice."""

UNREACHED = -1


@dataclass(frozen=True, eq=False)
class Chosen:
    """Each option makes one choice: the index of a configuration or label."""

    key: Key
    index: Indices


@dataclass(frozen=True, eq=False)
class Both:
    """Each option is an option of the left and one of the right."""

    left: Origin
    left_rows: Indices
    right: Origin
    right_rows: Indices


@dataclass(frozen=True, eq=False)
class OneOf:
    """Each option is one of some part, and makes the structural choice of that part."""

    name: str
    parts: tuple[Origin, ...]
    part: Indices
    row: Indices


Origin = Chosen | Both | OneOf | None
"""Where options come from; None where nothing was chosen."""


@dataclass(frozen=True, eq=False)
class PartialFront:
    """What can be chosen in a sub-workflow, and what each option is like.

    Attributes:
        size: n, how many there are.
        keys: for every choice that something outside depends on too, [n] what it is;
            `UNREACHED` where an option does not depend on it.
        sense: how `columns.right` is compared.
    """

    columns: Columns
    size: int
    keys: Mapping[Key, Indices] = field(default_factory=dict)
    origin: Origin = None
    sense: Sense = "exact"


def choices(origin: Origin, rows: Indices) -> dict[Key, Indices]:
    """[len(rows)] what these options choose, for every choice that some of them makes."""
    made: dict[Key, Indices] = {}
    pending: list[tuple[Origin, Indices, Indices]] = [(origin, rows, np.arange(len(rows)))]
    while pending:
        source, chosen, target = pending.pop()
        match source:
            case Chosen(key=key, index=index):
                _column(made, key, len(rows))[target] = index[chosen]
            case Both():
                pending.append((source.left, source.left_rows[chosen], target))
                pending.append((source.right, source.right_rows[chosen], target))
            case OneOf():
                part = source.part[chosen]
                _column(made, source.name, len(rows))[target] = part
                for i in np.unique(part):
                    of_part = part == i
                    pending.append((source.parts[i], source.row[chosen[of_part]], target[of_part]))
            case None:
                pass
    return made


def _column(made: dict[Key, Indices], key: Key, size: int) -> Indices:
    return made.setdefault(key, np.full(size, UNREACHED, dtype=np.intp))
