"""What a language model is asked for: early prefills, joined prefills, prefixes kept and lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowir.engines.engine import BatchEngine, LanguageModelEngine
from flowir.errors import SchedulingError
from flowir.prim.graph import Node, PrimitiveGraph, Work
from flowir.scheduling.policies import EARLY_WHEN_IDLE, OLDEST_FIRST, Policy
from flowir.scheduling.scheduler import Scheduler
from flowir.scheduling.work import Batch, Request, Task

MODEL = LanguageModelEngine("llm", 0.03, 7e-5, 0.014, slots=4, kv_tokens=2000)
ENGINES = {"llm": MODEL, "search": BatchEngine("search", 1.0)}

SPLIT = PrimitiveGraph(
    (
        Node("search", "searching", "search", Work()),
        Node("early", "partial prefilling", "llm", Work(1, 300)),
        Node("late", "full prefilling", "llm", Work(1, 100, 0, 300), (0, 1), 1),
        Node("answer", "decoding", "llm", Work(1, 0, 20, 400), (2,), 2),
    ),
    3,
)
CALL = PrimitiveGraph((Node("prompt", "prefilling", "llm", Work(1, 100)),), 0)


def requests(scheduler: Scheduler, now: float) -> list[tuple[tuple[int, ...], float]]:
    """Nodes and recomputed tokens of the requests that start."""
    return [
        (tuple(task.node for task in work.tasks), work.recompute_tokens)
        for work in scheduler.starts(now)
        if isinstance(work, Request)
    ]


def found(scheduler: Scheduler, now: float) -> tuple[list[Batch], list[Request]]:
    started = scheduler.starts(now)
    return (
        [work for work in started if isinstance(work, Batch)],
        [work for work in started if isinstance(work, Request)],
    )


def test_an_early_prefill_runs_at_once_on_an_idle_model_and_its_prefix_is_used() -> None:
    scheduler = Scheduler(ENGINES, EARLY_WHEN_IDLE)
    scheduler.arrive("q", SPLIT, 0.0)
    (batch,), (early,) = found(scheduler, 0.0)
    assert early.tasks == (Task("q", 1),)
    assert scheduler.load("llm") == (1, 300)
    scheduler.done(Task("q", 1), 0.1)
    assert scheduler.load("llm") == (0, 300)  # kept
    scheduler.batch_done(batch, 1.0)
    assert requests(scheduler, 1.0) == [((2, 3), 0.0)]
    assert scheduler.load("llm") == (1, 420)


def test_on_a_busy_model_it_waits_and_is_one_prefill_with_what_continues_it() -> None:
    scheduler = Scheduler(ENGINES, EARLY_WHEN_IDLE)
    scheduler.arrive("other", CALL, 0.0)
    scheduler.arrive("q", SPLIT, 0.0)
    (batch,), (other,) = found(scheduler, 0.0)
    assert other.tasks == (Task("other", 0),)
    scheduler.batch_done(batch, 1.0)  # the model is still busy: not idle, but needed now
    assert requests(scheduler, 1.0) == [((1, 2, 3), 0.0)]
    at_once = Scheduler(ENGINES, OLDEST_FIRST)
    at_once.arrive("other", CALL, 0.0)
    at_once.arrive("q", SPLIT, 0.0)
    assert [nodes for nodes, _ in requests(at_once, 0.0)] == [(0,), (1,)]


def test_when_the_model_becomes_idle_it_runs_though_nothing_needs_it_yet() -> None:
    scheduler = Scheduler(ENGINES, EARLY_WHEN_IDLE)
    scheduler.arrive("other", CALL, 0.0)
    scheduler.arrive("q", SPLIT, 0.0)
    scheduler.starts(0.0)
    scheduler.done(Task("other", 0), 0.5)
    assert requests(scheduler, 0.5) == [((1,), 0.0)]


def test_an_early_prefill_whose_continuations_are_all_skipped_still_ends_its_query() -> None:
    graph = PrimitiveGraph(
        (
            Node("judge", "condition", None),
            Node("early", "partial prefilling", "llm", Work(1, 300)),
            Node("late", "full prefilling", "llm", Work(1, 9, 0, 300), (1,), 1, ((0, "yes"),)),
            Node("end", "aggregate", None, after=(2,)),
        ),
        3,
        {0: {"yes": 0.5, "no": 0.5}},
    )
    scheduler = Scheduler(ENGINES, EARLY_WHEN_IDLE)
    scheduler.arrive("busy", CALL, 0.0)
    scheduler.starts(0.0)
    scheduler.arrive("q", graph, 0.0)
    assert scheduler.immediate() == [Task("q", 0)]
    said = scheduler.done(Task("q", 0), 0.1, "no")
    assert requests(scheduler, 0.1) == [((1,), 0.0)]
    assert not said.skipped  # it waits for the early prefill first
    over = scheduler.done(Task("q", 1), 0.2)
    assert over.skipped == [Task("q", 2)]
    assert scheduler.immediate() == [Task("q", 3)]
    assert scheduler.done(Task("q", 3), 0.2).ended == ["q"]
    assert scheduler.load("llm") == (1, 100)


def test_without_a_prefix_cache_everything_is_prefilled_again() -> None:
    engines = {**ENGINES, "llm": replace(MODEL, prefix_cache=False)}
    scheduler = Scheduler(engines, EARLY_WHEN_IDLE)
    scheduler.arrive("q", SPLIT, 0.0)
    (batch,), _ = found(scheduler, 0.0)
    scheduler.done(Task("q", 1), 0.1)
    assert scheduler.load("llm") == (0, 0)
    scheduler.batch_done(batch, 1.0)
    assert requests(scheduler, 1.0) == [((2, 3), 300)]


def test_a_fork_of_a_prefix_shares_it_until_the_last() -> None:
    graph = PrimitiveGraph(
        (
            Node("shared", "prefilling", "llm", Work(1, 300)),
            Node("one", "decoding", "llm", Work(1, 0, 20, 300), (0,), 0),
            Node("two", "decoding", "llm", Work(1, 0, 20, 300), (0,), 0),
        ),
        2,
    )
    scheduler = Scheduler(ENGINES, EARLY_WHEN_IDLE)
    scheduler.arrive("q", graph, 0.0)
    assert requests(scheduler, 0.0) == [((0,), 0.0)]
    scheduler.done(Task("q", 0), 0.1)
    assert requests(scheduler, 0.1) == [((1,), 0.0), ((2,), 0.0)]
    scheduler.done(Task("q", 1), 0.2)
    assert scheduler.done(Task("q", 2), 0.3).ended == ["q"]
    assert scheduler.load("llm") == (0, 0)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (Node("n", "embedding", "embbed", Work()), "engine 'embbed', which is not there"),
        (Node("n", "embedding", "llm", Work()), "cannot run on a language model"),
        (Node("n", "decoding", "search", Work()), "needs a language model"),
        (Node("n", "prefilling", "llm", Work(1, 3000)), "needs 3000 tokens of KV cache"),
        (Node("n", "searching", "search", Work(0)), "has 0 items"),
    ],
)
def test_a_graph_that_no_engine_can_run_is_refused_and_leaves_nothing(
    node: Node, said: str
) -> None:
    scheduler = Scheduler(ENGINES, EARLY_WHEN_IDLE)
    with pytest.raises(SchedulingError, match=said):
        scheduler.arrive("q", PrimitiveGraph((node,), 0), 0.0)
    assert scheduler.queries == []
    assert scheduler.starts(0.0) == []


def test_reports_of_what_was_never_started_are_refused() -> None:
    scheduler = Scheduler(ENGINES, EARLY_WHEN_IDLE)
    scheduler.arrive("q", CALL, 0.0)
    with pytest.raises(SchedulingError, match="give each its own name"):
        scheduler.arrive("q", CALL, 0.0)
    with pytest.raises(SchedulingError, match="was not running"):
        scheduler.done(Task("q", 0), 0.0)
    with pytest.raises(SchedulingError, match="was not running"):
        scheduler.batch_done(Batch("search", "searching", (), 1, 0.0), 0.0)
    graph = PrimitiveGraph((Node("c", "condition", None),), 0, {0: {"yes": 1.0}})
    scheduler.arrive("r", graph, 0.0)
    scheduler.immediate()
    with pytest.raises(SchedulingError, match="condition c gave 'no'; it has 'yes'"):
        scheduler.done(Task("r", 0), 0.0, "no")
    assert scheduler.done(Task("r", 0), 0.0, "yes").ended == ["r"]


@pytest.mark.parametrize(
    "wrong", [{"rounds": True, "by_query": False}, {"linger_s": -1.0}, {"window": 0}]
)
def test_policies_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="policy p"):
        Policy("p", **wrong)  # type: ignore[arg-type]
