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


def explain(workflow: Workflow, front: Front, number: int, source: Source) -> Explanation:
    """Explain a point of a front.

    Args:
        workflow: the terms that were explored, alternatives still open.
        source: scenarios, as for exploration: the same draws and queries are used.

    Raises:
        SearchError: the point does not fit the workflow.
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
    here = _point(space, front, number)
    values = problem.evaluate_per_draw(here)[0]
    return Explanation(
        number,
        _path(problem, here, facts.credible) if "latency" in known else (),
        _changes(problem, here, values, facts.credible),
        _unknown(problem, here, values),
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


def _path(problem: Problem, here: Points, credible: float) -> tuple[Share, ...]:
    """Shares of mean latency by decision.

    Latency is homogeneous of degree one in the latencies of calls and tools: it is the sum, over
    decisions d, of ∂L/∂log ℓ_d (Euler), and of what tools take. Each derivative is what the calls
    of a decision take where they are on the critical path.
    """
    mean = replace(problem.measure, latency="mean")
    row = problem.space.used(here.structure[0])

    def latency(scenarios: Scenarios) -> Array:
        alone = Problem(problem.space, scenarios, ("latency",), mean, problem.seed)
        found: Array = alone.evaluate_per_draw(here)[0, 0]
        return found

    base = latency(problem.scenarios)
    shares = {}
    for decision in row:
        nudged = latency(_slower(problem.scenarios, decision))
        shares[str(problem.space.workflow.decisions[decision])] = (nudged - base) / (NUDGE * base)
    shares[OTHER] = 1.0 - sum(shares.values(), np.zeros_like(base))
    found = [Share(name, _estimate(values, credible)) for name, values in shares.items()]
    return tuple(sorted(found, key=lambda share: -share.share.mean))


def _slower(scenarios: Scenarios, decision: int) -> Scenarios:
    """The calls of one decision a little slower."""
    calls = list(scenarios.calls)
    call = calls[decision]
    calls[decision] = replace(call, log_latency=call.log_latency + np.log1p(NUDGE))
    return replace(scenarios, calls=tuple(calls))


def _changes(problem: Problem, here: Points, values: Array, credible: float) -> tuple[Change, ...]:
    """Every choice made differently, one at a time, that the rules allow."""
    wanted = _neighbours(problem.space, here)
    kept = [change for change in wanted if problem.space.legal(change[2])[0]]
    if not kept:
        return ()
    others = problem.evaluate_per_draw(Points.join([points for _, _, points in kept]))
    return tuple(
        Change(
            choice,
            instead,
            _differences(problem, new - values, credible),
            _better(problem, new, values),
        )
        for (choice, instead, _), new in zip(kept, others, strict=True)
    )


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
