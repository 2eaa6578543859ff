"""Realised runs: against exact averages, and the laws of common random numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flowir.calculus import lookup
from flowir.calculus.expectation import expect
from flowir.calculus.realised import Realisation, realise
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Block,
    Branch,
    Case,
    Checker,
    Fallback,
    First,
    Join,
    Term,
    Vote,
    Workflow,
    walk,
)
from flowir.errors import CalculusError
from tests.budget import some
from tests.calculus.oracle import Tied, TooManyRuns, enumerate_workflow
from tests.calculus.samples import call, call_model, point, workflow
from tests.calculus.strategies import scenarios_for, settings_batches, workflows

MANY = 20_000


def columns(realised: Realisation) -> np.ndarray:
    """[4, B, S]"""
    r = realised
    return np.stack([r.right, r.calls, r.cost, r.latency])


def repeated(scenarios: Scenarios, times: int) -> Scenarios:
    """One scenario again and again: what differs between the runs is chance alone."""

    def again(model: object) -> object:
        arrays = {
            name: np.repeat(value, times, axis=-1)
            for name, value in vars(model).items()
            if isinstance(value, np.ndarray) and name != "input_price"
        }
        labels = getattr(model, "labels", None)
        if labels is not None:
            arrays["labels"] = {label: np.repeat(p, times, axis=-1) for label, p in labels.items()}
        return replace(model, **arrays)  # type: ignore[type-var]

    return Scenarios(
        1,
        times,
        tuple(map(again, scenarios.calls)),  # type: ignore[arg-type]
        {name: again(checker) for name, checker in scenarios.checkers.items()},  # type: ignore
    )


def same_mean(sample: np.ndarray, exact: float) -> bool:
    """Within five standard errors; what is rarer than one run in 2,000 may not show at all."""
    error = sample.std() / np.sqrt(sample.size)
    return abs(sample.mean() - exact) <= 5 * error + 1e-9 + 2.5e-3 * max(1.0, abs(exact))


@settings(max_examples=some(40))
@given(workflows(events=24), scenarios_for(noise=True), settings_batches(1), st.integers(0, 99))
def test_means_converge_to_expectations(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray, seed: int
) -> None:
    exact = expect(random, setting, scenarios, "sequential")
    runs = realise(random, setting, repeated(scenarios, MANY), "sequential", seed)
    assert same_mean(runs.right, exact.success.item())
    assert same_mean(runs.calls, exact.calls.item())
    assert same_mean(runs.cost, exact.cost.item())
    assert same_mean(runs.latency, exact.latency.item())


@settings(max_examples=some(40))
@given(workflows(quorums=False), scenarios_for(), settings_batches(1), st.integers(0, 99))
def test_latency_under_a_maximum_converges_to_its_enumeration(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray, seed: int
) -> None:
    try:
        exact = enumerate_workflow(random, setting[0], scenarios, 0, limit=2500)
    except TooManyRuns:
        assume(False)
    runs = realise(random, setting, repeated(scenarios, MANY), "asyncio", seed)
    assert same_mean(runs.right, exact.success)
    assert same_mean(runs.latency, exact.asyncio)


@settings(max_examples=some(40))
@given(
    workflows(quorums=False, firsts=True), scenarios_for(), settings_batches(1), st.integers(0, 99)
)
def test_races_converge_to_their_enumeration(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray, seed: int
) -> None:
    """Also where the time that a lane takes varies from run to run."""
    assume(any(isinstance(term, First) for term in walk(random.body)))
    try:
        exact = enumerate_workflow(random, setting[0], scenarios, 0, limit=2500)
    except (TooManyRuns, Tied):
        assume(False)
    runs = realise(random, setting, repeated(scenarios, MANY), "asyncio", seed)
    assert same_mean(runs.right, exact.success)
    assert same_mean(runs.calls, exact.calls)
    assert same_mean(runs.cost, exact.cost)
    assert same_mean(runs.latency, exact.asyncio)


@settings(max_examples=some(40))
@given(
    workflows(events=30),
    scenarios_for(draws=2, queries=3, noise=True),
    settings_batches(12),
    st.sampled_from(["asyncio", "sequential"]),
)
def test_a_row_is_the_same_in_any_batch(
    random: Workflow, scenarios: Scenarios, batch: np.ndarray, execution: str
) -> None:
    whole = columns(realise(random, batch, scenarios, execution, 7))  # type: ignore[arg-type]
    for b in range(len(batch)):
        row = columns(realise(random, batch[[b]], scenarios, execution, 7))  # type: ignore
        np.testing.assert_allclose(whole[:, [b]], row, rtol=1e-12)


def test_a_row_is_the_same_however_the_work_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    noisy = replace(call_model(rng.random((4, 300))), latency_scale=np.full((4, 300), 0.4))
    terms = [call(1, 0), call(2, 0), call(3, 1, 2), Vote((1, 2, 3), 4)]
    batch = rng.integers(0, 4, (50, 1))
    whole = columns(realise(workflow(terms), batch, point([noisy])))
    monkeypatch.setattr(lookup, "CELLS", 64)
    monkeypatch.setattr(lookup, "MIN_WINDOW", 7)
    np.testing.assert_array_equal(columns(realise(workflow(terms), batch, point([noisy]))), whole)


def test_a_seed_gives_the_same_runs_and_another_seed_others() -> None:
    sample = workflow([call(1, 0), call(2, 1)])
    scenarios = repeated(point([call_model(0.5)]), 500)
    first, again, other = (realise(sample, [[0]], scenarios, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(columns(first), columns(again))
    assert (first.right != other.right).any()


def test_a_better_configuration_is_right_wherever_a_worse_one_is() -> None:
    """Settings are compared under the same chances, so differences are not noise."""
    models = call_model([[0.3], [0.6], [0.9]])
    wide = realise(workflow([call(1, 0)]), [[0], [1], [2]], repeated(point([models]), 1000)).right
    assert (np.diff(wide, axis=0) >= 0).all()
    assert wide.mean(axis=1) == pytest.approx([0.3, 0.6, 0.9], abs=0.06)


def test_two_calls_of_one_configuration_are_two_draws() -> None:
    terms: list[Term] = [call(1), call(2), Join("all", (1, 2), 3)]
    runs = realise(workflow(terms), [[0]], repeated(point([call_model(0.5)]), MANY))
    assert same_mean(runs.right, 0.25)


def test_attempts_are_draws_of_their_own() -> None:
    tier = Block((call(1, 0),), 1)
    retry = workflow([Fallback("f", Checker("tests", "check"), (tier,) * 3, 2)])
    scenarios = repeated(point([call_model(0.5)], tests=(1.0, 0.0)), MANY)
    runs = realise(retry, [[0]], scenarios)
    assert same_mean(runs.right, 1 - 0.5**3)
    # Until the first right answer: 1, 2 or 3 calls of one second each.
    assert set(np.unique(runs.calls)) == {1.0, 2.0, 3.0}
    np.testing.assert_allclose(runs.latency, runs.calls)


def test_what_is_not_executed_takes_nothing() -> None:
    cheap, dear = call_model(1.0), call_model(1.0, seconds=100.0, cost=np.nan)
    cases = (
        Case("easy", Block((call(1, by=0),), 1), 1.0),
        Case("hard", Block((call(2, by=1),), 2), 0.0),
    )
    tiers = (Block((call(4, by=0),), 4), Block((call(5, by=1),), 5))
    terms = [
        Branch("b", 0, cases, 3),
        Fallback("f", Checker("tests", "check"), tiers, 6),
        Join("all", (3, 6), 7),
    ]
    scenarios = repeated(point([cheap, dear], tests=(1.0, 0.0)), 50)
    runs = realise(workflow(terms), [[0, 0]], scenarios)
    assert (runs.right == 1).all()
    np.testing.assert_allclose(runs.calls, 2.0)
    np.testing.assert_allclose(runs.cost, 0.02)
    np.testing.assert_allclose(runs.latency, 1.0)


def test_the_latest_of_three_takes_longer_than_each_on_average() -> None:
    """E max of three log-normals, by quadrature over its distribution Φ³."""
    scale = 0.5
    noisy = replace(call_model([[1.0]]), latency_scale=np.array([[scale]]))
    terms: list[Term] = [call(1), call(2), call(3), Join("all", (1, 2, 3), 4)]
    z = np.linspace(-9, 9, 20_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    below = np.cumsum(density) * (z[1] - z[0])
    latest = (np.exp(scale * z) * 3 * below**2 * density).sum() * (z[1] - z[0])
    runs = realise(workflow(terms), [[0]], repeated(point([noisy]), 50_000))
    error = runs.latency.std() / np.sqrt(runs.latency.size)
    assert runs.latency.mean() == pytest.approx(latest, abs=5 * error)
    expected = expect(workflow(terms), [[0]], point([noisy])).latency.item()
    assert expected == pytest.approx(np.exp(scale**2 / 2))
    assert latest > 1.3 * expected


def test_latency_of_the_parts_is_drawn_where_it_is_summed() -> None:
    noisy = replace(call_model([[1.0]]), latency_scale=np.array([[0.5]]))
    scenarios = repeated(point([noisy]), MANY)
    chain = workflow([call(1, 0), call(2, 1)])
    runs = realise(chain, [[0]], scenarios)
    one = np.exp(0.25) * (np.exp(0.25) - 1)
    assert runs.latency.var() == pytest.approx(2 * one, rel=0.1)
    np.testing.assert_allclose(runs.latency, realise(chain, [[0]], scenarios, "sequential").latency)


def test_a_label_read_twice_is_one_draw() -> None:
    def fork(first: int) -> Term:
        easy, hard = Block((call(first, by=1),), first), Block((call(first + 1, by=2),), first + 1)
        return Branch(f"b{first}", 1, (Case("easy", easy, 0.5), Case("hard", hard, 0.5)), first + 2)

    terms = [call(1, 0), fork(2), fork(5), Join("all", (4, 7), 8)]
    models = [call_model(1.0), call_model(1.0), call_model(0.0)]
    runs = realise(workflow(terms), [[0, 0, 0]], repeated(point(models), MANY))
    assert same_mean(runs.right, 0.5)


def test_a_checker_without_rates_is_an_error_here_too() -> None:
    tier = Block((call(1, 0),), 1)
    retry = workflow([Fallback("f", Checker("tests", "check"), (tier, tier), 2)])
    with pytest.raises(CalculusError, match="@tests"):
        realise(retry, [[0]], point([call_model(0.5)]))
