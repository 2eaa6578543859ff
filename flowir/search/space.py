"""The design space of a workflow: its structures, the settings of its decisions, and the points.

A point is one label index for every structural choice and one configuration index for every
decision; −1 stands where the point does not reach the choice or decision. Two points are the same
iff they compile to the same workflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod

import numpy as np
import numpy.typing as npt

from flowir.calculus.terms import Workflow
from flowir.errors import SearchError
from flowir.search.rules import Combination
from flowir.search.structures import UNREACHED, Assignments, form

Indices = npt.NDArray[np.int16]

Labels = Sequence[int] | Indices
"""A label index per structural choice."""

MANY_STRUCTURES = 4096
"""Structures beyond which the points of a space are not counted."""

MANY_SETTINGS = 1 << 20
"""Settings of decisions in forbidden combinations beyond which the legal ones are not counted."""


@dataclass(frozen=True, eq=False)
class Points:
    """B points of a space.

    Attributes:
        structure: [B, A] label index per structural choice, −1 where not reached.
        settings: [B, D] configuration index per decision, −1 where not reached.
    """

    structure: Indices
    settings: Indices

    def __len__(self) -> int:
        return len(self.settings)

    def __getitem__(self, rows: slice | Sequence[int] | npt.NDArray[np.generic]) -> Points:
        return Points(self.structure[rows], self.settings[rows])

    @property
    def rows(self) -> Indices:
        """[B, A + D] structure, then settings."""
        return np.hstack([self.structure, self.settings])

    def identities(self) -> list[bytes]:
        """One hashable key per point."""
        return [row.tobytes() for row in np.ascontiguousarray(self.rows)]

    def distinct(self) -> Points:
        """Each point once, in order of first appearance."""
        first = {key: number for number, key in reversed(list(enumerate(self.identities())))}
        return self[np.array(sorted(first.values()), dtype=np.intp)]

    def ordered(self) -> Points:
        """In canonical order: by structure, then by setting, first decision slowest."""
        return self[np.lexsort(self.rows.T[::-1])] if self.rows.shape[1] else self

    @staticmethod
    def join(parts: Sequence[Points]) -> Points:
        """All points of several batches."""
        return Points(
            np.concatenate([part.structure for part in parts]),
            np.concatenate([part.settings for part in parts]),
        )


class Space:
    """What may be chosen for a workflow. Keeps the specialised workflows it has made.

    Structures that compile to the same workflow are one structure: the first of them, in order of
    labels, stands for all.

    Args:
        workflow: terms with alternatives still open.
        forbidden: what may not be chosen at once. Structures that compile to the same workflow are
            told apart where one of these names a label.
        merged: false to tell them apart anyway.
    """

    def __init__(
        self, workflow: Workflow, forbidden: Sequence[Combination] = (), *, merged: bool = True
    ) -> None:
        self.workflow = workflow
        self.forbidden = tuple(forbidden)
        self._merged = merged and not any(
            kind == "structure" for each in self.forbidden for (kind, _), _ in each.terms
        )
        self._assignments = Assignments(workflow)
        self._specialised: dict[tuple[int, ...], Workflow] = {}
        self._used: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._alike: dict[object, list[tuple[int, ...]]] = {}
        self._forms: dict[tuple[int, ...], object] = {}
        self._canonical: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.baseline = self._baseline()

    @property
    def decisions(self) -> int:
        """D, the number of decisions."""
        return len(self.workflow.decisions)

    @property
    def ruled(self) -> frozenset[int]:
        """Decisions that some forbidden combination names."""
        return frozenset(
            number
            for combination in self.forbidden
            for (kind, number), _ in combination.terms
            if kind == "decision"
        )

    def default(self, decision: int) -> int:
        """Today's configuration of a decision where it may be chosen, else the first."""
        own = self.workflow.decisions[decision]
        return own.baseline if own.baseline is not None and own.baseline in own.choices else 0

    def specialised(self, structure: Labels) -> Workflow:
        """The workflow of a structure, no alternatives left."""
        row = tuple(int(label) for label in structure)
        if row not in self._specialised:
            choices = {
                choice.name: choice.labels[label]
                for choice, label in zip(self.workflow.structures, row, strict=True)
                if label != UNREACHED
            }
            self._specialised[row] = self.workflow.specialise(choices)
        return self._specialised[row]

    def used(self, structure: Labels) -> tuple[int, ...]:
        """Indices of the decisions a structure reaches, sorted."""
        row = tuple(int(label) for label in structure)
        if row not in self._used:
            self._used[row] = self._assignments.decisions(row)
        return self._used[row]

    def canonical(self, structure: Labels) -> tuple[int, ...]:
        """The structure that stands for a full assignment of labels."""
        row = tuple(int(label) for label in structure)
        if row not in self._canonical:
            self._canonical[row] = self._first_equal(self._assignments.reached(row))
        return self._canonical[row]

    def structures(self) -> Iterator[tuple[int, ...]]:
        """Every structure once, in order of labels."""
        seen: set[tuple[int, ...]] = set()
        for row in self._assignments.completed((UNREACHED,) * len(self.workflow.structures)):
            canonical = self.canonical(row)
            if canonical not in seen:
                seen.add(canonical)
                yield canonical

    def completions(self, labels: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
        """Every structure that the given labels (by number of the choice) lead to, once."""
        start = [UNREACHED] * len(self.workflow.structures)
        for choice, label in labels.items():
            start[choice] = label
        found = dict.fromkeys(
            self.canonical(row) for row in self._assignments.completed(tuple(start))
        )
        yield from found

    def settings_of(self, structure: Labels) -> int:
        """How many settings of its decisions a structure has."""
        return prod(len(self.workflow.decisions[d].choices) for d in self.used(structure))

    def size(self, many: int = MANY_STRUCTURES) -> int | None:
        """How many legal points there are; None where there are more than `many` structures.

        None, too, where forbidden combinations involve too many decisions to count.
        """
        found = list(islice(self.structures(), many + 1))
        if len(found) > many:
            return None
        counts = [self._legal_settings(structure) for structure in found]
        return None if None in counts else sum(count for count in counts if count is not None)

    def legal(self, points: Points) -> npt.NDArray[np.bool_]:
        """[B] which points have no forbidden combination."""
        broken = np.zeros(len(points), dtype=np.bool_)
        for combination in self.forbidden:
            broken |= self._has(points, combination)
        return ~broken

    def require_legal(self, points: Points) -> None:
        """Raises `SearchError` where a point is outside the space: an algorithm was wrong."""
        for combination in self.forbidden:
            if self._has(points, combination).any():
                raise SearchError(f"{combination.text}: a point that was found has it all the same")
        for number, decision in enumerate(self.workflow.decisions):
            column = points.settings[:, number]
            if column.size and (column.max() >= len(decision.choices) or column.min() < UNREACHED):
                raise SearchError(f"{decision}: a point that was found has no such configuration")

    def require_some(self) -> None:
        """Raises `SearchError` where nothing may be chosen: it says which rules leave nothing."""
        if self.forbidden:
            self.start()

    def start(self) -> Points:
        """Some legal point: today's, or else the first of the first structure that has one.

        Raises:
            SearchError: there is none.
        """
        chosen = self.baseline
        choosable = [
            choice == UNREACHED or choice in decision.choices
            for decision, choice in zip(
                self.workflow.decisions, chosen.settings[0].tolist(), strict=True
            )
        ]
        if all(choosable) and self.legal(chosen).all():
            return chosen
        for structure in self.structures():
            found = self._first_legal(structure)
            if found is not None:
                return found
        texts = dict.fromkeys(each.text for each in self.forbidden)
        raise SearchError(f"{' and '.join(texts)}: together they leave nothing to choose")

    def _first_legal(self, structure: Labels) -> Points | None:
        """The first legal point of a structure, by trying what the combinations name."""
        settings = np.full((1, self.decisions), UNREACHED, dtype=np.int16)
        settings[0, list(self.used(structure))] = 0
        point = Points(np.array([structure], dtype=np.int16), settings)
        pending = [point]
        tried: set[bytes] = set()
        while pending:
            one = pending.pop()
            key = one.identities()[0]
            if key in tried:
                continue
            tried.add(key)
            broken = next((c for c in self.forbidden if self._has(one, c).all()), None)
            if broken is None:
                return one
            for (kind, number), which in broken.terms:
                if kind == "decision":
                    for choice in self.workflow.decisions[number].choices:
                        if choice not in which:
                            changed = one.settings.copy()
                            changed[0, number] = choice
                            pending.append(Points(one.structure, changed))
        return None

    def _has(self, points: Points, combination: Combination) -> npt.NDArray[np.bool_]:
        tables = {"decision": points.settings, "structure": points.structure}
        found = np.ones(len(points), dtype=np.bool_)
        for (kind, number), which in combination.terms:
            found &= np.isin(tables[kind][:, number], sorted(which))
        return found

    def _legal_settings(self, structure: Labels) -> int | None:
        """How many settings of a structure are legal; None where that is too much to count."""
        if not self.forbidden:
            return self.settings_of(structure)
        table = self.legal_table(structure)
        if table is None:
            return None
        return self.settings_of(structure) // table.size * int(table.sum()) if table.size else 0

    def involved(self, structure: Labels) -> tuple[int, ...]:
        """The decisions a structure reaches that forbidden combinations name, sorted."""
        return tuple(sorted(self.ruled.intersection(self.used(structure))))

    def legal_table(self, structure: Labels) -> npt.NDArray[np.bool_] | None:
        """[C, …] which settings of the decisions involved are legal, an axis for each of them.

        None where these are too many to write down.
        """
        involved = self.involved(structure)
        shape = tuple(len(self.workflow.decisions[d].choices) for d in involved)
        count = prod(shape)
        if count > MANY_SETTINGS:
            return None
        settings = np.full((count, self.decisions), UNREACHED, dtype=np.int16)
        if involved:
            settings[:, involved] = np.column_stack(np.unravel_index(np.arange(count), shape))
        labels = np.tile(np.array(structure, dtype=np.int16), (count, 1))
        return self.legal(Points(labels, settings)).reshape(shape)

    def points(self, structure: Labels, start: int, stop: int) -> Points:
        """Settings number `start` up to `stop` of a structure, first decision slowest."""
        used = self.used(structure)
        shape = tuple(len(self.workflow.decisions[d].choices) for d in used)
        settings = np.full((stop - start, self.decisions), UNREACHED, dtype=np.int16)
        if used:
            settings[:, used] = np.column_stack(np.unravel_index(np.arange(start, stop), shape))
        return Points(np.tile(np.array(structure, dtype=np.int16), (stop - start, 1)), settings)

    def point(self, structure: Labels, settings: Sequence[int]) -> Points:
        """One point, in canonical form, from any labels and settings (unreached ones ignored)."""
        row = self.canonical(structure)
        chosen = np.full((1, self.decisions), UNREACHED, dtype=np.int16)
        used = list(self.used(row))
        chosen[0, used] = np.asarray(settings, dtype=np.int16)[used]
        return Points(np.array([row], dtype=np.int16), chosen)

    def _first_equal(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """The first structure asked for that compiles to the same workflow."""
        if not self._merged:
            return row
        alike = self._alike.setdefault(self._assignments.outline(row), [])
        found = next((other for other in alike if self._form(other) == self._form(row)), None)
        if found is None:
            alike.append(row)
            return row
        return found

    def _form(self, row: tuple[int, ...]) -> object:
        if row not in self._forms:
            self._forms[row] = form(self.specialised(row))
        return self._forms[row]

    def standing_for(self, structure: npt.ArrayLike, settings: npt.ArrayLike) -> Points:
        """The points of this space that equal points [B, A], [B, D] found elsewhere."""
        labels = np.asarray(structure, dtype=np.int16)
        distinct, group = np.unique(labels, axis=0, return_inverse=True)
        rows = np.array([self.canonical(row) for row in distinct], dtype=np.int16)
        return Points(
            rows.reshape(distinct.shape)[group.reshape(-1)], np.asarray(settings, dtype=np.int16)
        ).distinct()

    def _baseline(self) -> Points:
        """Today's workflow: first labels, and each decision's baseline or first configuration."""
        settings = [decision.baseline or 0 for decision in self.workflow.decisions]
        return self.point((0,) * len(self.workflow.structures), settings)
