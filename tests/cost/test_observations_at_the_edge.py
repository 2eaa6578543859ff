"""Observations that are few, extreme or repetitive: fitted with wide intervals, and said so."""

from __future__ import annotations

import numpy as np
import pytest

from flowir.calculus.terms import Block, Call, Decision, Workflow
from flowir.configuration import Configuration
from flowir.cost import CostModel, FitOptions, fit
from flowir.cost.report import remarks
from flowir.profile import Observation, observations_of

OPTIONS = FitOptions(points=21, draws=64)
MODEL = Configuration("m", None, (("temperature", 0),))
ONE = Workflow(
    "w", Block((Call("c", 0, (0,), 1),), 1, (0,)), (Decision("w", "coder", "", (MODEL,)),)
)


def rows(values: list[float], samples: int = 1) -> list[Observation]:
    return [
        Observation("coder", MODEL, f"q{q}", str(s), correct=value)
        for q, value in enumerate(values)
        for s in range(samples)
    ]


def means(model: CostModel) -> np.ndarray:
    scenarios = model.scenarios(ONE, draws=64)
    return scenarios.per_draw(scenarios.calls[0].success).mean(-1)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_alike_is_not_certainty(value: float) -> None:
    model = fit(observations_of(rows([value] * 30)), options=OPTIONS)
    far = np.abs(means(model) - value)
    assert far.mean() < 0.1
    assert np.quantile(far, 0.95) > 0.02
    word = "right" if value else "wrong"
    assert any(f"all 30 observations of coder on {MODEL} are {word}" in w for w in model.warnings)


def test_a_single_query_says_little_about_others() -> None:
    many = fit(observations_of(rows([1.0] * 30)), options=OPTIONS)
    one = fit(observations_of(rows([1.0], samples=30)), options=OPTIONS)
    assert means(one).std() > 2 * means(many).std()
    assert any("only 1 distinct queries" in warning for warning in one.warnings)


def test_identical_repeats_at_temperature_zero_are_pointed_out() -> None:
    same = remarks(observations_of(rows([0.0, 1.0] * 15, samples=3)))
    assert any("at temperature 0 are identical" in remark for remark in same)
    mixed = rows([0.0, 1.0] * 15, samples=3)
    mixed[0] = mixed[0]._replace(correct=1.0)
    assert not any("identical" in remark for remark in remarks(observations_of(mixed)))


def test_infrastructure_errors_are_not_wrong_answers() -> None:
    fine = rows([1.0, 0.0] * 10)
    failed = [row._replace(sample="failed", correct=0.0, error=True) for row in fine]
    with_errors = fit(observations_of(fine + failed), options=OPTIONS)
    without = fit(observations_of(fine), options=OPTIONS)
    np.testing.assert_array_equal(means(with_errors), means(without))
    assert any("20 of 40 calls failed" in warning for warning in with_errors.warnings)
