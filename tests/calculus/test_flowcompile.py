"""FlowCompile's workflow formulas (arXiv 2605.13647) are special cases of the calculus.

Its proxy is sequential and mean-field; checkers are perfect and repairs are fresh attempts.
"""

from __future__ import annotations

import numpy as np
import pytest

from flowir.calculus.expectation import Expectation, expect
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import Block, Checker, Refine, Select, Term, ToolCall, Workflow
from tests.calculus.samples import call, call_model, point, workflow

Q = 0
rng = np.random.default_rng(20260513)
SETTINGS = np.stack(np.unravel_index(np.arange(4**5), (4,) * 5), axis=1)


def models(count: int) -> list:
    return [
        call_model(rng.uniform(0.05, 0.98, (4, 1)), rng.uniform(0.5, 20, (4, 1)))
        for _ in range(count)
    ]


def ensemble(by: int, candidates: tuple[int, ...], output: int) -> list[Term]:
    """Structures with one branch drop the ensemble."""
    return [Select("ensemble", by, (), candidates, output)] if len(candidates) > 1 else []


def sequential(sample: Workflow, scenarios: Scenarios) -> tuple[Expectation, np.ndarray]:
    batch = SETTINGS[:, : len(sample.decisions)]
    return expect(sample, batch, scenarios.point(), "sequential"), batch


def chosen(scenarios: Scenarios, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[D, B] success and seconds of each decision's configuration."""
    p = [model.success[batch[:, d], 0] for d, model in enumerate(scenarios.calls)]
    t = [np.exp(model.log_latency)[batch[:, d], 0] for d, model in enumerate(scenarios.calls)]
    return np.stack(p), np.stack(t)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_math(n: int) -> None:
    """pE·[1 − (1 − pP·pR)(1 − pD)(1 − pG)ⁿ]: detailed, generate × n, programmer → refine."""
    detailed, generate, programmer, refine, chooser = range(5)
    candidates = [call(1, Q, by=detailed)]
    candidates += [call(2 + i, Q, by=generate) for i in range(n)]
    candidates += [call(10, Q, by=programmer), call(11, 10, by=refine)]
    shown = tuple(term.output for term in candidates if term.output != 10)
    sample = workflow(
        [*candidates, *ensemble(chooser, shown, 12), ToolCall("extract", "extract", (12,), 13)]
    )
    scenarios = point(models(5))
    found, batch = sequential(sample, scenarios)
    (pd, pg, pp, pr, pe), (td, tg, tp, tr, te) = chosen(scenarios, batch)
    exact = pe * (1 - (1 - pp * pr) * (1 - pd) * (1 - pg) ** n)
    np.testing.assert_allclose(found.success[:, 0], exact, rtol=1e-12)
    np.testing.assert_allclose(found.latency[:, 0], td + n * tg + tp + tr + te, rtol=1e-12)
    np.testing.assert_allclose(found.calls[:, 0], n + 4)


@pytest.mark.parametrize("n", [2, 3])
def test_hotpotqa(n: int) -> None:
    """pE·[1 − (1 − pA)ⁿ]·pF: answer_generate × n → sc_ensemble → format_answer."""
    answer, chooser, formatter = range(3)
    answers = [call(1 + i, Q, by=answer) for i in range(n)]
    shown = tuple(term.output for term in answers)
    sample = workflow([*answers, *ensemble(chooser, shown, 8), call(9, 8, by=formatter)])
    scenarios = point(models(3))
    found, batch = sequential(sample, scenarios)
    (pa, pe, pf), (ta, te, tf) = chosen(scenarios, batch)
    np.testing.assert_allclose(found.success[:, 0], pe * (1 - (1 - pa) ** n) * pf, rtol=1e-12)
    np.testing.assert_allclose(found.latency[:, 0], n * ta + te + tf, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_livecodebench(n: int, bound: int) -> None:
    """p0 = pE·[1 − (1 − pC)ⁿ], then p0 + (1 − p0)(1 − (1 − pf)ᴷ), by that many attempts / pf."""
    coder, chooser, fixer = range(3)
    codes = [call(1 + i, Q, by=coder) for i in range(n)]
    shown = tuple(term.output for term in codes)
    chosen_code = 8 if n > 1 else 1
    body = Block((call(12, 10, 11, by=fixer, fresh=True),), 12, (10, 11))
    sample = workflow(
        [
            *codes,
            *ensemble(chooser, shown, 8),
            Refine("repair", Checker("test", "repair.test"), chosen_code, body, bound, 13),
        ]
    )
    scenarios = point(models(3), test=(1.0, 0.0))
    found, batch = sequential(sample, scenarios)
    (pc, pe, pf), (tc, te, tf) = chosen(scenarios, batch)
    select = float(n > 1)
    p0 = np.where(n > 1, pe, 1.0) * (1 - (1 - pc) ** n)
    gained = (1 - p0) * (1 - (1 - pf) ** bound)
    np.testing.assert_allclose(found.success[:, 0], p0 + gained, rtol=1e-12)
    exact = n * tc + select * te + gained / pf * tf
    np.testing.assert_allclose(found.latency[:, 0], exact, rtol=1e-12)
    np.testing.assert_allclose(found.calls[:, 0], n + select + gained / pf, rtol=1e-12)
