"""What each place of a compiled workflow does by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Alternatives, Block, Join, Vote, Workflow, walk
from flowir.search.front import Estimate, Facts
from flowir.search.posterior import estimates
from flowir.search.problem import Measure, Objective, Problem
from flowir.search.rules import rows_of
from flowir.search.space import Space


def local_estimates(
    workflow: Workflow, scenarios: Scenarios, facts: Facts, known: tuple[Objective, ...]
) -> dict[str, Mapping[str, Estimate]]:
    """By site, what one passage through it does, given that everything it reads is right.

    A region counts with all it runs: a fallback's accuracy is that of what it returns, its latency
    and cost include every tier and check as often as they are needed.

    Args:
        workflow: every alternatives and configuration chosen.
        scenarios: of its decisions.
        facts: how the front it comes from was measured.
        known: what can be estimated.
    """
    measure = Measure(facts.execution, facts.model, facts.latency)
    found: dict[str, Mapping[str, Estimate]] = {}
    for term in walk(workflow.body):
        if isinstance(term, Alternatives | Join | Vote):
            continue
        alone = Workflow(workflow.name, Block((term,), term.output), workflow.decisions)
        space = Space(alone)
        problem = Problem(space, scenarios, known, measure, facts.seed)
        values = problem.evaluate_per_draw(space.baseline)
        found[term.site] = estimates(values, known, facts.credible)[0]
    return found


def compiled_scenarios(scenarios: Scenarios, workflow: Workflow, compiled: Workflow) -> Scenarios:
    """Of the scenarios of a workflow, those of what it was compiled to.

    Args:
        workflow: with everything still open.
        compiled: its decisions have one configuration each, and lost their group where it was the
            only one of the agent.
    """
    calls = []
    for decision in compiled.decisions:
        (chosen,) = decision.configurations
        place = next(
            place
            for place, one in enumerate(workflow.decisions)
            if one.agent == decision.agent
            and one.group in ((decision.group,) if decision.group else (one.group,))
            and chosen in one.configurations
        )
        index = workflow.decisions[place].configurations.index(chosen)
        calls.append(rows_of(scenarios.calls[place], (index,)))
    return replace(scenarios, calls=tuple(calls))
