"""The examples that docs/calculus.md works out by hand, by the calculus itself; and the equations
that it and docs/cost-model.md state, against sums over all that can happen."""

from __future__ import annotations

from itertools import product
from math import comb, lgamma

import numpy as np
import pytest

from flowir.calculus import rows
from flowir.calculus.expectation import expect
from flowir.calculus.from_ir import find_workflow, workflow_terms
from tests.calculus.samples import call_model, point
from tests.strategies_ir import parse


def test_a_retry_where_half_of_the_queries_never_work() -> None:
    p = np.array([1.0, 0.0])
    mixed = rows.fallback([p, p], 1.0, 0.0).success
    assert np.mean(mixed) == 0.5
    alone = rows.fallback([p.mean(), p.mean()], 1.0, 0.0).success
    assert alone == 0.75


def test_equal_tiers_and_a_perfect_checker_telescope() -> None:
    row = rows.fallback([0.3] * 4, 1.0, 0.0)
    assert row.success == pytest.approx(1 - 0.7**4)
    assert row.runs == pytest.approx([0.7**k for k in range(4)])


def test_the_refinement_of_the_page() -> None:
    p, on_right, on_wrong, accepts, slips, bound = 0.6, 0.9, 0.5, 0.8, 0.3, 3
    right, wrong, success = p, 1 - p, 0.0
    for _ in range(bound):
        success += right * accepts
        judged = right * (1 - accepts) + wrong * (1 - slips)
        right = right * (1 - accepts) * on_right + wrong * (1 - slips) * on_wrong
        wrong = judged - right
    row = rows.refine(p, on_right, on_wrong, accepts, slips, bound)
    assert row.success == pytest.approx(success + right)


def test_a_vote_is_the_sum_over_all_patterns() -> None:
    p, g = (0.6, 0.5, 0.7, 0.4), (0.5, 1.0, 0.2, 0.6)
    total = 0.0
    for pattern in product("rco", repeat=4):
        chance = 1.0
        for kind, right, agrees in zip(pattern, p, g, strict=True):
            wrong = (1 - right) * (agrees if kind == "c" else 1 - agrees)
            chance *= right if kind == "r" else wrong
        labels = [f"own {n}" if kind == "o" else kind for n, kind in enumerate(pattern)]
        first = max(labels, key=lambda label: (labels.count(label), -labels.index(label)))
        total += chance * (first == "r")
    assert rows.vote(p, g) == pytest.approx(total)


def test_two_readers_of_one_draft() -> None:
    module = parse("""
        flow.agent @draft prompt "{t}" space <models = ["m"]>
        flow.agent @left prompt "{t}" space <models = ["m"]>
        flow.agent @right prompt "{t}" space <models = ["m"]>
        flow.workflow @w(%t: !flow.text) -> !flow.list<!flow.text> {
          %d = flow.call @draft(%t) : (!flow.text) -> !flow.text
          %a = flow.call @left(%d) : (!flow.text) -> !flow.text
          %b = flow.call @right(%d) : (!flow.text) -> !flow.text
          %all = flow.join all(%a, %b) : (!flow.text, !flow.text) -> !flow.list<!flow.text>
          flow.return %all : !flow.list<!flow.text>
        }
    """)
    workflow = workflow_terms(find_workflow(module))
    half = point([call_model(0.5)] * 3)
    assert expect(workflow, [[0, 0, 0]], half).success == pytest.approx(0.125)


def test_counts_of_one_query_are_beta_binomial_with_that_correlation() -> None:
    mean, concentration, calls = 0.7, 3.0, 5

    def beta(a: float, b: float) -> float:
        return float(np.exp(lgamma(a) + lgamma(b) - lgamma(a + b)))

    a, b = mean * concentration, (1 - mean) * concentration
    chances = [comb(calls, k) * beta(k + a, calls - k + b) / beta(a, b) for k in range(calls + 1)]
    assert sum(chances) == pytest.approx(1.0)
    both = sum(p * k * (k - 1) for k, p in enumerate(chances)) / (calls * (calls - 1))
    correlation = (both - mean**2) / (mean * (1 - mean))
    assert correlation == pytest.approx(1 / (1 + concentration))
