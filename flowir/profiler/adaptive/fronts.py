"""The points that may be on the front, given draws of what single calls are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from flowir.calculus.from_ir import workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, GivenRates, Scenarios
from flowir.calculus.terms import Branch, Decision, Fallback, Refine, Workflow, walk
from flowir.configuration import Configuration
from flowir.profiler.adaptive.arms import Arm, Array
from flowir.profiler.adaptive.belief import Belief
from flowir.profiler.adaptive.value import Pool
from flowir.profiler.workflow import Subject
from flowir.search.exchange import spread
from flowir.search.explore import mean_field_front
from flowir.search.observed import given_rates
from flowir.search.problem import Measure, Objective, Problem
from flowir.search.space import Points, Space

MEMBERS = 8
"""Draws whose own front goes into the pool, beside that of the mean."""
UNKNOWN = GivenRates(0.95, 0.2)
"""Of a tool that judges and states no rates."""


@dataclass(frozen=True, eq=False)
class Subjects:
    """A workflow as the belief sees it.

    Attributes:
        workflow: its decisions have the configurations that are profiled.
        critics: agents that give verdicts.
    """

    workflow: Workflow
    critics: frozenset[str] = frozenset()
    rates: Mapping[str, GivenRates] = field(default_factory=dict)

    @staticmethod
    def of(subject: Subject, spaces: Mapping[str, Sequence[Configuration]]) -> Subjects:
        """Of a subject, whose profiled agents have these configurations.

        Raises:
            CalculusError: a workflow that the calculus cannot compose.
        """
        workflow = workflow_terms(subject.workflow)
        decisions = tuple(
            replace(d, configurations=tuple(spaces[d.agent]), baseline=None, closed=0)
            if d.agent in spaces
            else d
            for d in workflow.decisions
        )
        root = subject.workflow.get_toplevel_object()
        rates = given_rates(root)  # type: ignore[arg-type]
        return Subjects(replace(workflow, decisions=decisions), subject.critics, rates)

    def arms(self) -> list[Arm]:
        """Every configuration of every decision, on right inputs."""
        found = (Arm(d.agent, c) for d in self.workflow.decisions for c in d.configurations)
        return list(dict.fromkeys(found))

    def scenarios(self, arms: Mapping[Arm, int], belief: Belief) -> Scenarios:
        """A scenario for each draw of the belief; every query is the average one."""
        draws = belief.right.shape[1]
        terms = list(walk(self.workflow.body))
        cases = (case.label for t in terms if isinstance(t, Branch) for case in t.cases)
        labels = tuple(dict.fromkeys(label for label in cases if label is not None))
        calls = tuple(self._call(d, arms, belief, labels) for d in self.workflow.decisions)
        checkers = {}
        for term in terms:
            if isinstance(term, Fallback | Refine) and term.checker.decision is None:
                rate = self.rates.get(term.checker.name, UNKNOWN)
                right, wrong = np.full(draws, rate.right), np.full(draws, rate.wrong)
                checkers[term.checker.name] = CheckerModel(right, wrong)
        return Scenarios(draws, 1, calls, checkers)

    def _call(
        self, decision: Decision, arms: Mapping[Arm, int], belief: Belief, labels: Sequence[str]
    ) -> CallModel:
        rows = [arms[Arm(decision.agent, c)] for c in decision.configurations]
        wrong = [arms.get(Arm(decision.agent, c, False)) for c in decision.configurations]
        shape = (len(rows), belief.right.shape[1])
        right, seconds = belief.right[rows], belief.seconds[rows]
        cost = np.full(shape, np.nan) if belief.dollars is None else belief.dollars[rows]
        known = [row for row in wrong if row is not None]
        other = belief.right[known] if len(known) == len(rows) else None
        critic = decision.agent in self.critics
        even = {label: np.full(shape, 1.0 / len(labels)) for label in labels}
        return CallModel(
            success=np.ones(shape) if critic else right,
            log_latency=np.log(seconds),
            latency_scale=np.zeros(shape),
            cost=cost,
            recovery=None if critic else other,
            accept_right=right if critic else None,
            accept_wrong=(np.full(shape, UNKNOWN.wrong) if other is None else other)
            if critic
            else None,
            labels=even,
        )


def objectives(belief: Belief) -> tuple[Objective, ...]:
    """What can be compared."""
    return ("accuracy", "latency") if belief.dollars is None else ("accuracy", "latency", "cost")


def points(subjects: Subjects, scenarios: Scenarios, wanted: tuple[Objective, ...]) -> Points:
    """The exact fronts of the mean and of some draws, together."""
    space = Space(subjects.workflow)
    measure = Measure("asyncio", "mean-field")
    ones = [scenarios, *(_member(scenarios, m) for m in range(min(MEMBERS, scenarios.draws)))]
    found = []
    for one in ones:
        problem = Problem(space, one, wanted, measure)
        front = mean_field_front(problem)
        found.append(spread(problem) if front is None else front)
    return Points.join(found).distinct()


def pool(subjects: Subjects, arms: Mapping[Arm, int], belief: Belief) -> Pool:
    """The points that may be on the front, under each draw."""
    scenarios = subjects.scenarios(arms, belief)
    wanted = objectives(belief)
    some = points(subjects, scenarios, wanted)
    values = measured(subjects, scenarios, some, wanted)
    spent = tuple(values[:, k] for k in range(1, len(wanted)))
    return Pool(values[:, 0], spent, uses(subjects, arms, some))


def uses(subjects: Subjects, arms: Mapping[Arm, int], some: Points) -> Array:
    """[B, A] 1 where a point calls an arm, on right or wrong inputs; else 0."""
    found = np.zeros((len(some), len(arms)))
    for column, decision in zip(some.settings.T, subjects.workflow.decisions, strict=True):
        for number, configuration in enumerate(decision.configurations):
            for right in (True, False):
                arm = arms.get(Arm(decision.agent, configuration, right))
                if arm is not None:
                    found[column == number, arm] = 1.0
    return found


def measured(
    subjects: Subjects, scenarios: Scenarios, some: Points, wanted: tuple[Objective, ...]
) -> Array:
    """[B, K, M] of points under each draw, in the mean-field model."""
    problem = Problem(Space(subjects.workflow), scenarios, wanted, Measure("asyncio", "mean-field"))
    return problem.evaluate_per_draw(some)


def _member(scenarios: Scenarios, draw: int) -> Scenarios:
    """One draw alone."""

    def one(values: Array | None) -> Array | None:
        return None if values is None else values[..., draw : draw + 1]

    calls = tuple(
        replace(
            call,
            success=call.success[:, draw : draw + 1],
            log_latency=call.log_latency[:, draw : draw + 1],
            latency_scale=call.latency_scale[:, draw : draw + 1],
            cost=call.cost[:, draw : draw + 1],
            recovery=one(call.recovery),
            accept_right=one(call.accept_right),
            accept_wrong=one(call.accept_wrong),
            labels={name: table[:, draw : draw + 1] for name, table in call.labels.items()},
        )
        for call in scenarios.calls
    )
    checkers = {
        name: CheckerModel(c.accept_right[draw : draw + 1], c.accept_wrong[draw : draw + 1])
        for name, c in scenarios.checkers.items()
    }
    return replace(scenarios, draws=1, calls=calls, checkers=checkers)
