"""The made-up world that profilers are compared on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.profiling_truth import FRESH, PROFILED, SLOW, SLOW_SHARE, World, world
from flowir.profiler.adaptive.arms import Arm
from flowir.profiler.requests import Request


@pytest.fixture(scope="module")
def one() -> World:
    return world("hotpotqa", 3)


def of(one: World, agent: str) -> list[Request]:
    return [request for request in one.requests if request.key.agent == agent]


def test_a_seed_gives_one_world(one: World) -> None:
    again, other = world("hotpotqa", 3), world("hotpotqa", 4)
    calls = [one.call(request) for request in one.requests[:50]]
    assert calls == [again.call(request) for request in one.requests[:50]]
    assert calls != [other.call(request) for request in one.requests[:50]]


def test_answers_are_right_as_often_as_the_truth_says(one: World) -> None:
    """All calls of an agent together; the deviation of the sum is known."""
    for agent in ("answer_generate", "sc_ensemble", "format_answer"):
        right = expected = variance = 0.0
        for request in of(one, agent):
            example = request.example
            assert example is not None
            arm = one.arms[Arm(agent, request.key.configuration, example.input_correct)]
            chance = one.chance[arm, int(request.key.query)]
            judged = one.call(request).judgement
            assert judged is not None
            right += judged.correct or 0.0
            expected += chance
            variance += chance * (1.0 - chance)
        assert abs(right - expected) < 4.0 * variance**0.5


def test_difficulty_is_shared_by_agents(one: World) -> None:
    odds = np.log(one.chance / (1.0 - one.chance))
    agents = [arm.agent for arm in one.arms]
    means = [odds[[a == agent for a in agents]].mean(axis=0) for agent in dict.fromkeys(agents)]
    assert np.corrcoef(means)[0, 1] > 0.5


def test_latency_has_the_mean_of_the_truth_and_its_tail(one: World) -> None:
    requests = of(one, "answer_generate")
    rows = [one.arms[Arm(r.key.agent, r.key.configuration)] for r in requests]
    medians = [one.seconds[a, int(r.key.query)] for a, r in zip(rows, requests, strict=True)]
    seconds = [one.call(r).latency_s or 0.0 for r in requests]
    ratios = np.array(seconds) / np.array(medians)
    decision = next(
        i for i, d in enumerate(one.subjects.workflow.decisions) if d.agent == "answer_generate"
    )
    model = one.truth().calls[decision]
    means = model.mean_latency / one.seconds[sorted(set(rows)), PROFILED:]
    assert ratios.mean() == pytest.approx(means.mean(), rel=0.12)
    assert np.mean(ratios > SLOW / 2) == pytest.approx(SLOW_SHARE, abs=0.03)


def test_some_largest_budget_does_worse_than_the_one_before(one: World) -> None:
    mean = one.chance.mean(axis=1)
    budgets = (800, 4000)
    pairs: dict[tuple[str, str], dict[object, float]] = {}
    for arm, row in one.arms.items():
        if arm.configuration.budget in budgets and arm.input_correct:
            key = (arm.agent, arm.configuration.model)
            pairs.setdefault(key, {})[arm.configuration.budget] = mean[row]
    worse = [pair[4000] < pair[800] for pair in pairs.values()]
    assert 0 < sum(worse) < len(worse)


def test_the_truth_is_of_fresh_queries_and_of_every_decision(one: World) -> None:
    truth = one.truth()
    workflow = one.subjects.workflow
    assert (truth.draws, truth.queries) == (1, FRESH)
    assert [len(c.success) for c in truth.calls] == [
        len(d.configurations) for d in workflow.decisions
    ]
