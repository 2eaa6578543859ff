"""What holds of every scheduler, on loads of every kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from flowir.engines.engine import LanguageModelEngine
from flowir.errors import ServingError
from flowir.serving.beam import BeamThroughput
from flowir.serving.forecast import EndpointView, candidate, delay_cost, dollars, finish_time
from flowir.serving.per_input import PerInput
from flowir.serving.requests import (
    Choice,
    EngineLoad,
    Placement,
    ReadyCall,
    ServedRequest,
    ServedWorkflow,
    Stage,
)
from flowir.serving.rounds import Round, done_of
from flowir.serving.scheduler import StageScheduler
from flowir.serving.sets import ConfigurationSet
from flowir.serving.stagewise import StageWise
from flowir.serving.static import StaticPoint
from flowir.sim.serving.clusters import cluster
from flowir.sim.serving.simulate import Conditions, SpeedChange, simulate
from flowir.sim.serving.workload import (
    MIX,
    VOTING,
    WORKFLOWS,
    Arrival,
    arrivals,
    look_alike,
    poisson,
)

STATIC = {w.name: dict.fromkeys(w.names, 2) for w in WORKFLOWS}
MAKE: dict[str, Callable[[], StageScheduler]] = {
    "static": lambda: StaticPoint(STATIC),
    "cheapest": lambda: PerInput(dollars),
    "aware": lambda: PerInput(delay_cost),
    "late": lambda: PerInput(delay_cost, late=True),
    "greedy": lambda: BeamThroughput(1),
    "beam": lambda: BeamThroughput(4),
    "finish": lambda: StageWise(finish_time),
    "dollars": lambda: StageWise(dollars),
    "delay": lambda: StageWise(delay_cost),
}
TRACE = look_alike(2000)


def load(requests: int = 60, rate: float = 6.0, seed: int = 1, **changes: object) -> list[Arrival]:
    rng = np.random.default_rng(seed)
    settings = replace(MIX, **changes)  # type: ignore[arg-type]
    return arrivals(settings, poisson(requests, rate, rng), TRACE, rng)


class Watched:
    """A scheduler whose placements are checked as they are made."""

    def __init__(self, inner: StageScheduler, sets: bool) -> None:
        self.inner = inner
        self.sets = sets
        self.placed: Counter[tuple[str, str, int]] = Counter()
        self.choices: dict[tuple[str, str], int] = {}

    def place(
        self, ready: Sequence[ReadyCall], loads: Sequence[EngineLoad], now: float
    ) -> list[Placement]:
        before = {call.request.id: call.request.open for call in ready}
        free = {load.endpoint: load.free for load in loads}
        serves = {load.endpoint: load.model for load in loads}
        found = self.inner.place(ready, loads, now)
        for placement in found:
            call, request = placement.call, placement.request
            assert call in ready
            self.placed[call.key] += 1
            free[placement.endpoint] -= 1
            level = request.workflow.level[placement.stage]
            chosen = request.workflow.stages[level].choices[placement.choice]
            assert serves[placement.endpoint] == chosen.model
            if self.sets:
                assert placement.choice in before[request.id].open(placement.stage)
                assert request.open.open(placement.stage) == (placement.choice,)
            # All calls of a stage are made with one choice.
            key = (request.id, placement.stage)
            assert self.choices.setdefault(key, placement.choice) == placement.choice
        assert min(free.values()) >= 0
        return found

    def forget(self, request: ServedRequest) -> None:
        self.inner.forget(request)


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("rate", [2.0, 30.0])
def test_every_call_is_placed_once_and_every_request_ends(name: str, rate: float) -> None:
    came = load(rate=rate)
    watched = Watched(MAKE[name](), sets=name != "static")
    served = simulate(came, cluster((1, 1, 1)), watched)
    calls = sum(len(calls) for arrival in came for calls in arrival.tokens)
    assert sum(watched.placed.values()) == calls
    assert max(watched.placed.values()) == 1
    assert np.isfinite(served.ended).all()
    assert (served.latency > 0).all()
    assert served.kept.all()
    slots = {replica.endpoint: replica.engine.slots for replica in cluster((1, 1, 1))}
    assert all(most <= slots[endpoint] for endpoint, most in served.most_active.items())


@pytest.mark.parametrize("name", ["aware", "beam", "delay"])
def test_the_same_load_is_served_the_same(name: str) -> None:
    one, other = (simulate(load(), cluster((1, 1, 2)), MAKE[name]()) for _ in range(2))
    assert np.array_equal(one.ended, other.ended)


@pytest.mark.parametrize("name", ["aware", "late", "delay"])
def test_bad_information_loses_no_request(name: str) -> None:
    changes = (SpeedChange(3.0, "8b/0", 4.0), SpeedChange(6.0, "8b/0", 1.0))
    stale = Conditions(refresh_s=2.0, changes=changes)
    served = simulate(load(cautious=0.4, wrong=0.3), cluster((1, 1, 1)), MAKE[name](), stale)
    assert np.isfinite(served.ended).all()
    assert 0.5 < served.kept.mean() < 1.0


def test_a_request_that_needs_the_large_model_does_not_starve() -> None:
    """A flood of flexible requests at four times what the cluster bears comes after it."""
    came = load(200, rate=30.0)
    only = [(2,) * len(came[20].workflow.stages)]
    needy = ConfigurationSet.of(came[20].workflow.names, only)
    came[20] = replace(came[20], routed=needy, keeps=needy)
    served = simulate(came, cluster((1, 1, 1)), MAKE["delay"]())
    assert served.ended[20] < np.median(served.ended)


def test_voters_share_one_set() -> None:
    """Of four voters one may be weak: the second weak one is closed once the first is placed."""
    rows = [row for row in VOTING.every() if sum(choice == 0 for choice in row[:4]) <= 1]
    kept = ConfigurationSet.of(VOTING.names, rows)
    request = ServedRequest("r", 0, VOTING, kept, 0.0)
    ready = [ReadyCall(request, name, 1000.0, 0.0) for name in VOTING.names[:4]]
    loads = [replica.load() for replica in cluster((1, 1, 1))]
    placed = StageWise(dollars).place(ready, loads, 0.0)
    assert [placement.choice for placement in placed].count(0) == 1
    assert len(placed) == 4


# One call, chosen by hand.

FAST = LanguageModelEngine("fast", 0.0, 1e-5, 0.01, 1e-4, slots=4)
SLOW = LanguageModelEngine("slow", 0.0, 1e-4, 0.03, 1e-4, slots=4)
ONE = ServedWorkflow(
    "one",
    (
        Stage("a", (Choice("fast", 100, 0.01), Choice("slow", 100, 0.001)), (), 1000.0),
        Stage("b", (Choice("fast", 100, 0.01), Choice("slow", 100, 0.001)), ("a",), 1000.0),
    ),
)


def request(number: int, **changes: object) -> ServedRequest:
    return ServedRequest(str(number), number, ONE, ONE.every(), 0.0, **changes)  # type: ignore[arg-type]


def seen(fast: int, slow: int) -> list[EngineLoad]:
    return [
        EngineLoad("f", "fast", FAST, decoding=fast, context_tokens=1000.0 * fast),
        EngineLoad("s", "slow", SLOW, decoding=slow, context_tokens=1000.0 * slow),
    ]


def placed(scheduler: StageScheduler, calls: list[ReadyCall], loads: list[EngineLoad]) -> list[str]:
    return [placement.endpoint for placement in scheduler.place(calls, loads, 0.0)]


def test_an_idle_cluster_takes_what_ends_first() -> None:
    call = ReadyCall(request(0), "a", 1000.0, 0.0)
    assert placed(StageWise(), [call], seen(0, 0)) == ["f"]
    assert call.request.chosen == {"a": 0}
    assert len(call.request.open) == 2


def test_dollars_take_the_cheapest_even_if_it_has_to_wait() -> None:
    call = ReadyCall(request(0), "a", 1000.0, 0.0)
    assert placed(StageWise(dollars), [call], seen(0, 0)) == ["s"]
    assert placed(StageWise(dollars), [ReadyCall(request(1), "a", 9.0, 0.0)], seen(0, 4)) == []


def test_a_call_waits_for_the_faster_engine_rather_than_take_a_slower_slot() -> None:
    scheduler = StageWise(finish_time)
    calls = [ReadyCall(request(number), "a", 1000.0, 0.0) for number in range(12)]
    began = placed(scheduler, calls, seen(4, 0))
    # The first wait for a slot that frees soon; as the queue grows the slow engine is as soon.
    assert began
    assert set(began) == {"s"}
    assert calls[0].request.chosen == {}
    rest = [call for call in calls if not call.request.chosen]
    assert placed(scheduler, rest, seen(3, 4)) == ["f"]
    assert rest[0].request.chosen == {"a": 0}


def test_one_that_is_blocked_lets_others_pass() -> None:
    blocked = request(0)
    blocked.open = ConfigurationSet.of(ONE.names, [(1, 1)])
    calls = [ReadyCall(blocked, "a", 1000.0, 0.0), ReadyCall(request(1), "a", 1000.0, 0.0)]
    found = StageWise().place(calls, seen(0, 4), 0.0)
    assert [placement.request.id for placement in found] == ["1"]


def test_a_deadline_is_kept_where_it_can_be() -> None:
    """By dollars the slow engine: unless that is too late, or both are."""
    for deadline, endpoint in ((100.0, "s"), (2.5, "f"), (0.1, "s")):
        call = ReadyCall(request(0, deadline=deadline), "a", 1000.0, 0.0)
        assert placed(StageWise(dollars), [call], seen(0, 0)) == [endpoint]


def test_a_budget_leaves_enough_for_later_stages() -> None:
    """Fast costs ten times as much: both stages fast 0.02, one of them 0.011, none 0.002."""
    for budget, endpoint in ((0.02, "f"), (0.011, "f"), (0.0105, "s"), (0.001, "s")):
        call = ReadyCall(request(0, budget_usd=budget), "a", 1000.0, 0.0)
        assert placed(StageWise(finish_time), [call], seen(0, 0)) == [endpoint]
    spent = request(0, budget_usd=0.011, spent_usd=0.0105)
    spent.choose("a", 0)
    assert placed(StageWise(finish_time), [ReadyCall(spent, "b", 9.0, 0.0)], seen(0, 0)) == ["s"]


def test_a_dead_endpoint_gets_nothing() -> None:
    loads = [replace(seen(0, 0)[0], alive=False), seen(0, 0)[1]]
    for make in (lambda: StageWise(), lambda: BeamThroughput(4), lambda: PerInput(delay_cost)):
        assert placed(make(), [ReadyCall(request(0), "a", 9.0, 0.0)], loads) == ["s"]


def test_what_waits_is_forgotten_with_its_request() -> None:
    scheduler = StageWise()
    calls = [ReadyCall(request(number), "a", 1000.0, 0.0) for number in range(3)]
    assert placed(scheduler, calls, seen(4, 4)) == []
    assert scheduler.round(seen(4, 4)).views["f"].queue == 3
    for call in calls:
        scheduler.forget(call.request)
    assert scheduler.round(seen(4, 4)).views["f"].queue == 0


def test_a_forecast_on_an_idle_engine_is_the_engine_alone() -> None:
    view = EndpointView(seen(0, 0)[0])
    call = candidate(seen(0, 0)[0], 0, 1000.0, 100.0, 0.0)
    exact = FAST.prefill_s(1000) + FAST.decode_s(100, 1000)
    assert view.cost(call, finish_time, 0.0, 0) == pytest.approx(exact)
    assert view.cost(call, delay_cost, 0.0, 0) == pytest.approx(exact)


def test_stages_are_in_topological_order() -> None:
    with pytest.raises(ServingError, match="b comes after a, which is no stage before it"):
        ServedWorkflow("w", (Stage("b", (Choice("m", 1.0),), ("a",)),))


def test_the_rest_is_the_cheapest_configuration_of_stages_that_are_not_done() -> None:
    loads = [replica.load() for replica in cluster((1, 1, 2))]
    seen = Round(loads, delay_cost, {loads[0].endpoint: (7, 3.0)})
    for arrival in load(40, seed=5):
        workflow, rows = arrival.workflow, list(arrival.keeps)
        for chosen in powerset(workflow.names):
            costs = [
                sum(
                    seen.stage(workflow, level, choice)
                    for level, choice in enumerate(row)
                    if workflow.names[level] not in chosen
                )
                for row in rows
            ]
            done = done_of(workflow, chosen)
            assert seen.rest(workflow, arrival.keeps, done) == pytest.approx(min(costs), abs=1e-12)
            best = seen.best(workflow, arrival.keeps, done)
            assert costs[rows.index(best)] == pytest.approx(min(costs), abs=1e-12)


def powerset(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for size in range(len(names) + 1) for some in combinations(names, size)]
