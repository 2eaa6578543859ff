"""What is allowed, locked and forbidden: every algorithm keeps to it, and bad rules are named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flowir.calculus.terms import Workflow
from flowir.errors import CalculusError, SearchError
from flowir.search.enumerate import enumerate_space, every_loss
from flowir.search.exact import exact_front
from flowir.search.exchange import exchange, neighbours, spread, two_away
from flowir.search.explore import Source, explore
from flowir.search.front import Front
from flowir.search.options import Options
from flowir.search.pareto import non_dominated
from flowir.search.problem import Measure, Problem, losses
from flowir.search.rules import Combination, narrowed
from flowir.search.space import Points, Space
from tests.search.random_workflows import random_scenarios, random_workflow

SourceOf = Callable[[Workflow], Source]
MakeWorkflow = Callable[[int], Workflow]


def random_rules(rng: np.random.Generator, workflow: Workflow) -> tuple[Combination, ...]:
    """Some combinations of one to three places, a third or so of each place's choices."""
    places = [("decision", i, len(d.choices)) for i, d in enumerate(workflow.decisions)]
    places += [("structure", i, len(s.labels)) for i, s in enumerate(workflow.structures)]
    rules = []
    for number in range(int(rng.integers(1, 4))):
        chosen = rng.choice(
            len(places), size=min(int(rng.integers(1, 4)), len(places)), replace=False
        )
        terms = []
        for kind, place, count in (places[i] for i in chosen):
            some = np.flatnonzero(rng.random(count) < 0.4)
            terms.append(((kind, place), frozenset(some.tolist() or [0])))
        rules.append(Combination(f"rule {number}", tuple(terms)))
    return tuple(rules)


def breaks(points: Points, row: int, rules: tuple[Combination, ...]) -> bool:
    """One point against the rules, by their definition."""
    tables = {"decision": points.settings, "structure": points.structure}
    return any(
        all(int(tables[kind][row, place]) in which for (kind, place), which in rule.terms)
        for rule in rules
    )


def whole(space: Space) -> Points:
    return Points.join([space.points(s, 0, space.settings_of(s)) for s in space.structures()])


def check_exact(seed: int) -> bool:
    rng = np.random.default_rng(seed)
    workflow = random_workflow(rng, terms=int(rng.integers(2, 6)))
    scenarios = random_scenarios(rng, workflow)
    rules = random_rules(rng, workflow)
    space, execution = Space(workflow, rules), ("sequential", "asyncio")[seed % 2]
    objectives = (("accuracy", "latency"), ("accuracy", "cost"), ("accuracy", "latency", "cost"))[
        seed % 3
    ]
    if (space.size() or 3_000) >= 3_000:
        return False
    every = whole(space)
    legal = np.array([not breaks(every, row, rules) for row in range(len(every))])
    np.testing.assert_array_equal(space.legal(every), legal)
    assert space.size() == legal.sum()
    problem = Problem(space, scenarios, objectives, Measure(execution, "mean-field"))
    if not legal.any():
        with pytest.raises(SearchError, match="rule"):
            space.start()
        return False
    assert space.legal(space.start()).all()
    try:
        values = problem.losses(every[legal])
    except CalculusError:
        return False
    np.testing.assert_array_equal(every_loss(problem), values)
    found = exact_front(workflow, scenarios, objectives, execution, most=1 << 30, forbidden=rules)
    points = Points(found.structure.astype(np.int16), found.settings.astype(np.int16))
    assert not any(breaks(points, row, rules) for row in range(len(points))), f"seed {seed}"
    np.testing.assert_allclose(problem.evaluate(points), found.values, rtol=1e-9, atol=1e-12)
    own = losses(found.values, objectives)
    for one in values[non_dominated(values)]:
        assert (own <= one + 1e-9).all(axis=1).any(), f"seed {seed}: nothing as good as {one}"
    return True


def test_exact_search_keeps_to_rules() -> None:
    assert sum(map(check_exact, range(150))) > 80


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_exact_search_keeps_to_thousands_of_rules(part: int) -> None:
    assert sum(map(check_exact, range(1_000 + part, 4_000, 4))) > 400


@pytest.mark.parametrize("seed", range(40))
def test_enumeration_and_exchange_keep_to_rules(
    seed: int, make_workflow: MakeWorkflow, source_of: SourceOf
) -> None:
    workflow = make_workflow(seed)
    rules = random_rules(np.random.default_rng(seed), workflow)
    space = Space(workflow, rules)
    problem = Problem(
        space, source_of(workflow)(2, 4, 1), ("accuracy", "cost"), Measure("sequential")
    )
    if space.size() == 0:
        return
    for points in (
        enumerate_space(problem, 50),
        spread(problem),
        exchange(problem, space.start()).points,
        neighbours(space, space.start()),
        two_away(space, space.start()),
    ):
        assert not any(breaks(points, row, rules) for row in range(len(points)))
        space.require_legal(points)


def test_a_point_outside_is_not_handed_on(workflow: Workflow) -> None:
    """An algorithm that forgets the rules is found out."""
    space = Space(workflow, (Combination("mine", ((("decision", 0), frozenset({0})),)),))
    forgetful = Points(space.baseline.structure, np.zeros_like(space.baseline.settings))
    with pytest.raises(SearchError, match="mine"):
        space.require_legal(forgetful)


def explored(workflow: Workflow, source_of: SourceOf, **options: object) -> Front:
    small = {"draws": 4, "scenarios": 16, "execution": "sequential"}
    return explore(workflow, source_of(workflow), Options(**small, **options))  # type: ignore


def chosen(front: Front, decision: str) -> set[str]:
    """Every configuration that points other than today's choose for a decision."""
    place = [str(each) for each in front.decisions].index(decision)
    rows = [p.configurations[place] for p in front.every if not p.baseline]
    return {str(row) for row in rows if row is not None}


def test_lists_and_locks_are_kept_to(workflow: Workflow, source_of: SourceOf) -> None:
    front = explored(
        workflow,
        source_of,
        allow=("coder/: small | medium@400",),
        lock=("judge: large", "critic: small"),
        forbid=("strategy: retry & fixer: large",),
    )
    assert chosen(front, "coder") == {
        "small, budget 100",
        "small, budget 400",
        "medium, budget 400",
    }
    assert chosen(front, "judge") <= {"large"}
    assert chosen(front, "critic") == {"small"}
    fixer = [str(each) for each in front.decisions].index("fixer")
    for point in front.every:
        if point.choices[0] == "retry" and not point.baseline:
            assert str(point.configurations[fixer]) == "small"
    assert front.facts.rules[0] == 'allow="coder/: small | medium@400"'


def test_rules_give_the_points_that_the_whole_space_has(
    workflow: Workflow, source_of: SourceOf
) -> None:
    """A locked space has the same estimates, and none but points of the space without the lock."""
    free = explored(workflow, source_of, survivors=10_000)
    locked = explored(workflow, source_of, survivors=10_000, lock=("strategy: once",))
    estimates = {(p.choices, p.configurations): p.estimates for p in free.every}
    for point in locked.every:
        assert estimates[point.choices, point.configurations] == point.estimates
        assert point.baseline or point.choices[0] == "once"


def test_today_may_be_what_is_forbidden(workflow: Workflow, source_of: SourceOf) -> None:
    """It is shown all the same, and beats nothing."""
    front = explored(workflow, source_of, lock=("strategy: two",))
    today = front.points[front.baseline]
    assert today.choices[0] == "once"
    assert len(front.points) > 1
    assert all(point.choices[0] == "two" for point in front.points if not point.baseline)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": ("coder: tiny",)}, r'allow="coder: tiny": tiny leaves nothing.*small@100'),
        ({"allow": ("typist: small",)}, r"typist.*AXIS is one of coder"),
        ({"allow": ("strategy: never",)}, r"no label 'never'; they have once, retry, two"),
        (
            {"allow": ("judge: small", "judge: large")},
            r'allow="judge: large": nothing of it is left by allow="judge: small"',
        ),
        (
            {"lock": ("judge: small", "judge: large")},
            r'lock="judge: large": nothing of it is left by lock="judge: small"',
        ),
        (
            {"allow": ("judge: small",), "lock": ("judge: large",)},
            r'lock="judge: large": nothing of it is left by allow="judge: small"',
        ),
        ({"allow": ("coder: small",)}, "small leaves nothing of the space of coder/strong"),
        (
            {"allow": ("coder/: ",)},
            r'allow="coder/: ": a value is missing; .* small@100, small@400',
        ),
        ({"lock": ("strategy: ",)}, r"a value is missing; .* one of once, retry, two"),
        ({"lock": ("coder/: small",)}, r"2 are meant for coder \(small@100, small@400\)"),
        ({"forbid": ("coder: small & judge: small",)}, r"coder has several decisions; name one of"),
        (
            {"forbid": ("critic: small | medium",)},
            r'forbid="critic: small \| medium": together they leave nothing',
        ),
        (
            {"lock": ("critic: small",), "forbid": ("critic: small & fixer: *",)},
            r'forbid="critic: small & fixer: \*": together they leave nothing',
        ),
    ],
)
def test_rules_that_cannot_be_kept(
    options: dict[str, tuple[str, ...]], message: str, workflow: Workflow, source_of: SourceOf
) -> None:
    with pytest.raises(SearchError, match=message):
        explored(workflow, source_of, **options)


def test_rules_of_what_is_not_left_say_nothing(workflow: Workflow) -> None:
    """Forbidding what no list allows forbids nothing."""
    rules = narrowed(workflow, ("critic: small",), (), ("critic: medium & fixer: small",))
    assert rules.forbidden == ()
