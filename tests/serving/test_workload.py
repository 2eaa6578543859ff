"""The simulated requests are what their settings say."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from flowir.serving.forecast import work_s
from flowir.serving.requests import ServedWorkflow
from flowir.sim.serving.bounds import alone_s, bound_rate, cheapest, demands, reference_s
from flowir.sim.serving.clusters import ENGINES
from flowir.sim.serving.workload import (
    MIX,
    VOTING,
    WORKFLOWS,
    arrivals,
    azure,
    difficulties,
    keeps,
    look_alike,
    poisson,
    recorded,
)

TRACE = look_alike(3000)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)
def test_a_stronger_configuration_keeps_what_a_weaker_one_does(workflow: ServedWorkflow) -> None:
    stages = len(workflow.stages)
    for needs in product(range(3), repeat=stages):
        kept = {row for row in product(range(3), repeat=stages) if keeps(workflow, needs, row)}
        assert (2,) * stages in kept
        assert needs in kept
        for row in kept:
            for stage in range(stages):
                stronger = (*row[:stage], min(row[stage] + 1, 2), *row[stage + 1 :])
                assert stronger in kept


def test_one_of_four_voters_may_be_weak() -> None:
    needs = (2, 2, 2, 2, 1)
    assert keeps(VOTING, needs, (0, 2, 2, 2, 1))
    assert not keeps(VOTING, needs, (0, 1, 2, 2, 2))
    assert not keeps(VOTING, needs, (2, 2, 2, 2, 0))


def test_models_are_enough_as_often_as_stated() -> None:
    rng = np.random.default_rng(0)
    drawn = [difficulties(MIX, 3, rng)[1] for _ in range(6000)]
    needs = np.array([need for need in drawn if need is not None])
    assert 1 - len(needs) / len(drawn) == pytest.approx(MIX.failed, abs=0.02)
    assert (needs == 0).mean() == pytest.approx(MIX.enough[0], abs=0.02)
    assert (needs <= 1).mean() == pytest.approx(MIX.enough[1], abs=0.02)
    # Stages of one request are hard together.
    assert np.corrcoef(needs.T)[0, 1] > 0.4


def test_sets_are_right_unless_asked_otherwise() -> None:
    rng = np.random.default_rng(1)
    times = poisson(400, 5.0, rng)
    for arrival in arrivals(MIX, times, TRACE, rng):
        assert arrival.routed == arrival.keeps
        assert arrival.revised is None
    careful = arrivals(replace(MIX, cautious=1.0), times, TRACE, rng)
    assert all(set(a.routed) <= set(a.keeps) for a in careful)
    assert sum(a.revised is not None for a in careful) > 300
    wrong = arrivals(replace(MIX, wrong=1.0), times, TRACE, rng)
    assert any(not set(a.routed) <= set(a.keeps) for a in wrong)
    assert any(set(a.routed) < set(a.keeps) for a in wrong)


def test_arrivals_come_at_the_rate_asked_for() -> None:
    rng = np.random.default_rng(2)
    assert 4000 / poisson(4000, 5.0, rng)[-1] == pytest.approx(5.0, rel=0.05)
    times = recorded(TRACE, 500, 5.0, rng)
    assert (np.diff(times) >= 0).all()
    assert 500 / times[-1] == pytest.approx(5.0)


def test_the_bound_knows_work_not_rates() -> None:
    rng = np.random.default_rng(3)
    came = arrivals(MIX, poisson(200, 5.0, rng), TRACE, rng)
    one = bound_rate(came, 5.0, (1, 1, 1))
    assert bound_rate(came, 1.0, (1, 1, 1)) == pytest.approx(one, rel=1e-4)
    assert bound_rate(came, 5.0, (2, 2, 2)) == pytest.approx(2 * one, rel=1e-4)
    assert bound_rate(came, 5.0, (1, 1, 2)) >= one
    assert all(demand.open.any(axis=1).all() for demand in demands(came))
    assert (alone_s(came) <= reference_s(came) + 1e-9).all()


def test_the_recording_is_what_its_stand_in_is_like(data_dir: Path) -> None:
    trace = azure(data_dir)
    stand_in = look_alike()
    assert len(trace.at) == len(stand_in.at) == 19_366
    assert stand_in.input_tokens.mean() == pytest.approx(trace.input_tokens.mean(), rel=0.05)
    assert stand_in.output_tokens.mean() == pytest.approx(trace.output_tokens.mean(), rel=0.05)


def test_fixed_configurations_carry_no_more() -> None:
    rng = np.random.default_rng(4)
    came = arrivals(MIX, poisson(200, 5.0, rng), TRACE, rng)
    free = bound_rate(came, 1.0, (1, 1, 2))
    assert bound_rate(came, 1.0, (1, 1, 2), cheapest) <= free * (1 + 1e-5)
    large = bound_rate(came, 1.0, (1, 1, 2), lambda arrival: (2,) * len(arrival.workflow.stages))
    work = sum(
        work_s(ENGINES[2], read, written)
        for arrival in came
        for calls in arrival.tokens
        for read, written in calls
    )
    assert large == pytest.approx(2 * 200 / work)
    for arrival in came[:20]:
        assert cheapest(arrival) in arrival.keeps
