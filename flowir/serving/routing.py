"""Which configurations keep accuracy for one request, from what the cost model knows of others.

The cost model knows how likely each configuration is right on each of Q known queries. A classifier
says from cheap features of a request (its length, an embedding) how much it is like each of them:
weights w, Σ w = 1. Then configuration c is expected to lose

    loss(c) = Σ_q w_q · (success[reference, q] − success[c, q])

and keeps accuracy iff that is at most a margin, which `calibration` sets for a tolerance. Up to
`EVERY` configurations are asked at once. Of more, success is taken to be monotone in the strength
of the models, as it nearly is: what is stronger at every stage than a configuration that keeps
accuracy keeps it too, and what is weaker than one that does not does not. So questions are asked
where they settle most, and the set grows as they are: it may be used before all is settled, while
a request queues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from flowir.calculus.expectation import expect
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Workflow
from flowir.errors import ServingError
from flowir.serving.sets import ConfigurationSet, Subsets

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


EVERY = 4096
"""Configurations up to which all are asked at once."""

HAIR = 1e-12


class Classifier(Protocol):
    """How much a request is like each known query, from its features."""

    def weights(self, features: Floats) -> Floats:
        """[Q] weights that sum to 1, of features [F]."""
        ...


class _Distances:
    """From known features [Q, F], each in units of its spread."""

    def __init__(self, known: Floats) -> None:
        self._spread = np.maximum(known.std(axis=0), 1e-12)
        self._known = known / self._spread
        self._norms = (self._known**2).sum(axis=1)

    def squares(self, features: Floats) -> Floats:
        """[Q] squared distances of features [F]."""
        own = features / self._spread
        found: Floats = self._norms - 2 * (self._known @ own) + own @ own
        return np.maximum(found, 0.0)


@dataclass(frozen=True)
class Uniform:
    """Per-workflow routing, a baseline: all requests are alike."""

    queries: int

    def weights(self, features: Floats) -> Floats:
        """The same for every query."""
        return np.full(self.queries, 1 / self.queries)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The k known queries with the nearest features, a baseline.

    Attributes:
        known: [Q, F] features of the known queries.
    """

    known: Floats
    k: int = 20

    def weights(self, features: Floats) -> Floats:
        """1 / k for each of the nearest."""
        distance = self._distances.squares(features)
        k = min(self.k, len(distance))
        found = np.zeros(len(distance))
        found[np.argsort(distance, kind="stable")[:k]] = 1 / k
        return found

    @cached_property
    def _distances(self) -> _Distances:
        return _Distances(self.known)


@dataclass(frozen=True, eq=False)
class Kernel:
    """Every known query, less the further away: a Gaussian kernel (Nadaraya 1964, Watson 1964).

    Attributes:
        known: [Q, F] features of the known queries.
        width: in spreads of the features; None for Scott's Q^(−1/5), as for one feature.
    """

    known: Floats
    width: float | None = None

    def weights(self, features: Floats) -> Floats:
        """exp(−distance² / 2 width²), to sum 1."""
        width = self.width or len(self.known) ** -0.2
        distance = self._distances.squares(features)
        found: Floats = np.exp(-(distance - distance.min()) / (2 * width**2))
        found /= found.sum()
        return found

    @cached_property
    def _distances(self) -> _Distances:
        return _Distances(self.known)


def known_success(workflow: Workflow, scenarios: Scenarios, rows: Rows) -> Floats:
    """[C, Q] posterior mean success of configurations on the queries of some scenarios.

    Args:
        workflow: without alternatives.
        rows: [C, D] configuration index per decision.
    """
    success = expect(workflow, rows, scenarios, "sequential").success
    found: Floats = scenarios.per_draw(success).mean(axis=1)
    return found


@dataclass(frozen=True, eq=False)
class Router:
    """Finds the configurations that keep accuracy.

    Attributes:
        stages: decisions in topological order.
        rows: [C, L] choices of each configuration.
        strength: [C, L] of the model chosen, such as its FLOPs: more is stronger.
        success: [C, Q] of each configuration on each known query.
        reference: the row whose accuracy is to be kept.
        margin: expected loss up to which accuracy counts as kept.
    """

    stages: tuple[str, ...]
    rows: Rows
    strength: Floats
    success: Floats
    classifier: Classifier
    reference: int
    margin: float = 0.0

    def __post_init__(self) -> None:
        shapes = {len(self.rows), len(self.strength), len(self.success)}
        if len(shapes) != 1 or not 0 <= self.reference < len(self.rows):
            raise ServingError("routing: rows, strength, success and reference do not fit together")

    def losses(self, features: Floats) -> Floats:
        """[C] expected loss of each configuration against the reference."""
        expected = self.success @ self.classifier.weights(features)
        found: Floats = expected[self.reference] - expected
        return found

    def route(
        self,
        features: Floats,
        seconds: float = np.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> ConfigurationSet:
        """What is known to keep accuracy when the time is over; the reference at least."""
        return self._subsets.of(self.kept(features, seconds, clock))

    def kept(
        self,
        features: Floats,
        seconds: float = np.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> Bools:
        """[C] the same."""
        if len(self.rows) <= EVERY:
            return self.among(self.losses(features))
        until = clock() + seconds
        found: Bools = np.arange(len(self.rows)) == self.reference
        for known in self.settle(features):
            found = known
            if clock() >= until:
                break
        return found

    def among(self, losses: Floats) -> Bools:
        """[..., C] which losses are within the margin; the reference always is.

        A hair is allowed for rounding.
        """
        found: Bools = np.less_equal(losses, self.margin + HAIR)
        found[..., self.reference] = True
        return found

    def settle(self, features: Floats) -> Iterator[Bools]:
        """[C] what is known to keep accuracy, after each question; it only grows."""
        weights = self.classifier.weights(features)
        least = float(self.success[self.reference] @ weights) - self.margin
        kept: Bools = np.arange(len(self.rows)) == self.reference
        open_: Bools = ~kept
        total = self.strength.sum(axis=1)
        while open_.any():
            number = _middle(open_, total)
            own = self.strength[number]
            if float(self.success[number] @ weights) >= least - HAIR:
                settled: Bools = open_ & np.all(self.strength >= own, axis=1)
                kept = kept | settled
            else:
                settled = open_ & np.all(self.strength <= own, axis=1)
            open_ &= ~settled
            yield kept

    @cached_property
    def _subsets(self) -> Subsets:
        return Subsets(self.stages, self.rows)


def _middle(open_: Bools, total: Floats) -> int:
    """The unsettled configuration of median strength; of equal ones the first."""
    numbers = np.flatnonzero(open_)
    order = np.argsort(total[numbers], kind="stable")
    return int(numbers[order[len(order) // 2]])


def strengths(rows: Rows, per_choice: Sequence[Sequence[float]]) -> Floats:
    """[C, L] strength of each choice of each row; a choice that is not reached is the weakest."""
    columns = [
        np.where(column >= 0, np.asarray(values, dtype=float)[column], -np.inf)
        for column, values in zip(rows.T, per_choice, strict=True)
    ]
    return np.stack(columns, axis=1)
