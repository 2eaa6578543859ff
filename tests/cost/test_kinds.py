"""Checkers, critics, votes, routers, recovery, grades and money: each learned from its own rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from flowir.calculus.scenarios import GivenRates
from flowir.calculus.terms import (
    Block,
    Branch,
    Call,
    Case,
    Checker,
    Decision,
    Fallback,
    Vote,
    Workflow,
)
from flowir.configuration import Configuration
from flowir.cost import CostModel, FitOptions, fit, predictive
from flowir.errors import ProfileError
from flowir.profile import Observation, Price, Prices, observations_of

OPTIONS = FitOptions(points=21, draws=32)
MODEL = Configuration("m")
QUERIES = 48
PROFILED = {"population": False, "queries": QUERIES, "draws": 32}


def single(agent: str, configurations: Sequence[Configuration] = (MODEL,)) -> Workflow:
    block = Block((Call("c", 0, (0,), 1),), 1, (0,))
    return Workflow("w", block, (Decision("w", agent, "", tuple(configurations)),))


def judged(name: str, judge: Decision | None = None) -> Workflow:
    tier = Block((Call("c", 0, (0,), 1),), 1)
    checker = Checker(name, "c.check", None if judge is None else 1)
    decisions = (Decision("w", "coder", "", (MODEL,)), *((judge,) if judge else ()))
    kept = Fallback("kept", checker, (tier, tier), 2)
    return Workflow("w", Block((kept,), 2, (0,)), decisions)


@pytest.fixture(scope="module")
def model() -> CostModel:
    """coder: grades and answers; critic: verdicts that persist; router: labels; fixer: recovery."""
    rng = np.random.default_rng(3)
    rows = []
    for q in range(QUERIES):
        query = f"q{q}"
        rows += [
            Observation("coder", MODEL, query, str(s), correct=float(rng.choice([0.25, 0.75])))
            for s in range(2)
        ]
        lenient = float(rng.random() < 0.3)
        rows += [
            Observation("critic", MODEL, query, f"{right}{s}", input_correct=right, answer=verdict)
            for right, rate in ((True, 0.95), (False, lenient))
            for s in range(3)
            for verdict in ["accept" if rng.random() < rate else "reject"]
        ]
        rows += [
            Observation(
                "router", MODEL, query, str(s), latency_s=1.0, answer=("hard", "easy")[q % 3 > 0]
            )
            for s in range(2)
        ]
        for s in range(8):
            right = rng.random() < 0.4
            same = rng.random() < 0.6
            wrong = "common" if same else f"own{s}"
            rows.append(
                Observation(
                    "voter",
                    MODEL,
                    query,
                    str(s),
                    correct=float(right),
                    answer="right" if right else wrong,
                    input_tokens=1000,
                    output_tokens=100,
                )
            )
        rows += [
            Observation(
                "fixer",
                MODEL,
                query,
                f"{right}",
                correct=float(rng.random() < (0.9 if right else 0.2)),
                input_correct=right,
                cost_usd=0.02,
            )
            for right in (True, False)
        ]
    return fit(observations_of(rows), options=OPTIONS)


def test_grades_are_probabilities(model: CostModel) -> None:
    success = model.scenarios(single("coder"), **PROFILED).calls[0].success
    assert success.mean() == pytest.approx(0.5, abs=0.04)


def test_a_critic_has_two_rates_and_its_verdicts_persist(model: CostModel) -> None:
    critic = Decision("w", "critic", "", (MODEL,))
    call = model.scenarios(judged("critic", critic), **PROFILED).calls[1]
    assert call.accept_right is not None
    assert call.accept_wrong is not None
    assert call.accept_right.mean() == pytest.approx(0.95, abs=0.05)
    assert call.accept_wrong.mean() == pytest.approx(0.3, abs=0.12)
    variance = call.accept_wrong.var() / (call.accept_wrong.mean() * (1 - call.accept_wrong.mean()))
    assert variance > 0.7


def test_a_tool_with_verdict_rows_needs_no_stated_rates(model: CostModel) -> None:
    checker = model.scenarios(judged("critic"), **PROFILED).checkers["critic"]
    assert checker.accept_wrong.mean() == pytest.approx(0.3, abs=0.12)


def test_stated_rates_win_and_a_contradiction_is_pointed_out(model: CostModel) -> None:
    stated = {"critic": GivenRates(0.95, 0.9)}
    scenarios = model.scenarios(judged("critic"), stated, **PROFILED)
    np.testing.assert_array_equal(scenarios.checkers["critic"].accept_wrong, 0.9)
    warnings = [text for text in scenarios.assumptions if "the profile says" in text]
    assert len(warnings) == 1
    assert "accept wrong values with 0.9" in warnings[0]


def test_wrong_answers_agree_as_observed(model: CostModel) -> None:
    vote = Workflow(
        "w",
        Block((Call("a", 0, (0,), 1), Call("b", 0, (0,), 2), Vote((1, 2), 3)), 3, (0,)),
        (Decision("w", "voter", "", (MODEL,)),),
    )
    scenarios = model.scenarios(vote, **PROFILED)
    agreement = scenarios.calls[0].wrong_agreement
    assert agreement is not None
    assert (agreement**2).mean() == pytest.approx(0.36, abs=0.08)
    assert not any("agree" in text for text in scenarios.assumptions)


def test_votes_without_answers_assume_the_worst(model: CostModel) -> None:
    vote = Workflow(
        "w",
        Block((Call("a", 0, (0,), 1), Vote((1,), 2)), 2, (0,)),
        (Decision("w", "coder", "", (MODEL,)),),
    )
    scenarios = model.scenarios(vote, draws=8)
    np.testing.assert_array_equal(scenarios.calls[0].wrong_agreement, 1.0)
    assert any("all wrong answers are taken to agree" in text for text in scenarios.assumptions)


@pytest.mark.parametrize("population", [True, False])
def test_a_router_writes_its_labels_query_by_query(model: CostModel, population: bool) -> None:
    cases = tuple(Case(label, Block((), 0)) for label in ("easy", "hard"))
    body = Block((Call("r", 0, (0,), 1), Branch("b", 1, cases, 2, router=0)), 2, (0,))
    workflow = Workflow("w", body, (Decision("w", "router", "", (MODEL,)),))
    labels = (
        model.scenarios(workflow, population=population, queries=QUERIES, draws=64).calls[0].labels
    )
    assert sorted(labels) == ["easy", "hard"]
    np.testing.assert_allclose(labels["easy"] + labels["hard"], 1)
    assert labels["hard"].mean() == pytest.approx(1 / 3, abs=0.12)
    assert labels["hard"].var() > 0.1


def test_recovery_is_learned_where_inputs_were_wrong(model: CostModel) -> None:
    call = model.scenarios(single("fixer"), **PROFILED).calls[0]
    assert call.recovery is not None
    assert call.recovery.mean() == pytest.approx(0.2, abs=0.1)
    assert call.success.mean() == pytest.approx(0.9, abs=0.07)
    assert model.scenarios(single("coder"), draws=8).calls[0].recovery is None


def test_calls_on_unsure_input_say_what_is_assumed(model: CostModel) -> None:
    chain = Block((Call("a", 0, (0,), 1), Call("b", 0, (1,), 2)), 2, (0,))
    workflow = Workflow("w", chain, (Decision("w", "coder", "", (MODEL,)),))
    said = model.scenarios(workflow, draws=8).assumptions
    assert any("coder was never observed on a wrong input" in text for text in said)


def test_money_comes_from_prices_then_from_observed_costs(model: CostModel) -> None:
    prices = Prices({"m": Price(2.0, 10.0)})
    priced = model.scenarios(single("voter"), prices=prices, **PROFILED).calls[0]
    assert priced.cost.mean() == pytest.approx((2 * 1000 + 10 * 100) / 1e6, rel=0.05)
    observed = model.scenarios(single("fixer"), **PROFILED).calls[0]
    assert observed.cost.mean() == pytest.approx(0.02, rel=0.05)
    assert np.isnan(model.scenarios(single("voter"), draws=8).calls[0].cost).all()


def test_predictive_adds_the_noise_of_a_finite_test() -> None:
    certain = np.tile(np.linspace(0, 1, 100), (2000, 1))
    fresh = predictive(certain, 25, event=True)
    assert fresh.mean() == pytest.approx(0.5, abs=0.01)
    assert fresh.std() == pytest.approx(np.sqrt(0.25 / 25), rel=0.05)
    given = predictive(certain, 100, event=True, replace=False)
    within = np.mean(certain[0] * (1 - certain[0]))
    assert given.std() == pytest.approx(np.sqrt(within / 100), rel=0.06)
    repeated = predictive(certain, 100, event=True, replace=False, repeats=5)
    assert repeated.std() == pytest.approx(np.sqrt(within / 500), rel=0.06)
    amounts = predictive(certain, 100, replace=False)
    np.testing.assert_allclose(amounts, 0.5)


def test_no_outcomes_at_all() -> None:
    timed = fit(
        observations_of([Observation("a", MODEL, f"q{i}", latency_s=1.0 + i) for i in range(5)]),
        options=OPTIONS,
    )
    with pytest.raises(ProfileError, match="no outcomes"):
        timed.scenarios(single("a"))


def test_the_table_has_a_row_per_agent_configuration_and_event(model: CostModel) -> None:
    rows = {(row.agent, row.event): row for row in model.table()}
    assert rows["critic", "accept right"].observations == 3 * QUERIES
    assert rows["fixer", "recovery"].queries == QUERIES
    voter = rows["voter", "success"].rate
    assert voter is not None
    assert voter.low < 0.4 < voter.high
    latency = rows["router", "success"].latency_s
    assert latency is not None
    assert latency.mean == pytest.approx(1.0, abs=0.1)
