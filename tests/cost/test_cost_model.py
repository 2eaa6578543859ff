"""The fitted cost model against a stated truth and against its own data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from flowir.calculus.scenarios import GivenRates
from flowir.calculus.terms import Block, Call, Checker, Decision, Fallback, Workflow
from flowir.configuration import Configuration
from flowir.cost import CostModel, FitOptions, fit
from flowir.errors import CostModelError, ProfileError
from flowir.profile import Observation, Observations, observations_of

STRONG, WEAK = Configuration("strong"), Configuration("weak")
OPTIONS = FitOptions(points=34, draws=64)


def truth(queries: int, samples: int, seed: int) -> list[Observation]:
    """Two models whose success shares a difficulty; the hard half is longer."""
    rng = np.random.default_rng(seed)
    rows = []
    for q in range(queries):
        difficulty = rng.standard_normal()
        for configuration, shift, seconds in ((STRONG, 2.0, 4.0), (WEAK, 0.0, 1.0)):
            mean = 1 / (1 + np.exp(-(shift + 1.5 * difficulty)))
            p = rng.beta(0.5 * mean, 0.5 * (1 - mean))
            length = seconds * np.exp(0.4 * rng.standard_normal() - 0.2 * difficulty)
            rows += [
                Observation(
                    "coder",
                    configuration,
                    f"q{q}",
                    str(s),
                    correct=float(rng.random() < p),
                    latency_s=length * float(np.exp(0.2 * rng.standard_normal())),
                )
                for s in range(samples)
            ]
    return rows


def retry(agent: str, configurations: Sequence[Configuration], times: int = 2) -> Workflow:
    tier = Block((Call("w.draft", 0, (0,), 1),), 1)
    kept = Fallback("w.kept", Checker("tests", "w.kept.tests"), (tier,) * times, 2)
    decision = Decision("w", agent, "", tuple(configurations))
    return Workflow("w", Block((kept,), 2, (0,)), (decision,))


GIVEN = {"tests": GivenRates(0.95, 0.2, 0.9)}


@pytest.fixture(scope="module")
def observations() -> Observations:
    return observations_of(truth(80, 3, seed=1))


@pytest.fixture(scope="module")
def model(observations: Observations) -> CostModel:
    return fit(observations, options=OPTIONS)


def test_profiled_means_are_the_observed_ones(model: CostModel, observations: Observations) -> None:
    asked = retry("coder", (STRONG, WEAK))
    scenarios = model.scenarios(asked, GIVEN, population=False, queries=80, draws=64)
    for row, configuration in enumerate((STRONG, WEAK)):
        rows = observations.configuration == observations.configurations.index(configuration)
        mean = scenarios.per_draw(scenarios.calls[0].success[row]).mean(axis=1)
        low, high = np.quantile(mean, [0.01, 0.99])
        assert low - 0.01 <= observations.correct[rows].mean() <= high + 0.01
        latency = scenarios.calls[0].mean_latency[row].mean()
        assert latency == pytest.approx(observations.latency_s[rows].mean(), rel=0.1)


def test_agreement_of_two_calls_is_reproduced(model: CostModel, observations: Observations) -> None:
    """Two calls of one arm on one query, and one call of each arm, are right together as seen."""
    scenarios = model.scenarios(
        retry("coder", (STRONG, WEAK)), GIVEN, population=False, queries=80, draws=64
    )
    strong, weak = scenarios.calls[0].success
    right = np.zeros((2, 80, 3))
    for row in observations.rows():
        arm = 0 if row.configuration == STRONG else 1
        right[arm, observations.queries.index(row.query), int(row.sample)] = row.correct or 0.0
    twice = (right.sum(-1) * (right.sum(-1) - 1) / 6).mean(1)
    assert np.mean(strong**2) == pytest.approx(twice[0], abs=0.03)
    assert np.mean(weak**2) == pytest.approx(twice[1], abs=0.03)
    both = (right[0].mean(-1) * right[1].mean(-1)).mean()
    assert np.mean(strong * weak) == pytest.approx(both, abs=0.03)


def test_same_seed_same_bytes_whatever_the_row_order(model: CostModel) -> None:
    rows = truth(80, 3, seed=1)
    again = fit(observations_of(rows[::-1]), options=OPTIONS)
    for population in (True, False):
        asked = retry("coder", (STRONG, WEAK))
        one = model.scenarios(asked, GIVEN, population=population, draws=20, queries=50)
        other = again.scenarios(asked, GIVEN, population=population, draws=20, queries=50)
        np.testing.assert_array_equal(one.calls[0].success, other.calls[0].success)
        np.testing.assert_array_equal(one.calls[0].log_latency, other.calls[0].log_latency)


def test_a_configuration_never_observed_is_wider_than_its_neighbours(model: CostModel) -> None:
    asked = retry("coder", (STRONG, Configuration("new")))
    scenarios = model.scenarios(asked, GIVEN, draws=64)
    mean = scenarios.per_draw(scenarios.calls[0].success).mean(-1)
    assert mean[1].std() > 1.5 * mean[0].std()
    assert any("new was never observed" in a for a in scenarios.assumptions)


def test_an_agent_never_observed(model: CostModel) -> None:
    with pytest.raises(ProfileError, match=r"no observations of judge; it has agents coder"):
        model.scenarios(retry("judge", (STRONG,)), GIVEN)
    scenarios = model.scenarios(retry("judge", (STRONG,)), GIVEN, unknown="prior")
    assert any("judge was never observed" in a for a in scenarios.assumptions)


def test_a_checker_without_rates_or_rows(model: CostModel) -> None:
    with pytest.raises(ProfileError, match="@tests has neither rates nor observations"):
        model.scenarios(retry("coder", (STRONG,)), {})


@pytest.mark.parametrize("persistence", [0.0, 0.3, 0.9, 1.0])
def test_given_rates_have_their_mean_and_correlation(model: CostModel, persistence: float) -> None:
    given = {"tests": GivenRates(0.95, 0.2, persistence)}
    checker = model.scenarios(retry("coder", (STRONG,)), given).checkers["tests"]
    assert checker.accept_wrong.mean() == pytest.approx(0.2, abs=0.01)
    correlation = checker.accept_wrong.var() / (0.2 * 0.8)
    assert correlation == pytest.approx(persistence, abs=0.03)


def test_only_infrastructure_errors() -> None:
    rows = [Observation("coder", STRONG, "q", correct=0.0, error=True)]
    with pytest.raises(CostModelError, match="every row has an error"):
        fit(observations_of(rows), options=OPTIONS)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_one_observation(value: float) -> None:
    one = fit(observations_of([Observation("coder", STRONG, "q", correct=value)]), options=OPTIONS)
    success = one.scenarios(retry("coder", (STRONG,)), GIVEN, draws=64).calls[0].success
    assert 0.2 < success.mean() < 0.9
    assert success.std() > 0.1
