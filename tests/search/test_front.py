"""Fronts end to end on made-up scenarios, and the pieces they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Decision, Workflow
from flowir.configuration import Configuration
from flowir.errors import SearchError, SelectionError
from flowir.search.constraints import feasible, limits
from flowir.search.explore import Source, explore, mean_field_front
from flowir.search.front import Difference, Front, difference, words
from flowir.search.options import Options
from flowir.search.pareto import non_dominated
from flowir.search.posterior import estimates, share_non_dominated
from flowir.search.problem import Measure, Problem
from flowir.search.selection import select
from flowir.search.space import Points, Space
from flowir.search.table import rows

SMALL = Options(execution="sequential", draws=12, scenarios=16, survivors=20)
SourceOf = Callable[[Workflow], Source]


@pytest.fixture
def front(workflow: Workflow, source_of: SourceOf) -> Front:
    return explore(workflow, source_of(workflow), SMALL)


def test_share_of_draws_by_hand() -> None:
    """Two draws, three points, two losses."""
    first = [[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]
    second = [[1.0, 1.0], [2.0, 1.0], [1.0, 1.0]]
    by_draw = np.stack([first, second], axis=-1)
    assert share_non_dominated(by_draw).tolist() == [1.0, 0.5, 0.5]


def test_intervals_are_equal_tailed() -> None:
    values = np.arange(1001.0).reshape(1, 1, -1)
    found = estimates(values, ("latency",), 0.8)[0]["latency_s"]
    assert (found.mean, found.low, found.high) == (500.0, 100.0, 900.0)


def test_points_do_not_dominate_each_other(front: Front) -> None:
    losses = front.losses()
    for i, own in enumerate(losses):
        beaten = [
            j for j, other in enumerate(losses) if (other <= own).all() and (other < own).any()
        ]
        assert not beaten or i == front.baseline
    for point in front.dominated:
        own = [-point.estimates["accuracy"].mean]
        own += [point.estimates[name].mean for name in ("latency_s", "cost_usd")]
        assert any((other <= np.array(own) + 1e-9).all() for other in losses)


def test_estimates_are_those_of_the_final_scenarios(
    front: Front, workflow: Workflow, source_of: SourceOf
) -> None:
    """Every point again, looked up by its configurations, from the same seed."""
    space = Space(workflow)
    scenarios = source_of(workflow)(SMALL.draws, SMALL.scenarios, SMALL.seed)
    names = ("accuracy", "latency", "cost")
    problem = Problem(space, scenarios, names, SMALL.measure(), SMALL.seed)
    for point in front.every:
        labels = [
            0 if label is None else structure.labels.index(label)
            for structure, label in zip(workflow.structures, point.choices, strict=True)
        ]
        settings = [
            0 if chosen is None else decision.configurations.index(chosen)
            for decision, chosen in zip(workflow.decisions, point.configurations, strict=True)
        ]
        values = problem.evaluate_per_draw(space.point(labels, settings))[0]
        for name, row in zip(("accuracy", "latency_s", "cost_usd"), values, strict=True):
            found = point.estimates[name]
            assert found.mean == pytest.approx(row.mean(), rel=1e-5)
            assert found.low == pytest.approx(np.quantile(row, 0.05), rel=1e-5)
            assert found.high == pytest.approx(np.quantile(row, 0.95), rel=1e-5)


def test_today_is_shown_and_flagged_once(front: Front) -> None:
    flagged = [point for point in front.every if point.baseline]
    assert [point.choices for point in flagged] == [("once", None)]
    assert flagged[0].configurations[0] == Configuration("medium", 100)
    assert front.points[front.baseline] is flagged[0]
    assert sum("has no baseline" in sentence for sentence in front.facts.assumptions) == 2


def test_the_front_is_the_same_every_time(
    front: Front, workflow: Workflow, source_of: SourceOf
) -> None:
    assert explore(workflow, source_of(workflow), SMALL) == front
    other = explore(workflow, source_of(workflow), replace(SMALL, seed=5))
    assert other.points != front.points


def test_names_do_not_matter(front: Front, workflow: Workflow, source_of: SourceOf) -> None:
    renamed = replace(
        workflow,
        name="other",
        decisions=tuple(
            replace(d, agent=f"z{i}", group=f"g{i}") for i, d in enumerate(workflow.decisions)
        ),
    )
    found = explore(renamed, source_of(workflow), SMALL)
    assert found.points == front.points
    assert found.dominated == front.dominated


def test_facts_say_how(front: Front) -> None:
    facts = front.facts
    assert facts.method == "enumerated"
    assert facts.space == facts.evaluated == 6 * 4 + 6 * 4 + 2 * 6 * 4 + 2 * 6 * 2 * 4
    assert facts.found == len(front.points)
    assert "made up for a test" in facts.assumptions


def test_large_spaces_are_searched_by_exchange(workflow: Workflow, source_of: SourceOf) -> None:
    every = explore(workflow, source_of(workflow), replace(SMALL, survivors=1))
    found = explore(workflow, source_of(workflow), replace(SMALL, limit=180, survivors=1))
    assert found.facts.method == "exchange-closed"
    known = {(p.choices, p.configurations) for p in every.points}
    mine = {(p.choices, p.configurations) for p in found.points}
    assert len(known & mine) >= 0.9 * len(known)
    cut = explore(workflow, source_of(workflow), replace(SMALL, limit=40))
    assert cut.facts.method == "partial"
    (told,) = (words for words in cut.facts.warnings if "limit" in words)
    assert "ended by limit=40" in told
    assert "raise limit" in told
    assert not any("limit" in words for words in found.facts.warnings)


def test_mean_field_is_exact_without_enumerating(workflow: Workflow, source_of: SourceOf) -> None:
    options = replace(
        SMALL, model="mean-field", objectives=("accuracy", "latency"), survivors=1, draws=1
    )
    every = explore(workflow, source_of(workflow), options)
    found = explore(workflow, source_of(workflow), replace(options, limit=1))
    assert (every.facts.method, found.facts.method) == ("enumerated", "exact")
    assert found.points == every.points


def test_local_search_starts_from_points_that_are_known_to_be_good(
    workflow: Workflow, source_of: SourceOf
) -> None:
    """The front of the proxy, in the space's own numbering, each point once."""
    problem = Problem(
        Space(workflow),
        source_of(workflow)(4, 4, 1),
        ("accuracy", "latency", "cost"),
        SMALL.measure(),
    )
    start = mean_field_front(problem)
    assert start is not None
    whole = Points.join(
        [
            problem.space.points(s, 0, problem.space.settings_of(s))
            for s in problem.space.structures()
        ]
    )
    assert set(start.identities()) <= set(whole.identities())
    assert len(set(start.identities())) == len(start)
    for objectives in (("accuracy", "latency"), ("accuracy", "cost")):
        proxy = replace(problem, objectives=objectives, measure=Measure("sequential", "mean-field"))
        best = whole[non_dominated(proxy.losses(whole))]
        front = {tuple(row) for row in proxy.losses(best).tolist()}
        assert front <= {tuple(row) for row in proxy.losses(start).tolist()}


def without_prices(source: Source, decision: int) -> Source:
    def lacking(draws: int, queries: int, seed: int) -> Scenarios:
        scenarios = source(draws, queries, seed)
        calls = list(scenarios.calls)
        calls[decision] = replace(calls[decision], cost=calls[decision].cost * np.nan)
        return replace(scenarios, calls=tuple(calls))

    return lacking


def test_cost_goes_where_a_price_is_missing(workflow: Workflow, source_of: SourceOf) -> None:
    source = without_prices(source_of(workflow), 3)
    front = explore(workflow, source, SMALL)
    assert front.facts.objectives == ("accuracy", "latency")
    assert [("small, medium" in w, "prices=FILE" in w) for w in front.facts.warnings] == [
        (True, True)
    ]
    assert all("cost_usd" not in point.estimates for point in front.points)
    quiet = explore(workflow, source, replace(SMALL, objectives=("accuracy", "latency")))
    assert not quiet.facts.warnings
    with pytest.raises(SearchError, match=r"max-cost=0.1: cost is left out: no price for small"):
        explore(workflow, source, replace(SMALL, max_cost=0.1))
    with pytest.raises(SearchError, match="no price"):
        explore(workflow, source, replace(SMALL, objectives=("cost",)))


def test_limits_cut_the_front(front: Front, workflow: Workflow, source_of: SourceOf) -> None:
    latency = np.median([point.estimates["latency_s"].mean for point in front.points])
    cut = explore(workflow, source_of(workflow), replace(SMALL, max_latency=float(latency)))
    kept = [p for p in front.points if p.estimates["latency_s"].mean <= latency]
    assert [p.estimates for p in cut.points if not p.baseline] == [
        p.estimates for p in kept if not p.baseline
    ]
    assert any(point.baseline for point in cut.points)


def test_a_limit_on_what_is_not_compared(workflow: Workflow, source_of: SourceOf) -> None:
    """Two objectives under a limit on the third: the best of the points that keep to it."""
    options = replace(SMALL, objectives=("accuracy", "latency"), survivors=10**6)
    every = explore(workflow, source_of(workflow), options).every
    limit = float(np.quantile([p.estimates["cost_usd"].mean for p in every], 0.3))
    allowed = [p for p in every if p.estimates["cost_usd"].mean <= limit]
    best = [
        p
        for p in allowed
        if not any(
            q.estimates["accuracy"].mean >= p.estimates["accuracy"].mean
            and q.estimates["latency_s"].mean <= p.estimates["latency_s"].mean
            and q.estimates != p.estimates
            for q in allowed
        )
    ]
    found = explore(workflow, source_of(workflow), replace(options, survivors=1, max_cost=limit))
    assert {words(found, p) for p in found.points if not p.baseline} == {
        words(found, p) for p in best if not p.baseline
    }


def test_impossible_limits_name_the_nearest_values(
    front: Front, workflow: Workflow, source_of: SourceOf
) -> None:
    fastest = min(point.estimates["latency_s"].mean for point in front.points)
    with pytest.raises(SearchError, match=rf"max-latency=0.1: .* found is {fastest:.4g} s"):
        explore(workflow, source_of(workflow), replace(SMALL, max_latency=0.1))


def test_limits_that_exclude_each_other() -> None:
    values = np.array([[0.6, 1.0], [0.9, 5.0]])
    wanted = limits(max_latency=2.0, min_accuracy=0.8)
    with pytest.raises(SearchError) as raised:
        feasible(values, ("accuracy", "latency"), wanted)
    assert str(raised.value) == (
        "no point meets min-accuracy=0.8 and max-latency=2 together: with max-latency=2, the "
        "highest accuracy found is 0.6; with min-accuracy=0.8, the lowest latency found is 5 s"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": ()}, "objectives: none"),
        ({"objectives": ("speed",)}, "objectives=speed: unknown"),
        ({"execution": "threads"}, "execution=threads"),
        ({"model": "guess"}, "model=guess"),
        ({"latency": "p99"}, "latency=p99"),
        ({"queries": "all"}, "queries=all"),
        ({"credible": 1.0}, "credible=1"),
        ({"draws": 0}, "draws=0"),
        ({"scenarios": 0}, "scenarios=0"),
        ({"seed": -1}, "seed=-1"),
        ({"min_accuracy": 1.5}, "min-accuracy=1.5"),
        ({"max_latency": -1.0}, "max-latency=-1"),
        ({"model": "mean-field", "latency": "p95"}, "latency=p95 with model=mean-field"),
    ],
)
def test_options_that_mean_nothing(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        Options(**changes)  # type: ignore[arg-type]


def test_a_space_of_one_point_is_a_front_of_one(workflow: Workflow, source_of: SourceOf) -> None:
    space = Space(workflow)
    only = space.specialised(space.baseline.structure[0])
    one = replace(
        only,
        decisions=tuple(
            replace(d, configurations=d.configurations[:1], baseline=0) for d in only.decisions
        ),
    )
    front = explore(one, source_of(one), SMALL)
    assert len(front.points) == front.facts.space == 1
    assert front.points[0].baseline
    assert front.points[0].p_non_dominated == 1.0


def test_today_outside_the_space_is_shown_and_beats_nothing(
    workflow: Workflow, source_of: SourceOf
) -> None:
    """The best coder is today's and may not be chosen."""
    coder = workflow.decisions[0]
    closed = replace(coder, baseline=len(coder.configurations) - 1, closed=1)
    changed = replace(workflow, decisions=(closed, *workflow.decisions[1:]))
    front = explore(changed, source_of(changed), replace(SMALL, survivors=10**6))
    best = coder.configurations[-1]
    assert [p.configurations[0] for p in front.points if p.baseline] == [best]
    assert all(p.configurations[0] != best for p in front.every if not p.baseline)
    rest = replace(
        workflow,
        decisions=(
            Decision(
                coder.workflow, coder.agent, coder.group, coder.configurations[:-1], baseline=0
            ),
            *workflow.decisions[1:],
        ),
    )

    def fewer(draws: int, queries: int, seed: int) -> Scenarios:
        scenarios = source_of(changed)(draws, queries, seed)
        first = scenarios.calls[0]
        cut = {
            name: getattr(first, name)[:-1]
            for name in (
                "success",
                "log_latency",
                "latency_scale",
                "cost",
                "accept_right",
                "accept_wrong",
            )
        }
        return replace(scenarios, calls=(replace(first, **cut), *scenarios.calls[1:]))

    without = explore(rest, fewer, replace(SMALL, survivors=10**6))
    mine = [p for p in front.points if not p.baseline]
    others = [p for p in without.points if not p.baseline or p.p_non_dominated > 0]
    assert {words(front, p): p.p_non_dominated for p in mine}.items() <= {
        words(without, p): p.p_non_dominated for p in others
    }.items()


def test_thinning_keeps_today_and_the_best_of_each(front: Front) -> None:
    thinned = front.thinned(5)
    assert len(thinned.points) == 5
    assert sum(point.baseline for point in thinned.points) == 1
    for name, best in (("accuracy", max), ("latency_s", min), ("cost_usd", min)):
        every = [point.estimates[name].mean for point in front.points]
        assert best(every) in [point.estimates[name].mean for point in thinned.points]


def test_differences_in_words(front: Front) -> None:
    assert str(Difference(3.0, 0.4, None)) == "0.4× latency, +3 points"
    assert str(Difference(-1.0, 12.3, 0.051)) == "12× latency, 0.051× cost, −1 point"
    assert str(Difference(0.01, 1.0, 1.0)) == "1× latency, 1× cost, same accuracy"
    today = front.points[front.baseline]
    point = front.points[-1]
    change = difference(point, today)
    assert change.latency_ratio == pytest.approx(
        point.estimates["latency_s"].mean / today.estimates["latency_s"].mean
    )
    assert str(difference(today, today)) == "1× latency, 1× cost, same accuracy"


def test_the_table_has_a_row_per_point(front: Front) -> None:
    table = rows(front)
    assert [row.point for row in table] == [str(i) for i in range(len(front.points))]
    today = table[front.baseline]
    assert today.difference == "today"
    assert today.configuration == (
        "strategy once; coder medium, budget 100; critic small; fixer small"
    )
    mean = front.points[0].estimates["accuracy"].mean
    assert table[0].accuracy.startswith(f"{100 * mean:.1f} % [")


def brute_select(front: Front, allowed: list[int], utility: Callable[[int], float]) -> int:
    def key(i: int) -> tuple[float, ...]:
        mean = {name: e.mean for name, e in front.points[i].estimates.items()}
        return (-utility(i), -mean["accuracy"], mean["latency_s"], mean["cost_usd"], i)

    return min(allowed, key=key)


def test_selection_by_limits_optimises_what_is_left_open(front: Front) -> None:
    def mean(name: str) -> list[float]:
        return [point.estimates[name].mean for point in front.points]

    accuracy, latency, cost = mean("accuracy"), mean("latency_s"), mean("cost_usd")
    slow, right = float(np.median(latency)), float(np.median(accuracy))
    everyone = range(len(front.points))
    fast = [i for i in everyone if latency[i] <= slow]
    good = [i for i in everyone if accuracy[i] >= right]
    both = [i for i in fast if i in good]
    assert select(front, max_latency=slow) == brute_select(front, fast, lambda i: accuracy[i])
    assert select(front, min_accuracy=right) == brute_select(front, good, lambda i: -latency[i])
    if both:
        found = select(front, max_latency=slow, min_accuracy=right)
        assert found == brute_select(front, both, lambda i: -cost[i])


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9, 1.0])
def test_selection_by_preference(front: Front, alpha: float) -> None:
    slowest = max(point.estimates["latency_s"].mean for point in front.points)

    def utility(i: int) -> float:
        estimates = front.points[i].estimates
        latency = estimates["latency_s"].mean / slowest
        return alpha * estimates["accuracy"].mean + (1 - alpha) * (1 - latency)

    everyone = list(range(len(front.points)))
    assert select(front, prefer=alpha) == brute_select(front, everyone, utility)


def test_selection_by_number(front: Front) -> None:
    assert select(front, point=1) == 1
    last = len(front.every) - 1
    with pytest.raises(SelectionError, match=f"point={last + 1}: there are points 0 … {last}"):
        select(front, point=last + 1)
    with pytest.raises(SelectionError, match="nothing is asked for"):
        select(front)
    with pytest.raises(SelectionError, match="leaves nothing"):
        select(front, point=0, max_cost=1.0)
    with pytest.raises(SelectionError, match="prefer=2"):
        select(front, prefer=2.0)
    with pytest.raises(SelectionError, match=r"max-latency=0\.001: the lowest latency found"):
        select(front, max_latency=0.001)
