"""Simulated primitives against closed forms, and against a simulation that makes every step."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.prim.graph import Node, PrimitiveGraph, Work, alone_s
from flowir.scheduling.policies import FIFO, POLICIES, THROUGHPUT, Policy
from flowir.sim.primitives import Arrival, simulate_primitives
from tests.budget import some
from tests.scheduling.graphs import ENGINES, graphs

MODEL = LanguageModelEngine("llm", 0.03, 7e-5, 0.0136, 8e-5, 3e-8, prefill_batch_tokens=1500)


def call(prompt: float, output: float) -> PrimitiveGraph:
    """A prefill and its decode."""
    return PrimitiveGraph(
        (
            Node("prefill", "prefilling", "llm", Work(1, prompt)),
            Node("decode", "decoding", "llm", Work(1, 0.0, output, prompt), (0,), 0),
        ),
        1,
    )


def stepwise(engine: LanguageModelEngine, calls: list[tuple[float, int, int]]) -> dict[int, float]:
    """When each (arrival, prompt, output) ends: one step after the other, first come first."""
    now, waiting, decoding, ends = 0.0, list(enumerate(calls)), [], {}
    while waiting or decoding:
        here = [one for one in waiting if one[1][0] <= now]
        if here:
            tokens, taken = 0.0, []
            for one in here:
                if taken and tokens + one[1][1] > engine.prefill_batch_tokens:
                    break
                taken.append(one)
                tokens += one[1][1]
            now += engine.prefill_base_s + engine.prefill_per_token_s * tokens
            for one in taken:
                waiting.remove(one)
                if one[1][2]:
                    decoding.append([one[0], one[1][1], one[1][2]])
                else:
                    ends[one[0]] = now
        elif decoding:
            now += (
                engine.decode_base_s
                + engine.decode_per_request_s * len(decoding)
                + engine.decode_per_context_token_s * sum(context for _, context, _ in decoding)
            )
            for one in decoding:
                one[1] += 1
                one[2] -= 1
                if not one[2]:
                    ends[one[0]] = now
            decoding = [one for one in decoding if one[2]]
        else:
            now = min(one[1][0] for one in waiting)
    return ends


@settings(max_examples=some(150), deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.integers(0, 1200), st.integers(0, 60)),
        min_size=1,
        max_size=8,
    )
)
def test_continuous_batching_is_what_single_steps_give(calls: list[tuple[float, int, int]]) -> None:
    calls = sorted(calls)
    run = simulate_primitives(
        [Arrival(i, at, call(prompt, output)) for i, (at, prompt, output) in enumerate(calls)],
        {"llm": MODEL},
        FIFO,
    )
    expected = stepwise(MODEL, calls)
    for answer in run.answers:
        assert isinstance(answer.query, int)
        assert answer.answered_s == pytest.approx(expected[answer.query], rel=1e-9)


@settings(max_examples=some(60), deadline=None, phases=[Phase.generate])
@given(graphs(), st.sampled_from(sorted(POLICIES)), st.integers(0, 3))
def test_a_run_repeats_itself(graph: PrimitiveGraph, policy: str, seed: int) -> None:
    arrivals = [Arrival(i, 0.3 * i, graph) for i in range(4)]
    run = simulate_primitives(arrivals, ENGINES, POLICIES[policy], seed=seed, record=True)
    again = simulate_primitives(arrivals, ENGINES, POLICIES[policy], seed=seed, record=True)
    assert run == again


def test_a_chain_alone_takes_the_sum_of_its_parts() -> None:
    graph = call(700, 40)
    run = simulate_primitives([Arrival("q", 2.0, graph)], {"llm": MODEL}, record=True)
    expected = sum(alone_s(node, {"llm": MODEL}) for node in graph.nodes)
    assert run.answers[0].latency_s == pytest.approx(expected, rel=1e-12)
    assert run.busy_s["llm"] == pytest.approx(expected, rel=1e-12)
    assert [span.tasks[0].node for span in run.spans] == [0, 1]


def test_the_published_split_costs_what_is_published_and_hides_the_early_part() -> None:
    """76.03 + 215.89 ms in two parts against 260.36 ms whole (arXiv 2407.00326)."""
    base = 0.07603 + 0.21589 - 0.26036
    per_token = (0.26036 - base) / 1000
    engine = LanguageModelEngine("llm", base, per_token, 0.01)
    early = round((0.07603 - base) / per_token)
    split = PrimitiveGraph(
        (
            Node("ask", "tool", "tool", Work()),
            Node("early", "partial prefilling", "llm", Work(1, early)),
            Node("late", "full prefilling", "llm", Work(1, 1000 - early, 0, early), (0, 1), 1),
        ),
        2,
    )
    engines = {"llm": engine, "tool": BatchEngine("tool", 0.2)}
    run = simulate_primitives([Arrival(0, 0.0, split)], engines, record=True)
    parts = {s.tasks[0].node: s.end_s - s.begin_s for s in run.spans if s.engine == "llm"}
    assert parts[1] == pytest.approx(0.07603, abs=2e-4)
    assert parts[2] == pytest.approx(0.21589, abs=2e-4)
    assert run.answers[0].latency_s == pytest.approx(0.2 + 0.21589, abs=2e-4)
    at_once = {**engines, "tool": BatchEngine("tool", 0.0)}
    whole = simulate_primitives([Arrival(0, 0.0, split)], at_once)
    assert whole.answers[0].latency_s <= 0.07603 + 0.21589 + 1e-9


def test_a_prefix_that_gave_way_is_computed_again_and_costs_that() -> None:
    """Two early parts do not fit together: the younger gives way and is prefilled again."""
    nodes = (
        Node("ask", "tool", "tool", Work()),
        Node("early", "partial prefilling", "llm", Work(1, 600)),
        Node("late", "full prefilling", "llm", Work(1, 100, 0, 600), (0, 1), 1),
    )
    engine = LanguageModelEngine("llm", 0.01, 1e-4, 0.01, kv_tokens=1250)
    engines = {"llm": engine, "tool": BatchEngine("tool", 5.0, slots=2, efficient_batch=1)}
    arrivals = [Arrival(i, 0.1 * i, PrimitiveGraph(nodes, 2)) for i in range(2)]
    run = simulate_primitives(arrivals, engines)
    assert run.evictions == 1
    assert run.recomputed_tokens == 600
    first, second = run.answers
    assert first.latency_s == pytest.approx(5.0 + engine.prefill_s(100))
    assert second.latency_s == pytest.approx(5.0 + engine.prefill_s(700))


def test_a_batch_lingers_for_others_and_no_longer() -> None:
    node = Node("embed", "embedding", "e", Work(1), batchable=True)
    graph = PrimitiveGraph((node,), 0)
    engines = {"e": BatchEngine("e", 1.0, efficient_batch=2)}
    at = (0.0, 0.005, 5.0)
    run = simulate_primitives([Arrival(t, t, graph) for t in at], engines, THROUGHPUT)
    assert [a.answered_s for a in run.answers] == pytest.approx([1.005, 1.005, 6.01])
    apart = simulate_primitives([Arrival(t, t, graph) for t in at], engines,
                                Policy("apart", "ready", False, mixes=False))  # fmt: skip
    assert [a.answered_s for a in apart.answers] == pytest.approx([1.0, 2.0, 6.0])


def test_a_client_with_a_window_asks_for_so_many_at_a_time() -> None:
    nodes = tuple(Node(f"p{i}", "prefilling", "llm", Work(1, 100)) for i in range(3))
    end = Node("all", "aggregate", None, after=(0, 1, 2))
    graph = PrimitiveGraph((*nodes, end), 3)
    engines = {"llm": LanguageModelEngine("llm", 1.0, 0.0, 0.0)}
    for window, seconds in ((1, 3.0), (2, 2.0), (None, 1.0)):
        policy = Policy("w", "ready", False, window=window)
        run = simulate_primitives([Arrival(0, 0.0, graph)], engines, policy)
        assert run.answers[0].latency_s == seconds


def test_what_a_condition_says_is_drawn_from_its_odds_whatever_the_policy() -> None:
    nodes = (
        Node("judge", "condition", None),
        Node("search", "tool", "t", Work(), guards=((0, "search"),)),
        Node("answer", "aggregate", None, after=(1,)),
    )
    graph = PrimitiveGraph(nodes, 2, {0: {"search": 0.3, "direct": 0.7}})
    engines = {"t": BatchEngine("t", 1.0, slots=500, efficient_batch=1)}
    arrivals = [Arrival(i, 0.0, graph) for i in range(400)]
    runs = [simulate_primitives(arrivals, engines, p, seed=3) for p in POLICIES.values()]
    said = [answer.labels[0] for answer in runs[0].answers]
    assert all([a.labels[0] for a in run.answers] == said for run in runs)
    assert 80 < said.count("search") < 160
    for answer in runs[0].answers:
        assert (answer.latency_s > 0) == (answer.labels[0] == "search")
