"""What observations say of a workflow's settings, against products and enumeration by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowir.calculus.from_ir import find_workflow, workflow_terms
from flowir.calculus.scenarios import CallModel, CheckerModel, Scenarios
from flowir.configuration import Configuration
from flowir.profile.observations import Observation, Observations, observations_of
from flowir.profile.prices import Prices
from flowir.serving.compiled import Wanted, read_compiled
from flowir.serving.expectations import Expectations, FirstTokens
from flowir.serving.knowledge import Knowledge, calls_of, informed, without
from tests.serving_fronts import PRICES, TWO_STAGES, Known, write_front
from tests.strategies_ir import parse

QUERIES = ("a", "b", "c", "d")
MODELS = ("small", "large")

POINTS = tuple(
    Known(models, 0.9 - 0.1 * number, 1e-4 * (4 - number))
    for number, models in enumerate(product(reversed(MODELS), repeat=2))
)

TWICE = TWO_STAGES.replace(
    "%end = flow.call @second(%draft) : (!flow.text) -> !flow.text",
    """%end = flow.fallback until @tests(%task : !flow.text) max 2 -> !flow.text {
    %try = flow.call @second(%draft) : (!flow.text) -> !flow.text
    flow.yield %try : !flow.text
  }""",
)
CHECKED = (
    'flow.tool @tests impl "m:f" accepts <right = 1.0, wrong = 0.0, persistence = 0.0>\n' + TWICE
)


@dataclass
class Model:
    """A cost model whose scenarios are given."""

    queries: tuple[str, ...]
    success: np.ndarray
    prompts: Any = None
    asked: list[dict[str, Any]] = field(default_factory=list)

    def scenarios(self, workflow: Any, given: Any, **options: Any) -> Scenarios:
        """`success` [decision, configuration, draw, query], whatever is asked."""
        self.asked.append(options)
        draws, queries = self.success.shape[2:]
        calls = []
        for own in self.success:
            flat = own.reshape(len(own), -1)
            tokens = np.broadcast_to([[10.0], [30.0]], flat.shape)
            cost = np.broadcast_to([[1e-5], [np.nan]], flat.shape)
            zero = np.zeros_like(flat)
            calls.append(CallModel(flat, zero, zero, cost, output_tokens=tokens))
        size = draws * queries
        checkers = {"tests": CheckerModel(np.ones(size), np.zeros(size))}
        return Scenarios(draws, queries, tuple(calls), checkers)


@dataclass
class Observed:
    """As `flowir.search.observed.Observed`, with a model that is given."""

    observations: Observations
    model: Model
    prices: Prices | None = None
    seed: int = 0


def knowledge(folder: Path, text: str, rows: list[Observation], seed: int = 0) -> Knowledge:
    path = write_front(folder / "w.mlir", POINTS, text)
    compiled = read_compiled(path, wanted=Wanted(point=0, routed=True))
    success = np.random.default_rng(seed).random((2, 2, 3, len(QUERIES)))
    return Knowledge(compiled, Observed(observations_of(rows), Model(QUERIES, success)))  # type: ignore[arg-type]


def seen(agent: str, model: str, query: str, correct: float) -> Observation:
    return Observation(agent, Configuration(model), query, correct=correct)


def everything(rng: np.random.Generator) -> list[Observation]:
    """Three calls of each agent and model on each query."""
    return [
        seen(agent, model, query, float(rng.random() < 0.6))._replace(sample=str(number))
        for agent in ("first", "second")
        for model in MODELS
        for query in QUERIES
        for number in range(3)
    ]


def rate(rows: list[Observation], agent: str, model: str, query: str) -> float:
    found = [
        row.correct
        for row in rows
        if (row.agent, row.configuration.model, row.query) == (agent, model, query)
    ]
    return float(np.mean(found))  # type: ignore[arg-type]


def models_of(known: Knowledge) -> list[tuple[str, ...]]:
    return [tuple(one.model for one in row.choices) for row in known.compiled.every]


def test_where_all_was_observed_the_cost_model_has_no_say(tmp_path: Path) -> None:
    rows = everything(np.random.default_rng(1))
    one, other = (knowledge(tmp_path, TWO_STAGES, rows, seed).rightness() for seed in (0, 1))
    known = knowledge(tmp_path, TWO_STAGES, rows)
    assert models_of(known) == list(product(reversed(MODELS), repeat=2))
    expected = [
        [rate(rows, "first", a, q) * rate(rows, "second", b, q) for q in QUERIES]
        for a, b in models_of(known)
    ]
    assert one.values == pytest.approx(np.array(expected), abs=0.02)  # Counts are of 16ths.
    assert one.values == pytest.approx(other.values)
    assert one.observed.tolist() == [1.0] * 4


def test_what_was_not_observed_is_the_posterior_s(tmp_path: Path) -> None:
    rows = [seen("first", model, "a", 1.0) for model in MODELS]
    rows += [seen("second", "large", query, 0.0) for query in QUERIES]
    known = knowledge(tmp_path, TWO_STAGES, rows)
    success = known.observed.model.success  # type: ignore[attr-defined]
    found = known.rightness()
    for row, (first, second) in enumerate(models_of(known)):
        for place, query in enumerate(QUERIES):
            a = np.ones(3) if query == "a" else success[0, MODELS.index(first), :, place]
            b = np.zeros(3) if second == "large" else success[1, 0, :, place]
            assert found.values[row, place] == pytest.approx((a * b).mean())
    assert found.observed.tolist() == [0.75, 0.25, 0.25, 0.25]


def test_an_agent_that_may_be_asked_again_is_the_posterior_s(tmp_path: Path) -> None:
    """With a perfect checker, a second try helps as far as tries differ: one draw cannot tell."""
    rows = everything(np.random.default_rng(2))
    known = knowledge(tmp_path, CHECKED, rows)
    success = known.observed.model.success  # type: ignore[attr-defined]
    found = known.rightness()
    for row, (first, second) in enumerate(models_of(known)):
        own = success[1, MODELS.index(second)]
        twice = (1 - (1 - own) ** 2).mean(axis=0)
        firsts = np.array([rate(rows, "first", first, q) for q in QUERIES])
        assert found.values[row] == pytest.approx(firsts * twice, abs=0.02)
    assert found.observed.tolist() == [0.5] * 4


def test_success_is_the_mean_over_draws_of_the_whole_workflow(tmp_path: Path) -> None:
    known = knowledge(tmp_path, TWO_STAGES, [seen("first", "small", q, 1.0) for q in QUERIES])
    success = known.observed.model.success  # type: ignore[attr-defined]
    places = [[MODELS.index(model) for model in models] for models in models_of(known)]
    expected = [(success[0, a] * success[1, b]).mean(axis=0) for a, b in places]
    assert known.success() == pytest.approx(np.array(expected))
    asked = known.observed.model.asked[-1]  # type: ignore[attr-defined]
    assert (asked["population"], asked["queries"]) == (False, 4)


def test_costs_and_tokens_come_from_the_model(tmp_path: Path) -> None:
    known = knowledge(tmp_path, TWO_STAGES, everything(np.random.default_rng(0)))
    assert known.costs() == [None, None, None, pytest.approx(2e-5)]
    first = known.first_tokens()
    assert first.read == {}
    assert {(stage, one.model): tokens for (stage, one), tokens in first.written.items()} == {
        (stage, model): tokens
        for stage in ("first", "second")
        for model, tokens in (("small", 10.0), ("large", 30.0))
    }
    priced = known.compiled.priced(Prices(PRICES), known.costs())
    assert [row.cost_usd for row in priced.every] == known.costs()
    assert len(priced.rows) == len(known.compiled.rows)


def test_running_means_replace_what_was_first_expected(tmp_path: Path) -> None:
    known = knowledge(tmp_path, TWO_STAGES, everything(np.random.default_rng(0)))
    first = FirstTokens({"first": 100.0}, known.first_tokens().written)
    found = Expectations(known.compiled, first)
    before = {stage.name: stage for stage in found.workflow.stages}
    assert before["first"].input_tokens == 100.0
    assert before["second"].input_tokens == 512.0
    assert [one.output_tokens for one in before["first"].choices] == [30.0, 10.0]
    dear, cheap = (one.usd for one in before["first"].choices)
    assert dear == pytest.approx((10 * 100 + 10 * 30) / 1e6)
    assert cheap == pytest.approx((100 + 10) / 1e6)
    for _ in range(64):
        found.noticed("first", 0, 7, 5)
    after = found.workflow.stages[0]
    assert after.input_tokens == 7.0
    assert [one.output_tokens for one in after.choices] == [5.0, 10.0]


COUNTED = """
flow.tool @tests impl "m:f" accepts <right = 1.0, wrong = 0.0, persistence = 0.0>
flow.agent @x prompt "{task}" space <models = ["m"]>
flow.agent @y prompt "{task}" space <models = ["m"]>
flow.agent @z prompt "{task}" space <models = ["m"]>
flow.agent @picks prompt "{task} {candidates}" space <models = ["m"]>
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.text
  %b = flow.call @x(%task) as "other" : (!flow.text) -> !flow.text
  %best = flow.join select(%a, %b) by @picks(%task : !flow.text)
    : (!flow.text, !flow.text) -> !flow.text
  %kept = flow.fallback until @tests(%task : !flow.text) max 3 -> !flow.text {
    %try = flow.call @y(%best) : (!flow.text) -> !flow.text
    flow.yield %try : !flow.text
  }
  %good = flow.refine(%draft, %why) from %kept : !flow.text max 4 until @tests {
    %next = flow.call @z(%draft) : (!flow.text) -> !flow.text
    flow.yield %next : !flow.text
  }
  flow.return %good : !flow.text
}
"""


def test_how_often_each_agent_is_asked() -> None:
    """Decision groups share their agent's observations, so they count together."""
    terms = workflow_terms(find_workflow(parse(COUNTED)))
    assert dict(calls_of(terms)) == {"x": 2, "picks": 1, "y": 3, "z": 4}


def test_what_is_held_out_is_out() -> None:
    rows = everything(np.random.default_rng(0))
    failed = Observation("first", Configuration("small"), "e", error=True)
    silent = Observation("first", Configuration("small"), "f", latency_s=1.0)
    other = seen("third", "small", "g", 1.0)
    observations = observations_of([*rows, failed, silent, other])
    assert informed(observations, frozenset({"first"})) == set(QUERIES)
    left = without(observations, frozenset({"a", "g"}))
    assert set(left.queries) == {"b", "c", "d", "e", "f"}
    assert len(left) == sum(row.query != "a" for row in rows) + 2
