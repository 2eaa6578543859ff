"""Why a point is what it is: where its time goes, what each setting buys, what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Workflow
from flowir.configuration import Configuration
from flowir.search.distinct import distinct
from flowir.search.explore import Source, known_objectives
from flowir.search.front import QUANTITY, Estimate, Front
from flowir.search.problem import Array, Measure, Objective, Problem
from flowir.search.rules import Rules, narrowed
from flowir.search.space import Points, Space
from flowir.search.structures import UNREACHED

NUDGE = 1e-3
"""Relative change of latencies of which the effect is measured: small, so that the critical path
stays the same in all but a few scenarios, and far above rounding."""
OTHER = "tools"


@dataclass(frozen=True)
class Share:
    """Of mean latency, what one decision's calls contribute where they are on the critical path."""

    decision: str
    share: Estimate


@dataclass(frozen=True)
class Change:
    """One choice made differently.

    Attributes:
        choice: the decision or the structural choice.
        instead: what is chosen instead of what the point chooses.
        differences: by quantity, new less old, with the interval over draws.
        better: share of draws in which it is nowhere worse and somewhere better.
    """

    choice: str
    instead: str
    differences: Mapping[str, Estimate]
    better: float


@dataclass(frozen=True)
class Unknown:
    """How much of what is not known about a point is due to one decision's calls.

    Attributes:
        shares: by quantity, 0..1: first-order share of the variance over draws that a line in this
            decision's own mean explains.
    """

    decision: str
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """All of it for one point, by what its front was made with.

    Attributes:
        path: shares of mean latency, largest first; the rest is that of tools. They sum to 1.
    """

    point: int
    path: tuple[Share, ...]
    changes: tuple[Change, ...]
    unknown: tuple[Unknown, ...]


def explain(
    workflow: Workflow, front: Front, numbers: Sequence[int], source: Source
) -> tuple[Explanation, ...]:
    """Explain points of a front; together they take little longer than one.

    Args:
        workflow: the terms that were explored, alternatives still open.
        source: scenarios, as for exploration: the same draws and queries are used.

    Raises:
        SearchError: the points do not fit the workflow.
    """
    once, _ = distinct(workflow)
    rules = _rules(once.workflow, front.facts.rules)
    facts = front.facts
    scenarios = once.scenarios(source(facts.draws, facts.scenarios, facts.seed))
    scenarios = rules.scenarios(scenarios)
    space = Space(rules.workflow, rules.forbidden)
    known, _ = known_objectives(rules.workflow, scenarios)
    measure = Measure(facts.execution, facts.model, facts.latency)
    problem = Problem(space, scenarios, known, measure, facts.seed)
    points = Points.join([_point(space, front, number) for number in numbers])
    values = problem.evaluate_per_draw(points)
    none: tuple[Share, ...] = ()
    paths = [none] * len(points)
    if "latency" in known:
        paths = _paths(problem, points, facts.credible)
    changes = _changes(problem, points, values, facts.credible)
    return tuple(
        Explanation(number, path, change, _unknown(problem, points[[row]], values[row]))
        for row, (number, path, change) in enumerate(zip(numbers, paths, changes, strict=True))
    )


def _rules(workflow: Workflow, written: Sequence[str]) -> Rules:
    """The rules that a front says it was made under."""
    given: dict[str, list[str]] = {"allow": [], "lock": [], "forbid": []}
    for text in written:
        option, _, rule = text.partition("=")
        given[option].append(rule[1:-1])
    return narrowed(workflow, given["allow"], given["lock"], given["forbid"])


def _point(space: Space, front: Front, number: int) -> Points:
    """A point of a front as one of the space."""
    point = front.every[number]
    labels = [
        UNREACHED if label is None else structure.labels.index(label)
        for structure, label in zip(space.workflow.structures, point.choices, strict=True)
    ]
    chosen = dict(zip(map(str, front.decisions), point.configurations, strict=True))
    settings = [
        UNREACHED if (one := chosen[str(decision)]) is None else decision.configurations.index(one)
        for decision in space.workflow.decisions
    ]
    return Points(np.array([labels], dtype=np.int16), np.array([settings], dtype=np.int16))


def _paths(problem: Problem, points: Points, credible: float) -> list[tuple[Share, ...]]:
    """For each point, shares of mean latency by decision.

    Latency is homogeneous of degree one in the latencies of calls and tools: it is the sum, over
    decisions d, of ∂L/∂log ℓ_d (Euler), and of what tools take. Each derivative is what the calls
    of a decision take where they are on the critical path.
    """
    mean = replace(problem.measure, latency="mean")

    def latency(scenarios: Scenarios, rows: Points) -> Array:
        """[B, draws]."""
        alone = Problem(problem.space, scenarios, ("latency",), mean, problem.seed)
        found: Array = alone.evaluate_per_draw(rows)[:, 0]
        return found

    base = latency(problem.scenarios, points)
    shares: list[dict[str, Array]] = [{} for _ in range(len(points))]
    for decision, one in enumerate(problem.space.workflow.decisions):
        rows = np.flatnonzero(points.settings[:, decision] != UNREACHED)
        if len(rows):
            nudged = latency(_slower(problem.scenarios, decision), points[rows])
            for row, values in zip(rows.tolist(), nudged, strict=True):
                shares[row][str(one)] = (values - base[row]) / (NUDGE * base[row])
    for row, found in enumerate(shares):
        found[OTHER] = 1.0 - sum(found.values(), np.zeros_like(base[row]))
    return [
        tuple(
            sorted(
                (Share(name, _estimate(values, credible)) for name, values in found.items()),
                key=lambda share: -share.share.mean,
            )
        )
        for found in shares
    ]


def _slower(scenarios: Scenarios, decision: int) -> Scenarios:
    """The calls of one decision a little slower."""
    calls = list(scenarios.calls)
    call = calls[decision]
    calls[decision] = replace(call, log_latency=call.log_latency + np.log1p(NUDGE))
    return replace(scenarios, calls=tuple(calls))


def _changes(
    problem: Problem, points: Points, values: Array, credible: float
) -> list[tuple[Change, ...]]:
    """For each point, every choice made differently, one at a time, that the rules allow."""
    wanted = [
        (row, choice, instead, other)
        for row in range(len(points))
        for choice, instead, other in _neighbours(problem.space, points[[row]])
        if problem.space.legal(other)[0]
    ]
    found: list[list[Change]] = [[] for _ in range(len(points))]
    if wanted:
        others = problem.evaluate_per_draw(Points.join([other for *_, other in wanted]))
        for (row, choice, instead, _), new in zip(wanted, others, strict=True):
            differences = _differences(problem, new - values[row], credible)
            better = _better(problem, new, values[row])
            found[row].append(Change(choice, instead, differences, better))
    return [tuple(changes) for changes in found]


def _neighbours(space: Space, here: Points) -> list[tuple[str, str, Points]]:
    """(choice, what instead, the point) of every other setting and every other structure."""
    found: list[tuple[str, str, Points]] = []
    structure, settings = here.structure[0], here.settings[0]
    for decision in space.used(structure):
        own = space.workflow.decisions[decision]
        for choice in own.choices:
            if choice != settings[decision]:
                other = settings.copy()
                other[decision] = choice
                points = Points(here.structure, other[None])
                found.append((str(own), str(own.configurations[choice]), points))
    for number, axis in enumerate(space.workflow.structures):
        for label, name in enumerate(axis.labels):
            if structure[number] in (UNREACHED, label):
                continue
            row = _nearest(space, structure, number, label)
            if row is not None:
                points = Points(row[None], _settings(space, row, settings))
                found.append((axis.name, name, points))
    return found


def _nearest(
    space: Space, structure: npt.NDArray[np.int16], number: int, label: int
) -> npt.NDArray[np.int16] | None:
    """The structure with another label that keeps most of the others; None where there is none."""
    rows = [np.array(row, dtype=np.int16) for row in space.completions({number: label})]
    return max(rows, key=lambda row: int((row == structure).sum())) if rows else None


def _settings(
    space: Space, structure: npt.NDArray[np.int16], before: npt.NDArray[np.int16]
) -> npt.NDArray[np.int16]:
    """[1, D] settings kept where they can be; today's where a decision is newly reached."""
    settings = np.full((1, space.decisions), UNREACHED, dtype=np.int16)
    for decision in space.used(structure):
        kept = before[decision]
        if kept == UNREACHED:
            kept = _alike(space, decision, before)
        settings[0, decision] = kept
    return settings


def _alike(space: Space, decision: int, before: npt.NDArray[np.int16]) -> int:
    """What another decision of the same agent has now, else today's configuration."""
    own = space.workflow.decisions[decision]
    for other, setting in enumerate(before):
        one = space.workflow.decisions[other]
        if setting != UNREACHED and one.agent == own.agent:
            chosen: Configuration = one.configurations[setting]
            if chosen in own.configurations:
                return own.configurations.index(chosen)
    return space.default(decision)


def _differences(problem: Problem, change: Array, credible: float) -> dict[str, Estimate]:
    return {
        QUANTITY[objective]: _estimate(row, credible)
        for objective, row in zip(problem.objectives, change, strict=True)
    }


def _better(problem: Problem, new: Array, old: Array) -> float:
    signs = np.array([1.0 if x == "accuracy" else -1.0 for x in problem.objectives])[:, None]
    gains = signs * (new - old)
    return float(((gains >= 0.0).all(axis=0) & (gains > 0.0).any(axis=0)).mean())


def _unknown(problem: Problem, here: Points, values: Array) -> tuple[Unknown, ...]:
    """First-order shares of variance over draws, by decision."""
    scenarios, settings = problem.scenarios, here.settings[0]
    found = []
    for decision in problem.space.used(here.structure[0]):
        call, setting = scenarios.calls[decision], settings[decision]
        shares = {}
        for objective, whole in zip(problem.objectives, values, strict=True):
            own = scenarios.per_draw(_of(call, objective)[setting]).mean(axis=-1)
            shares[QUANTITY[objective]] = _explained(own, whole)
        found.append(Unknown(str(problem.space.workflow.decisions[decision]), shares))
    return tuple(found)


def _of(call: CallModel, objective: Objective) -> Array:
    """[C, S] what a decision's own calls do in that respect."""
    return {"accuracy": call.success, "latency": call.mean_latency, "cost": call.cost}[objective]


def _explained(own: Array, whole: Array) -> float:
    """Squared correlation over draws; 0 where one of them does not vary."""
    a, b = own - own.mean(), whole - whole.mean()
    scale = float((a @ a) * (b @ b))
    return float((a @ b) ** 2 / scale) if scale > 0.0 else 0.0


def _estimate(values: Array, credible: float) -> Estimate:
    tail = (1.0 - credible) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return Estimate(float(values.mean()), float(low), float(high))
