"""A router for a served workflow, learned from observations of single calls on known queries.

Half of the queries are known to the router: the cost model, fitted without the other half, says how
likely every setting of the workflow is right on each of them. The other half sets the margin, by
what was observed there (`knowledge.Knowledge.rightness`), so that the promise does not rest on that
model where observations decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.errors import ServingError
from flowir.profiler.data import Record
from flowir.search.observed import Observed
from flowir.serving.calibration import Calibrated, calibrate, routed
from flowir.serving.compiled import Compiled
from flowir.serving.features import COMPONENTS, Embed, Features, features_of, hashing, text_of
from flowir.serving.knowledge import Knowledge, informed, outcomes, without
from flowir.serving.routing import EVERY, Classifier, Kernel, Nearest, Router, Uniform
from flowir.serving.sets import ConfigurationSet
from flowir.serving.smoothing import best

Floats = npt.NDArray[np.float64]

LOOKED_UP = 1 << 19
"""Settings × known queries at most: what a request can be compared with in well under 1 ms."""

LEAST_KNOWN = 2

ClassifierOf = Callable[[Floats, Floats], Classifier]
"""Makes a classifier of known features [Q, F] and losses [C, Q] against the reference."""


def kernel(known: Floats, losses: Floats) -> Classifier:
    """All known queries, less the further away; as wide as predicts them best from each other."""
    return Kernel(known, best([known], losses)[1])


CLASSIFIERS: Mapping[str, ClassifierOf] = {
    "kernel": kernel,
    "nearest": lambda known, losses: Nearest(known),
    "uniform": lambda known, losses: Uniform(len(known)),
}
"""By the names that the command line has for them; the first is the default."""


@dataclass(frozen=True, eq=False)
class Routing:
    """Which settings keep accuracy for a request; call `route`.

    Attributes:
        inputs: names of the workflow's inputs.
        known: queries that the router compares with.
        opened: mean share of settings left open to the calibration requests.
        cheaper: share of those that may be run for less than with the reference; None without
            costs.
        right: share of them on which the reference is right.
        observed: share of outcomes behind the calibration that were observed.
    """

    calibrated: Calibrated
    features: Features
    inputs: tuple[str, ...]
    known: int
    opened: float
    cheaper: float | None
    right: float
    observed: float

    def route(self, inputs: Mapping[str, Any]) -> ConfigurationSet:
        """For the inputs of one request."""
        features = self.features.of([text_of(inputs, self.inputs)])[0]
        return self.calibrated.router.route(features)

    def words(self) -> list[str]:
        """What routing does, for people."""
        found, rows = self.calibrated, len(self.calibrated.router.rows)
        lines = [
            f"compares a request with {self.known} known queries; calibrated on {found.requests} "
            f"others, on which the reference is right {100 * self.right:.1f} % of the time "
            f"({100 * self.observed:.0f} % of outcomes observed, the rest by the cost model)"
        ]
        if self.opened * rows == 1.0:
            return [
                *lines,
                "nothing but the reference was shown to keep accuracy: every request gets that; "
                "more queries, or a larger --tolerance, would open more",
            ]
        lines.append(
            f"margin {found.router.margin:+.4g}: at most {found.risk:.4f} of accuracy is lost "
            "(95 % confidence), whatever the scheduler takes of what is left open"
        )
        some = f"{100 * self.opened:.0f} % of {rows} settings stay open on average"
        if self.cheaper is None:
            return [*lines, some]
        return [*lines, f"{some}; {100 * self.cheaper:.0f} % of requests get something cheaper"]


def learned_routing(
    compiled: Compiled,
    observed: Observed,
    records: Sequence[Record],
    tolerance: float,
    *,
    classifier: ClassifierOf = kernel,
    embed: Embed | None = hashing,
) -> Routing:
    """A router, calibrated.

    Args:
        compiled: read with `Wanted(routed=True)`.
        records: queries with the workflow's inputs, by the names that the observations have.
        tolerance: accuracy that may be lost.

    Raises:
        ServingError: too few queries, or nothing to choose from.
        ProfileError: the observations say nothing of an agent.
    """
    _check(compiled, tolerance)
    whole = Knowledge(compiled, observed)
    known, calibration = _split(whole, records, tolerance)
    held = frozenset(record.query for record in calibration)
    seen = without(observed.observations, held)
    seen = seen if whole.races else outcomes(seen)
    part = Knowledge(compiled, replace(observed, observations=seen))
    success = part.success()[:, _places(part, known)]
    losses = success[0] - success
    inputs = tuple(compiled.inputs)
    features = _features(embed, [text_of(record.fields, inputs) for record in known], losses)
    looks = features.of([text_of(record.fields, inputs) for record in known])
    _, rows = compiled.numbered()
    strength = np.tile(success.mean(axis=1)[:, None] / len(rows[0]), (1, len(rows[0])))
    router = Router(
        tuple(compiled.stages), np.array(rows, dtype=np.int64), strength, success,
        classifier(looks, losses), reference=0,
    )  # fmt: skip
    rightness = whole.rightness()
    places = _places(whole, calibration)
    right = rightness.values[:, places]
    asked = features.of([text_of(record.fields, inputs) for record in calibration])
    found = calibrate(router, asked, right, tolerance)
    kept = routed(found.router, asked)
    return Routing(
        found,
        features,
        inputs,
        len(known),
        float(kept.mean()),
        _cheaper(compiled, kept),
        float(right[0].mean()),
        float(rightness.observed[places].mean()),
    )


def _check(compiled: Compiled, tolerance: float) -> None:
    """Raises `ServingError` where there is nothing to route, or no way to show that it is safe."""
    count = len(compiled.every)
    if count < 2:
        raise ServingError(
            "nothing to route: no other point of the front has the structure that is served; "
            "choose another with --point, or leave out --queries"
        )
    if count > EVERY:
        raise ServingError(
            f"{count} points have the structure that is served, and routing takes {EVERY}; "
            "write a front with fewer (max-points)"
        )
    if not tolerance > 0:
        raise ServingError(
            "no number of queries can show that no accuracy at all is lost; give --tolerance above "
            "0, or leave out --queries"
        )


def _split(
    knowledge: Knowledge, records: Sequence[Record], tolerance: float
) -> tuple[list[Record], list[Record]]:
    """Queries to know, and queries to calibrate with, at random by the seed.

    Raises:
        ServingError: too few.
    """
    compiled, observed = knowledge.compiled, knowledge.observed
    agents = frozenset(one.agent for one in knowledge.terms.decisions)
    there = informed(observed.observations, agents)
    usable = sorted((one for one in records if one.query in there), key=lambda one: one.query)
    needed = max(ceil(1 / tolerance - 1e-9), 1)
    known = min(len(usable) - len(usable) // 2, LOOKED_UP // len(compiled.every))
    if len(usable) // 2 < needed or known < LEAST_KNOWN:
        raise ServingError(
            f"{len(usable)} of {len(records)} queries are among the observations, with outcomes; "
            f"to show a loss of at most {tolerance:g} takes {2 * max(needed, LEAST_KNOWN)} or "
            "more, half of them to calibrate with: observe more, or give a larger --tolerance"
        )
    order = np.random.default_rng([observed.seed, 17]).permutation(len(usable))
    shuffled = [usable[place] for place in order]
    return shuffled[:known], shuffled[known:]


def _places(knowledge: Knowledge, records: Sequence[Record]) -> list[int]:
    place = {query: number for number, query in enumerate(knowledge.queries)}
    return [place[record.query] for record in records]


def _features(embed: Embed | None, texts: Sequence[str], losses: Floats) -> Features:
    """With as many components as predict the known queries best from each other."""
    most = features_of(embed, texts)
    seen = most.of(texts)
    counts = [count for count in COMPONENTS if 1 + count <= seen.shape[1]]
    number, _ = best([seen[:, : 1 + count] for count in counts], losses)
    return most.first(counts[number])


def _cheaper(compiled: Compiled, kept: npt.NDArray[np.bool_]) -> float | None:
    """Share of requests [N, C] with something open that is predicted to cost less."""
    costs = [row.cost_usd for row in compiled.every]
    if any(cost is None for cost in costs):
        return None
    less = np.array([cost < costs[0] for cost in costs])  # type: ignore[operator]
    return float((kept & less).any(axis=1).mean())
