"""The benchmark of serving under load, on very small loads."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from benchmarks.serving_processes import Processes
from benchmarks.serving_rounds import almost_full, waiting_calls
from benchmarks.serving_routing import synthetic
from benchmarks.serving_runs import CHEAPEST, OURS, STATIC, Bench, Here, Load, Outcome
from flowir.sim.serving.workload import MIX, look_alike


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(Here(look_alike(1000)), [0, 1], 40)


def test_runs_are_of_the_requests_after_the_warm_up(bench: Bench) -> None:
    found = bench.run(OURS, Load(MIX), 0.5)
    assert len(found.slowdown) == 2 * 32
    assert found.kept == 1.0
    # The fastest configuration is at least as fast as the reference.
    assert (found.strict >= found.slowdown - 1e-9).all()


def test_what_is_found_does_not_depend_on_the_number_of_processes(bench: Bench) -> None:
    with Processes(look_alike(1000), 2) as workers:
        found = Bench(workers, [0, 1], 40).run(OURS, Load(MIX), 0.9)
    here = bench.run(OURS, Load(MIX), 0.9)
    for field in fields(Outcome):
        assert np.array_equal(getattr(found, field.name), getattr(here, field.name))


def test_what_is_carried_is_on_the_grid_or_the_limit(bench: Bench) -> None:
    load, grid = Load(MIX), (0.2, 0.4, 0.6)
    assert bench.carried(OURS, load, grid) in (0.0, *grid)
    for name in (CHEAPEST, STATIC):
        limit = bench.limit(name, load)
        assert 0 < limit <= 1 + 1e-5
        assert bench.carried(name, load, grid) <= limit


def test_rounds_are_of_a_queue_with_one_free_slot() -> None:
    assert len(waiting_calls(20)) == 20
    for number in range(4):
        assert [load.free for load in almost_full(number)].count(1) == 1
        assert sum(load.free for load in almost_full(number)) == 1


def test_synthetic_answers_are_those_of_the_difficulty_model() -> None:
    found = synthetic("self-refine", 300, 0)
    reference = found.right[found.reference]
    assert (found.right <= reference).all()
    assert reference.mean() == pytest.approx(1 - MIX.failed, abs=0.06)
    assert np.corrcoef(found.features[:, 0], found.right[0])[0, 1] < -0.2
