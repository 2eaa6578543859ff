"""Quantities over a batch against plain arrays with one row per setting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.calculus import rows
from flowir.calculus.diagrams import Axis, Batch, Sheet, axes_of, outcome_of, restrict
from flowir.calculus.diagrams import given as given_outcome
from flowir.calculus.expectation import expect
from flowir.calculus.terms import Join
from tests.calculus.samples import call, call_model, point, workflow

SCENARIOS = 20


def sheet(batch: Batch, decision: int, table: np.ndarray) -> Sheet:
    support = batch.support(decision)
    return Sheet(support, table[batch.settings[batch.representatives(support), decision]])


def full(batch: Batch, diagram: object) -> np.ndarray:
    out = np.empty((batch.size, SCENARIOS))
    batch.write(diagram, out)  # type: ignore[arg-type]
    return out


@given(st.integers(1, 400), st.integers(1, 12), st.sampled_from([1, 200]), st.integers(0, 2**31))
def test_sheets_combine_as_full_arrays_do(size: int, options: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    settings = rng.integers(0, options, (size, 3))
    batch = Batch(settings, range(3), width)
    tables = [rng.random((options, SCENARIOS)) for _ in range(3)]
    a, b, c = (sheet(batch, d, table) for d, table in enumerate(tables))
    x, y, z = (table[settings[:, d]] for d, table in enumerate(tables))
    found = batch.apply(rows.mix, batch.apply(rows.product, a, b), c, a)
    np.testing.assert_allclose(full(batch, found), z + x * y * (x - z), rtol=1e-12)
    found = batch.fold(rows.total, [c, a, 2.0, b, a], 0.0)
    np.testing.assert_allclose(full(batch, found), 2 * x + y + z + 2, rtol=1e-12)
    np.testing.assert_allclose(full(batch, batch.fold(rows.latest, [b, c], 0.0)), np.maximum(y, z))


def test_an_event_is_averaged_over_its_prior() -> None:
    batch = Batch(np.array([[0], [1], [1]]), [0], SCENARIOS)
    p = sheet(batch, 0, np.random.default_rng(1).random((2, SCENARIOS)))
    first, second = Axis(0, 2, "first"), Axis(1, 3, "second")
    value = batch.apply(rows.product, outcome_of(first), outcome_of(second))
    assert axes_of(value) == {first, second}
    assert restrict(value, first, 0) == 0.0
    over_second = batch.average(value, second, (0.2, 0.3, 0.5))
    assert restrict(over_second, first, 1) == pytest.approx(0.3 + 2 * 0.5)
    over_both = batch.average(over_second, first, (p,))
    np.testing.assert_allclose(full(batch, over_both), 1.3 * full(batch, p))


def test_an_event_that_makes_no_difference_is_not_asked_for() -> None:
    axis = Axis(0, 2, "idle")
    assert given_outcome(axis, (1.0, 1.0)) == 1.0
    batch = Batch(np.array([[0]]), [0], SCENARIOS)
    p = sheet(batch, 0, np.full((1, SCENARIOS), 0.5))
    assert batch.apply(rows.mix, outcome_of(axis), p, p) is p


def test_more_decisions_than_a_machine_word_can_number() -> None:
    """4⁷⁰ settings: rows are still told apart exactly."""
    rng = np.random.default_rng(2)
    count = 70
    models = [call_model(0.9 + 0.1 * rng.random((4, SCENARIOS))) for _ in range(count)]
    terms = [call(1 + d, 0, by=d) for d in range(count)]
    sample = workflow([*terms, Join("all", tuple(range(1, count + 1)), 100)])
    batch = rng.integers(0, 4, (40, count))[rng.integers(0, 40, 300)]
    exact = np.prod([model.success[batch[:, d]] for d, model in enumerate(models)], axis=0)
    np.testing.assert_allclose(expect(sample, batch, point(models)).success, exact, rtol=1e-12)
