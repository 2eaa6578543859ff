"""The oracles that the benchmark of the search trusts, and a quick run of all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measure import exponent, peak_megabytes
from benchmarks.search_exact import after, apart_from, scanned, structures, together
from benchmarks.search_peers import Scale
from benchmarks.search_problems import halved, made_up, sequence, tree, twelve_agents
from flowir.search.space import Space

ROOT = Path(__file__).parents[2]


def front_of(pairs: list[tuple[float, float]]) -> set[tuple[float, float]]:
    """(rate, seconds) that no other pair beats."""
    return {
        (p, s)
        for p, s in pairs
        if not any(q >= p and t <= s and (q, t) != (p, s) for q, t in pairs)
    }


@pytest.mark.parametrize("seed", range(20))
def test_merging_two_fronts_is_merging_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    some, others = np.round(rng.random((2, 12, 2)), 2)
    pairs = list(product(some.tolist(), others.tolist()))
    left, right = scanned(some), scanned(others)
    assert set(map(tuple, left.tolist())) == front_of([tuple(row) for row in some.tolist()])
    in_turn = front_of([(a[0] * b[0], a[1] + b[1]) for a, b in pairs])
    at_once = front_of([(a[0] * b[0], max(a[1], b[1])) for a, b in pairs])
    assert set(map(tuple, after(left, right).tolist())) == in_turn
    assert set(map(tuple, together(left, right).tolist())) == at_once


def test_fronts_that_differ_are_told_apart() -> None:
    front = np.array([[0.5, 1.0], [0.7, 2.0], [0.9, 3.0]])
    assert apart_from(front, front * (1 + 1e-12)) == 0
    assert apart_from(front, front[:2]) == 1
    later = front.copy()
    later[1, 1] += 0.01
    assert apart_from(front, later) == 1


def test_flowcompile_has_seventeen_structures_of_math() -> None:
    assert len(list(structures())) == 17


def test_workflows_are_of_the_size_that_they_are_quoted_with() -> None:
    assert Space(sequence(5, 7)).size() == Space(tree(5, 7)).size() == 7**5
    assert {d.agent for d in twelve_agents().decisions} == {
        "router", "planner", "searcher", "reader", "summariser", "solver", "coder", "writer",
        "judge", "critic", "mender", "editor",
    }  # fmt: skip
    workflow = sequence(3, 6)
    fewer, calls = halved(workflow, made_up(workflow, 0, draws=2, queries=2))
    assert Space(fewer).size() == 3**3
    assert calls.calls[0].success.shape == (3, 4)


def test_a_share_of_hypervolume_is_one_for_the_best_front_and_less_for_part_of_it() -> None:
    front = np.array([[-0.9, 5.0], [-0.7, 2.0], [-0.5, 1.0]])
    worse = np.array([[-0.5, 4.0], [-0.4, 6.0]])
    scale = Scale.of([front[:2], front[2:], worse])
    assert scale.share(front) == pytest.approx(1.0)
    assert 0.0 <= scale.share(worse) < scale.share(front[:2]) < 1.0


def test_exponents_and_memory_are_those_of_known_costs() -> None:
    assert exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2.0)
    assert peak_megabytes(lambda: np.ones(5_000_000)) == pytest.approx(40.0, rel=0.01)


@pytest.mark.slow
def test_a_quick_run_writes_every_figure_once(tmp_path: Path) -> None:
    path = tmp_path / "search.json"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.search", "--quick", "--json", str(path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    figures = json.loads(path.read_text())["figures"]
    names = [figure["name"] for figure in figures]
    assert len(names) == len(set(names))
    assert all(np.isfinite(figure["value"]) for figure in figures)
    assert all(figure["simulated"] for figure in figures)
    apart = [figure for figure in figures if "not on both fronts" in figure["name"]]
    assert len(apart) >= 6
    assert all(figure["ok"] for figure in apart)
    assert path.with_suffix(".png").stat().st_size > 0
