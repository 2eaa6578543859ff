"""Latency and tokens: what arms share is integrated out rightly, and known parameters are found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from flowir.calculus.terms import Block, Call, Decision, Workflow
from flowir.configuration import Configuration
from flowir.cost import FitOptions, fit
from flowir.cost.effects import mixing, shared_effect
from flowir.profile import Observation, observations_of
from flowir.profile.prices import Price, Prices

Floats = npt.NDArray[np.float64]
OPTIONS = FitOptions(points=21, draws=64)


@pytest.mark.parametrize("calls", [1, 3])
def test_the_shared_effect_has_the_moments_of_its_exact_density(calls: int) -> None:
    """Against a grid over h of the product of its prior and the arms' Student densities."""
    rng = np.random.default_rng(calls)
    arms, queries = 6, 20
    own = {
        "noise": np.full(arms, 0.2),
        "specific": np.full(arms, 0.1),
        "nu": np.full(arms, 6.0),
        "loading": np.linspace(0.2, 0.5, arms),
    }
    count = np.full((arms, queries), float(calls))
    squares = (calls - 1) * 0.04 * rng.chisquare(3, (arms, queries)) / 3
    residual = own["loading"][:, None] * rng.standard_normal(queries)
    residual = residual + 0.2 * rng.standard_t(5, (arms, queries))
    spread, base = mixing(own, count, count - 1, squares, np)
    mode, bend = shared_effect(residual, spread, base, count - 1, own, count > 0, np)

    grid = np.linspace(-6, 6, 4001)
    left = (residual[..., None] - own["loading"][:, None, None] * grid) ** 2 / spread[..., None]
    half = 0.5 * (own["nu"][:, None, None] + calls)
    log_density = -(half * np.log(base[..., None] + left)).sum(0) - 0.5 * grid**2
    density = np.exp(log_density - log_density.max(1, keepdims=True))
    density /= density.sum(1, keepdims=True)
    mean = density @ grid
    deviation = np.sqrt(density @ grid**2 - mean**2)
    assert np.abs(mode - mean).max() < 0.3 * deviation.min()
    assert bend**-0.5 == pytest.approx(deviation, rel=0.25)


def test_known_parameters_are_recovered() -> None:
    """Medians, spread over queries and noise of two arms, from many queries with three calls."""
    rng = np.random.default_rng(3)
    slow = rng.standard_normal(150)
    rows = []
    for name, median, loading, noise in (("a", 1.0, 0.5, 0.1), ("b", 4.0, 0.2, 0.3)):
        for q in range(150):
            for s in range(3):
                log = np.log(median) + loading * slow[q] + noise * rng.standard_normal()
                seconds = float(np.exp(log))
                rows.append(
                    Observation("w", Configuration(name), f"q{q}", str(s), latency_s=seconds)
                )
    model = fit(observations_of(rows), options=OPTIONS)
    posterior = model.quantities["latency"]
    own = posterior.parameters(np.arange(64))
    for e, (median, spread, noise) in enumerate(((1.0, 0.5, 0.1), (4.0, 0.2, 0.3))):
        assert np.exp(own["location"][:, e]).mean() == pytest.approx(median, rel=0.12)
        query = np.hypot(own["loading"][:, e], own["specific"][:, e]).mean()
        assert query == pytest.approx(spread, rel=0.2)
        assert own["noise"][:, e].mean() == pytest.approx(noise, rel=0.2)


def test_tokens_cut_at_a_budget_leave_the_means_right() -> None:
    """Constant tokens of one arm do not spoil those of the other, nor their own."""
    rng = np.random.default_rng(4)
    rows = []
    for q in range(60):
        written = 300 * float(np.exp(0.5 * rng.standard_normal()))
        for budget, tokens in ((100, 100.0), (400, min(written, 400.0)), (None, written)):
            configuration = Configuration("m", budget)
            rows.append(Observation("w", configuration, f"q{q}", correct=1.0, output_tokens=tokens))
    observations = observations_of(rows)
    model = fit(observations, options=OPTIONS)
    for row in model.table():
        code = observations.configurations.index(row.configuration)
        mean = observations.output_tokens[observations.configuration == code].mean()
        assert row.output_tokens is not None
        assert row.output_tokens.mean == pytest.approx(mean, rel=0.1)


@pytest.mark.parametrize("population", [True, False])
def test_prompts_cost_what_they_were_observed_to_cost(population: bool) -> None:
    """Input tokens are the observed ones reweighted: clusters and constants stay what they are."""
    lengths = {f"q{q}": 100.0 if q % 4 else 2000.0 for q in range(80)}
    rows = [
        Observation("w", Configuration(model), query, correct=1.0, input_tokens=n, output_tokens=0)
        for model in "ab"
        for query, n in lengths.items()
    ]
    model = fit(observations_of(rows), options=OPTIONS)
    decision = Decision("w", "w", "", (Configuration("a"), Configuration("never")))
    workflow = Workflow("w", Block((Call("c", 0, (0,), 1),), 1, (0,)), (decision,))
    prices = Prices({name: Price(1e6, 0.0) for name in ("a", "never")})
    scenarios = model.scenarios(
        workflow, prices=prices, draws=64, queries=80, population=population
    )
    for cost in scenarios.calls[0].cost:
        assert set(cost.round(6)) == {100.0, 2000.0}
        assert scenarios.per_draw(cost).mean() == pytest.approx(575, rel=0.05)
    spread = scenarios.per_draw(scenarios.calls[0].cost[0]).mean(-1).std()
    expected = np.std(list(lengths.values())) / 80**0.5 if population else 0.0
    assert spread == pytest.approx(expected, rel=0.35, abs=1e-6)
