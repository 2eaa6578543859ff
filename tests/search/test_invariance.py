"""What a search finds does not hang on names, nor on the order in which a space is written down."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from flowir.calculus.scenarios import CallModel, Scenarios
from flowir.calculus.terms import Structure, Workflow
from flowir.configuration import Configuration
from flowir.search.enumerate import enumerate_space
from flowir.search.exchange import exchange
from flowir.search.explore import explore
from flowir.search.options import Options
from flowir.search.problem import OBJECTIVES, Measure, Problem
from flowir.search.space import Space
from tests.search.conftest import fake_scenarios, random_workflow


def with_decisions(term: object, new: list[int]) -> object:
    """Terms whose decisions have other numbers."""
    if isinstance(term, tuple):
        return tuple(with_decisions(each, new) for each in term)
    if not is_dataclass(term) or isinstance(term, type):
        return term
    changed = {f.name: with_decisions(getattr(term, f.name), new) for f in fields(term)}
    for name in ("decision", "router"):
        if changed.get(name) is not None:
            changed[name] = new[changed[name]]
    return replace(term, **changed)


TABLES = ("success", "log_latency", "latency_scale", "cost", "accept_right", "accept_wrong")


def reordered(workflow: Workflow, scenarios: Scenarios, seed: int) -> tuple[Workflow, Scenarios]:
    """Decisions, and the configurations of each, in another order, and all that goes with them."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(workflow.decisions)).tolist()
    decisions, calls = [], []
    for number in order:
        decision, call = workflow.decisions[number], scenarios.calls[number]
        own = rng.permutation(len(decision.configurations)).tolist()
        moved = tuple(decision.configurations[i] for i in own)
        today = own.index(decision.baseline) if decision.baseline is not None else None
        decisions.append(replace(decision, configurations=moved, baseline=today))
        rows = {name: getattr(call, name)[own] for name in TABLES}
        calls.append(replace(call, **rows))
    new = [order.index(number) for number in range(len(order))]
    body = with_decisions(workflow.body, new)
    return (
        replace(workflow, body=body, decisions=tuple(decisions)),
        replace(scenarios, calls=tuple(calls)),
    )


def values_of(problem: Problem, how: str) -> np.ndarray:
    """[N, K] the losses of a front, each value once, in their own order."""
    if how == "enumerated":
        points = enumerate_space(problem)
    else:
        found = exchange(problem, problem.space.baseline)
        assert found.closed
        points = found.points
    return np.unique(np.round(problem.losses(points), 9), axis=0)


@pytest.mark.parametrize("how", ["enumerated", "exchanged"])
@pytest.mark.parametrize("measure", [Measure(), Measure("sequential"), Measure(latency="p95")])
@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_decisions_and_configurations_does_not_matter(
    seed: int, measure: Measure, how: str
) -> None:
    workflow = random_workflow(seed)
    scenarios = fake_scenarios(workflow, 2, 8, 1)
    other, moved = reordered(workflow, scenarios, seed)
    one = Problem(Space(workflow), scenarios, OBJECTIVES, measure, 1)
    two = Problem(Space(other), moved, OBJECTIVES, measure, 1)
    np.testing.assert_allclose(values_of(one, how), values_of(two, how), rtol=1e-7, atol=1e-9)


def renamed(workflow: Workflow) -> Workflow:
    """Other names of agents, models, groups, alternatives and labels; sorted the other way."""

    def configuration(one: Configuration) -> Configuration:
        return replace(one, model=mirrored(one.model))

    decisions = tuple(
        replace(
            decision,
            workflow=mirrored(decision.workflow),
            agent=mirrored(decision.agent),
            configurations=tuple(map(configuration, decision.configurations)),
        )
        for decision in workflow.decisions
    )
    structures = tuple(
        Structure(mirrored(s.name), tuple(map(mirrored, s.labels))) for s in workflow.structures
    )
    return replace(
        workflow, body=with_names(workflow.body), decisions=decisions, structures=structures
    )


def mirrored(name: str) -> str:
    """A different name, and of two names the later comes first."""
    return "".join(chr(ord("z") - (ord(c) % 26)) for c in name) + "~" + name


def with_names(term: object) -> object:
    """Terms whose alternatives have other names."""
    if isinstance(term, tuple):
        return tuple(with_names(each) for each in term)
    if not is_dataclass(term) or isinstance(term, type):
        return term
    changed = {f.name: with_names(getattr(term, f.name)) for f in fields(term)}
    if type(term).__name__ == "Alternatives":
        changed["name"] = mirrored(changed["name"])
        changed["cases"] = tuple((mirrored(label), block) for label, block in changed["cases"])
    return replace(term, **changed)


@pytest.mark.parametrize("limit", [2, 1 << 18])
@pytest.mark.parametrize("seed", range(8))
def test_names_do_not_matter(seed: int, limit: int) -> None:
    """Sites keep theirs: they are what a call's noise is told apart by."""
    workflow = random_workflow(seed)
    other = renamed(workflow)
    fronts = [
        explore(
            each,
            lambda draws, queries, seed: fake_scenarios(workflow, draws, queries, seed),
            Options(draws=4, scenarios=16, limit=limit),
        )
        for each in (workflow, other)
    ]
    assert len(fronts[0].every) == len(fronts[1].every)
    for one, two in zip(fronts[0].every, fronts[1].every, strict=True):
        assert one.estimates == two.estimates
        assert one.p_non_dominated == two.p_non_dominated
        assert [c and mirrored(c) for c in one.choices] == list(two.choices)
        assert [c and mirrored(c.model) for c in one.configurations] == [
            c and c.model for c in two.configurations
        ]
    assert fronts[0].facts.evaluated == fronts[1].facts.evaluated


def test_a_call_model_has_no_table_that_reordering_forgets() -> None:
    """The test's own list of tables is that of what the made-up scenarios fill in."""
    call = fake_scenarios(random_workflow(0), 1, 2, 0).calls[0]
    filled = {f.name for f in fields(CallModel) if isinstance(getattr(call, f.name), np.ndarray)}
    assert filled == set(TABLES)
