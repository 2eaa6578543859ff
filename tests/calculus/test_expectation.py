"""Expectations against exhaustive enumeration, and the laws of evaluating a batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flowir.calculus.expectation import Expectation, expect
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Alternatives,
    Block,
    Checker,
    Fallback,
    First,
    Map,
    Select,
    ToolCall,
    Workflow,
    walk,
)
from flowir.errors import CalculusError
from tests.budget import some
from tests.calculus.oracle import (
    Tied,
    TooManyRuns,
    enumerate_workflow,
    latency_is_compositional,
    races_are_sure,
)
from tests.calculus.samples import call, call_model, point, workflow
from tests.calculus.strategies import scenarios_for, settings_batches, workflows


def columns(expectation: Expectation) -> np.ndarray:
    """[4, B, S]"""
    e = expectation
    return np.stack([e.success, e.calls, e.cost, e.latency])


@settings(max_examples=some(120))
@given(workflows(), scenarios_for(), settings_batches(1))
def test_expectation_is_the_average_over_all_outcome_patterns(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray
) -> None:
    try:
        exact = enumerate_workflow(random, setting[0], scenarios, 0, limit=2500)
    except TooManyRuns:
        assume(False)
    together = expect(random, setting, scenarios, "asyncio")
    one_by_one = expect(random, setting, scenarios, "sequential")
    for found in (together, one_by_one):
        assert found.success[0, 0] == pytest.approx(exact.success, abs=1e-9)
        assert found.calls[0, 0] == pytest.approx(exact.calls, abs=1e-9)
        assert found.cost[0, 0] == pytest.approx(exact.cost, abs=1e-9)
    assert one_by_one.latency[0, 0] == pytest.approx(exact.sequential, abs=1e-9)
    if latency_is_compositional(random.body):
        assert together.latency[0, 0] == pytest.approx(exact.asyncio, abs=1e-9)


@settings(max_examples=some(40))
@given(workflows(events=8, depth=1, firsts=True), scenarios_for(), settings_batches(1))
def test_races_are_the_average_over_all_outcome_patterns(
    random: Workflow, scenarios: Scenarios, setting: np.ndarray
) -> None:
    """In turn always; by finishing order where no lane takes a time that varies."""
    assume(any(isinstance(term, First) for term in walk(random.body)))
    try:
        in_turn = enumerate_workflow(random, setting[0], scenarios, 0, limit=600, in_turn=True)
        raced = enumerate_workflow(random, setting[0], scenarios, 0, limit=600)
    except (TooManyRuns, Tied):
        assume(False)
    found = columns(expect(random, setting, scenarios, "sequential"))[:, 0, 0]
    expected = [in_turn.success, in_turn.calls, in_turn.cost, in_turn.sequential]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    if races_are_sure(random.body):
        found = columns(expect(random, setting, scenarios, "asyncio"))[:, 0, 0]
        expected = [raced.success, raced.calls, raced.cost, raced.asyncio]
        known = 4 if latency_is_compositional(random.body) else 3
        np.testing.assert_allclose(found[:known], expected[:known], rtol=1e-6, atol=1e-9)


@settings(max_examples=some(60))
@given(
    workflows(events=30),
    scenarios_for(draws=2, queries=3, noise=True),
    settings_batches(12),
    st.sampled_from(["asyncio", "sequential"]),
)
def test_a_batch_is_its_rows_and_its_scenarios_one_at_a_time(
    random: Workflow, scenarios: Scenarios, batch: np.ndarray, execution: str
) -> None:
    whole = columns(expect(random, batch, scenarios, execution))  # type: ignore[arg-type]
    for b in range(len(batch)):
        row = columns(expect(random, batch[[b]], scenarios, execution))  # type: ignore[arg-type]
        np.testing.assert_allclose(whole[:, [b]], row, rtol=1e-12, atol=1e-12)
    for s in (0, 5):
        alone = columns(expect(random, batch, only(scenarios, s), execution))  # type: ignore[arg-type]
        np.testing.assert_allclose(whole[:, :, [s]], alone, rtol=1e-12, atol=1e-12)


def only(scenarios: Scenarios, s: int) -> Scenarios:
    """The scenarios of which only the s-th is left."""

    def cut(model: object) -> object:
        arrays = {
            name: value[..., [s]]
            for name, value in vars(model).items()
            if isinstance(value, np.ndarray) and name != "input_price"
        }
        labels = getattr(model, "labels", None)
        if labels is not None:
            arrays["labels"] = {label: p[..., [s]] for label, p in labels.items()}
        return replace(model, **arrays)  # type: ignore[type-var]

    return Scenarios(
        1,
        1,
        tuple(map(cut, scenarios.calls)),  # type: ignore[arg-type]
        {name: cut(checker) for name, checker in scenarios.checkers.items()},  # type: ignore
    )


def test_large_batches_are_worked_on_in_parts() -> None:
    rng = np.random.default_rng(3)
    models = [call_model(rng.random((4, 37)), 1.0 + rng.random((4, 37))) for _ in range(3)]
    pair = workflow([call(1, 0, by=0), call(2, 1, by=1), call(3, 1, 2, by=2)])
    batch = rng.integers(0, 4, (70_000, 3))
    found = expect(pair, batch, point(models), "sequential")
    p = [model.success[batch[:, d]] for d, model in enumerate(models)]
    t = [np.exp(model.log_latency)[batch[:, d]] for d, model in enumerate(models)]
    np.testing.assert_allclose(found.success, p[0] * p[1] * p[2], rtol=1e-12)
    np.testing.assert_allclose(found.latency, sum(t), rtol=1e-12)


def test_columns_of_unused_decisions_are_ignored() -> None:
    models = [call_model([[0.5], [0.25]]), call_model([[0.1]])]
    lone = replace(workflow([call(1, 0)]), decisions=workflow([call(1, 0, by=1)]).decisions)
    found = expect(lone, np.array([[0, -1], [1, 99]]), point(models))
    np.testing.assert_allclose(found.success, [[0.5], [0.25]])


def test_what_the_result_does_not_need_is_paid_for_but_not_waited_for() -> None:
    models = [call_model(0.9, seconds=1.0, cost=1.0), call_model(0.9, seconds=8.0, cost=5.0)]
    dead = workflow([call(1, 0, by=1), call(2, 0, by=0)])
    together = expect(dead, [[0, 0]], point(models), "asyncio")
    assert (together.calls.item(), together.cost.item()) == pytest.approx((2.0, 6.0))
    assert together.latency.item() == pytest.approx(1.0)
    assert expect(dead, [[0, 0]], point(models), "sequential").latency.item() == pytest.approx(9.0)


def test_asyncio_latency_is_the_maximum_of_expectations() -> None:
    """Two retries side by side: each takes 1 + 0.5 s on average, and so does the later of them."""
    tries = [Block((call(10 + i, 0),), 10 + i) for i in range(2)]
    check = Checker("tests", "check")
    both = workflow(
        [
            Fallback("one", check, (tries[0],) * 2, 1),
            Fallback("two", check, (tries[1],) * 2, 2),
            ToolCall("pair", "pair", (1, 2), 3),
        ]
    )
    found = expect(both, [[0]], point([call_model(0.5)], tests=(1.0, 0.0)))
    assert found.latency.item() == pytest.approx(1.5)


def test_a_region_starts_when_all_that_it_reads_is_there() -> None:
    slow, fast = call_model(1.0, seconds=8.0), call_model(1.0, seconds=1.0)
    second = workflow(
        [
            call(1, 0, by=0),
            Fallback(
                "f",
                Checker("tests", "check"),
                (Block((call(2, 0, by=1),), 2), Block((call(3, 1, by=1),), 3)),
                4,
            ),
        ]
    )
    found = expect(second, [[0, 0]], point([slow, fast], tests=(1.0, 0.0)))
    assert found.latency.item() == pytest.approx(9.0)


def test_noise_lengthens_the_expected_call() -> None:
    noisy = replace(call_model([[0.5]], seconds=2.0), latency_scale=np.array([[0.8]]))
    found = expect(workflow([call(1, 0)]), [[0]], point([noisy]))
    assert found.latency.item() == pytest.approx(2.0 * np.exp(0.32))


def test_a_selector_reads_what_the_candidates_wrote() -> None:
    writer = call_model(0.5, cost=1.0, output_tokens=np.array([[30.0]]))
    silent = call_model(0.5, cost=1.0, output_tokens=np.array([[np.nan]]))
    chooser = call_model(0.5, cost=2.0, input_price=np.array([0.1]))
    picked = workflow(
        [call(1, 0, by=0), call(2, 0, by=0), call(3, 0, by=1), Select("s", 2, (), (1, 2, 3), 4)]
    )
    found = expect(picked, [[0, 0, 0]], point([writer, silent, chooser]))
    assert found.cost.item() == pytest.approx(3.0 + 2.0 + 0.1 * 60.0)
    unpriced = replace(chooser, input_price=np.array([np.nan]))
    found = expect(picked, [[0, 0, 0]], point([writer, silent, unpriced]))
    assert found.cost.item() == pytest.approx(5.0)


def test_an_unknown_price_makes_the_money_unknown_and_nothing_else() -> None:
    found = expect(workflow([call(1, 0)]), [[0]], point([call_model(0.5, cost=np.nan)]))
    assert np.isnan(found.cost.item())
    assert found.success.item() == pytest.approx(0.5)


def test_alternatives_must_be_chosen_first() -> None:
    cases = (("once", Block((call(1, 0),), 1)), ("twice", Block((call(2, 0),), 2)))
    open_ended = workflow([Alternatives("strategy", cases, 3)])
    with pytest.raises(CalculusError, match=r'"strategy".*specialise'):
        expect(open_ended, np.zeros((1, len(open_ended.decisions)), int), point([call_model(0.5)]))


@pytest.mark.parametrize(
    ("checker", "message"),
    [
        (Checker("tests", "f.check"), r"@tests at site 'f.check'.*`accepts <"),
        (Checker("agent_0", "f.check", 0), r"@agent_0 at site 'f.check'.*observe verdicts"),
    ],
)
def test_a_checker_without_rates_is_named_with_the_mend(checker: Checker, message: str) -> None:
    tier = Block((call(1, 0),), 1)
    retry = workflow([Fallback("f", checker, (tier, tier), 2)])
    with pytest.raises(CalculusError, match=message):
        expect(retry, [[0]], point([call_model(0.5)]))
    once = workflow([Fallback("f", checker, (tier,), 2)])
    assert expect(once, [[0]], point([call_model(0.5)])).success.item() == pytest.approx(0.5)


def test_a_share_of_right_items_is_not_an_event() -> None:
    body = Block((call(2, 1),), 2, (1,))
    share = Map("m", 0, body, 3, 3, 3, mean=True)
    found = expect(workflow([share]), [[0]], point([call_model(0.5)]))
    assert found.success.item() == pytest.approx(0.5)
    with pytest.raises(CalculusError, match=r"site 'm'.*leave `mean` out"):
        expect(workflow([share, call(4, 3)]), [[0]], point([call_model(0.5)]))


@pytest.mark.parametrize("batch", [[0], [[0, 0]], [[1]], [[-1]]])
def test_settings_must_fit_the_decisions(batch: list[object]) -> None:
    with pytest.raises(ValueError, match="settings"):
        expect(workflow([call(1, 0)]), np.array(batch), point([call_model(0.5)]))


def test_an_empty_batch_is_empty() -> None:
    found = expect(workflow([call(1, 0)]), np.empty((0, 1), int), point([call_model([[0.5, 0.2]])]))
    assert found.success.shape == found.latency.shape == (0, 2)
