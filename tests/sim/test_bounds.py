"""Lower bounds hold whatever runs, and are met where nothing stands in the way."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.prim.graph import Node, PrimitiveGraph, Work, critical_path_s
from flowir.scheduling.policies import POLICIES
from flowir.sim.bounds import mean_latency_bound_s, query_bounds, shortest_remaining_first
from flowir.sim.primitives import Arrival, simulate_primitives
from tests.budget import some
from tests.scheduling.graphs import ENGINES, graphs


@settings(max_examples=some(80), deadline=None, phases=[Phase.generate])
@given(
    st.lists(graphs(), min_size=1, max_size=4),
    st.sampled_from(sorted(POLICIES)),
    st.lists(st.floats(0, 2), min_size=4, max_size=4),
)
def test_no_policy_beats_the_bounds(
    several: list[PrimitiveGraph], policy: str, gaps: list[float]
) -> None:
    times = list(itertools.accumulate(gaps[: len(several)]))
    arrivals = [Arrival(i, t, g) for i, (t, g) in enumerate(zip(times, several, strict=True))]
    run = simulate_primitives(arrivals, ENGINES, POLICIES[policy])
    bounds = []
    for arrival, answer in zip(arrivals, run.answers, strict=True):
        alone = simulate_primitives(
            [Arrival(0, 0.0, arrival.graph, answer.labels)], ENGINES, POLICIES[policy]
        )
        known = query_bounds(arrival.graph, ENGINES, answer.labels)
        plain = query_bounds(arrival.graph, ENGINES, answer.labels, nested=False)
        assert plain.latency_s <= known.latency_s + 1e-9
        assert known.latency_s <= alone.answers[0].latency_s + 1e-9
        assert query_bounds(arrival.graph, ENGINES).latency_s <= alone.answers[0].latency_s + 1e-9
        bounds.append(query_bounds(arrival.graph, ENGINES, answer.labels, together=len(several)))
        assert bounds[-1].latency_s <= answer.latency_s + 1e-9
    assert mean_latency_bound_s(times, bounds, ENGINES) <= run.mean_latency_s + 1e-9


def test_a_chain_meets_its_bound_and_a_full_engine_its_work() -> None:
    model = LanguageModelEngine("llm", 0.03, 7e-5, 0.0136, 8e-5, 3e-8)
    chain = PrimitiveGraph(
        (
            Node("prefill", "prefilling", "llm", Work(1, 500)),
            Node("decode", "decoding", "llm", Work(1, 0, 30, 500), (0,), 0),
        ),
        1,
    )
    engines = {"llm": model, "e": BatchEngine("e", 0.05, 0.025, efficient_batch=16)}
    bound = query_bounds(chain, engines)
    run = simulate_primitives([Arrival(0, 0.0, chain)], engines)
    assert bound.latency_s == pytest.approx(run.mean_latency_s, rel=1e-12)
    assert bound.critical_path_s == pytest.approx(critical_path_s(chain, engines), rel=1e-12)
    stages = tuple(Node(f"s{i}", "embedding", "e", Work(16), batchable=True) for i in range(5))
    wide = PrimitiveGraph((*stages, Node("all", "aggregate", None, after=(0, 1, 2, 3, 4))), 5)
    assert query_bounds(wide, engines).latency_s == pytest.approx(5 * 0.45)
    assert query_bounds(wide, engines, nested=False).critical_path_s == pytest.approx(0.45)
    run = simulate_primitives([Arrival(0, 0.0, wide)], engines)
    assert run.mean_latency_s == pytest.approx(5 * 0.45)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=4),
)
def test_shortest_remaining_first_has_the_least_mean_of_all_orders(
    jobs: list[tuple[int, int]],
) -> None:
    """Against every order of unit steps."""
    total = sum(shortest_remaining_first([(float(r), float(w)) for r, w in jobs]))
    states = {tuple(work for _, work in jobs): 0}
    now, best = 0, None
    while best is None:
        after: dict[tuple[int, ...], int] = {}
        for left, ended in states.items():
            choices = [i for i, w in enumerate(left) if w and jobs[i][0] <= now]
            for i in choices or [-1]:
                new = tuple(w - (j == i) for j, w in enumerate(left))
                sum_ = ended + (now + 1 if i >= 0 and not new[i] else 0)
                if after.get(new, sum_) >= sum_:
                    after[new] = sum_
        states, now = after, now + 1
        if set(states) == {(0,) * len(jobs)}:
            best = states[(0,) * len(jobs)]
    assert total == pytest.approx(best)
