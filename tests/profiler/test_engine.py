"""The engine on a virtual clock: rates, repeats, what a chooser sees, and budgets ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.configuration import Configuration
from flowir.dialects import flow
from flowir.profile.calls import PROFILE, Call, CallStore, Key
from flowir.profile.prices import Price, Prices
from flowir.profiler.budgets import ignored_budgets
from flowir.profiler.caller import Caller
from flowir.profiler.engine import Engine, Grid, Outcome, Situation
from flowir.profiler.judging import Reader
from flowir.profiler.lanes import Lane
from flowir.profiler.limits import Limits
from flowir.profiler.planning import grid
from flowir.profiler.requests import Example, Request, request
from flowir.runtime.llm import CallError, Completion, Message, Usage
from flowir.sim import clock

Answer = Callable[[str, int], Completion]
EXAMPLES = [Example("a", f"q{n}", (("user", f"{n}"),), "x") for n in range(12)]
READERS = {"a": Reader("a", "text", flow.TextType(), (), None)}


class Models:
    """Answers after a second; keeps when each request began, and how many were open."""

    def __init__(self, answer: Callable[[str, int], str] = lambda text, before: "x") -> None:
        self.answer = answer
        self.times: list[tuple[float, str, str]] = []
        self.open = self.most = 0

    async def llm(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        text = messages[-1]["content"]
        before = sum(1 for _, _, other in self.times if other == text)
        self.times.append((asyncio.get_running_loop().time(), model, text))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await asyncio.sleep(1)
        finally:
            self.open -= 1
        return Completion(self.answer(text, before), Usage(5, 10), None, model)


def run(
    folder: Path,
    models: Models,
    requests: Sequence[Request],
    *,
    choose: Callable[[Situation], Sequence[Request]] | None = None,
    limits: Limits | None = None,
    **lane: Any,
) -> tuple[Outcome, dict[Key, Call]]:
    lanes = {one.model: Lane(one.model, **lane) for one in requests}
    prices = limits.prices if limits else Prices()
    with CallStore(folder / "p.sqlite") as store:
        caller = Caller(models.llm, store, lanes, limits or Limits(), prices)
        engine = Engine(caller, READERS)
        outcome = clock.run(engine.run(choose or Grid(requests)))
        return outcome, dict(store.calls)


def requests_of(*models: str, repeats: int = 1) -> list[Request]:
    return grid({"a": EXAMPLES}, {"a": [Configuration(m) for m in models]}, repeats)


def test_a_model_is_tried_with_one_request_and_then_kept_busy(tmp_path: Path) -> None:
    models = Models()
    run(tmp_path, models, requests_of("m"), concurrency=4)
    assert [time for time, _, _ in models.times] == [0, *[1] * 4, *[2] * 4, *[3] * 3]
    assert models.most == 4


def test_a_rate_spaces_requests_evenly(tmp_path: Path) -> None:
    models = Models()
    run(tmp_path, models, requests_of("m"), concurrency=50, per_minute=120)
    times = [time for time, _, _ in models.times]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) == pytest.approx(0.5)
    assert times[-1] == pytest.approx(1 + 0.5 * 10)


def test_a_pause_asked_for_holds_for_every_request_of_the_model(tmp_path: Path) -> None:
    def answer(text: str, before: int) -> str:
        if text == "3" and not before:
            raise CallError("slow down", transient=True, retry_after_s=30)
        return "x"

    models = Models(answer)
    outcome, calls = run(tmp_path, models, requests_of("m", "n"), concurrency=2)
    refused = next(time for time, _, text in models.times if text == "3") + 1
    again = [time for time, model, text in models.times if time > refused]
    of_m = [t for t, model, text in models.times if t > refused and model == models_of(models)]
    assert outcome.failed == 0
    assert len(calls) == 24
    assert min(of_m) >= refused + 30
    assert min(again) < refused + 30


def models_of(models: Models) -> str:
    """Which model was refused."""
    return next(model for _, model, text in models.times if text == "3")


def test_a_chooser_decides_what_comes_next_and_sees_what_has_ended(tmp_path: Path) -> None:
    """Ask each query until three draws of it have ended: no grid says that."""
    configuration = Configuration("m")
    seen: list[int] = []

    def choose(situation: Situation) -> list[Request]:
        seen.append(len(situation.calls))
        assert not situation.open & situation.calls.keys()
        drawn = {example.query: 0 for example in EXAMPLES[:2]}
        for key in [*situation.calls, *situation.open]:
            drawn[key.query] += 1
        wanted = [
            request(example, configuration, drawn[example.query])
            for example in EXAMPLES[:2]
            if drawn[example.query] < 3
        ]
        return wanted[: situation.room.get("m", 0)]

    models = Models()
    requests = [request(example, configuration) for example in EXAMPLES[:2]]
    _, calls = run(tmp_path, models, requests, choose=choose, concurrency=2)
    assert sorted((key.query, key.repetition) for key in calls) == [
        (query, draw) for query in ("q0", "q1") for draw in range(3)
    ]
    assert seen == sorted(seen)


@given(st.integers(0, 40), st.floats(0, 300), st.integers(1, 6))
def test_limits_hold_whatever_they_are(
    tmp_path_factory: pytest.TempPathFactory, most: int, dollars: float, concurrency: int
) -> None:
    """Calls of 15 tokens at a dollar each, of which 10 are the output limit."""
    prices = Prices({"m": Price(1e6, 1e6)})
    limits = Limits(prices, most, dollars)
    configuration = Configuration("m", params=(("max_tokens", 10),))
    requests = grid({"a": EXAMPLES}, {"a": [configuration]}, 1)
    models = Models()
    folder = tmp_path_factory.mktemp("limits")
    _, calls = run(folder, models, requests, limits=limits, concurrency=concurrency)
    spent = sum(call.cost_usd or 0 for call in calls.values())
    assert len(models.times) == len(calls) <= most
    assert spent == limits.spent_usd == 15 * len(calls) <= dollars
    assert limits.set_aside_usd == pytest.approx(0)
    assert bool(limits.reached) == (len(calls) < 12)


def calls_of(budget: int | str, tokens: Sequence[int]) -> list[Call]:
    configuration = Configuration("m", budget)
    return [
        Call(Key(PROFILE, "a", configuration, str(n)), (), "", "m", 1.0, None, 5, written, None)
        for n, written in enumerate(tokens)
    ]


def test_budgets_that_are_heeded_are_not_reported() -> None:
    low = calls_of(100, [60 + n for n in range(20)])
    high = calls_of(1000, [300 + 30 * n for n in range(20)])
    assert ignored_budgets([*low, *high]) == []
    assert ignored_budgets([*calls_of("low", range(1, 4)), *calls_of("high", range(1, 4))]) == []


def test_budgets_without_effect_are_reported() -> None:
    noise = [(37 * n) % 11 for n in range(20)]
    low = calls_of("low", [500 + n for n in noise])
    high = calls_of("high", [500 + (n * 7) % 11 for n in noise])
    (said,) = ignored_budgets([*low, *high])
    assert "with high it wrote more than with low in" in said


def test_budgets_that_are_exceeded_are_reported() -> None:
    (said,) = ignored_budgets(calls_of(50, [20, *[900] * 19]))
    assert "19 of 20 calls with 50 tokens" in said
