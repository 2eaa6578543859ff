"""A value used twice is one event: laws, closed forms, and how far conditioning goes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from flowir.calculus.expectation import Expectation, expect
from flowir.calculus.scenarios import Scenarios
from flowir.calculus.terms import (
    Block,
    Branch,
    Case,
    Checker,
    Fallback,
    Join,
    Map,
    Refine,
    Select,
    Term,
    ToolCall,
    Vote,
    Workflow,
)
from flowir.errors import CalculusError
from tests.calculus.oracle import enumerate_workflow
from tests.calculus.samples import call, call_model, point, workflow


def one(term_list: list[Term], scenarios: Scenarios, **more: object) -> Expectation:
    found = workflow(term_list, **more)  # type: ignore[arg-type]
    return expect(found, np.zeros((1, len(found.decisions)), int), scenarios)


HALF = call_model(0.5)
SURE = call_model(1.0)


def test_a_diamond_is_not_a_square() -> None:
    found = one(
        [call(1, 0), call(2, 1, by=1), call(3, 1, by=1), Join("all", (2, 3), 4)],
        point([HALF, SURE]),
    )
    assert found.success.item() == pytest.approx(0.5)


def test_any_of_one_value_is_that_value() -> None:
    terms: list[Term] = [
        call(1, 0),
        ToolCall("a", "a", (1,), 2),
        ToolCall("b", "b", (1,), 3),
        Join("any", (2, 3), 4),
    ]
    assert one(terms, point([HALF])).success.item() == pytest.approx(0.5)


def test_retries_share_what_they_all_read() -> None:
    """A wrong plan spoils every attempt: 0.5 · (1 − 0.2⁴), where independence says 1 − 0.6⁴."""
    tier = Block((call(2, 1, by=1),), 2)
    found = one(
        [call(1, 0), Fallback("f", Checker("tests", "check"), (tier,) * 4, 3)],
        point([HALF, call_model(0.8)], tests=(1.0, 0.0)),
    )
    assert found.success.item() == pytest.approx(0.5 * (1 - 0.2**4))
    attempts = 0.5 * (1 - 0.2**4) / 0.8 + 0.5 * 4
    assert found.calls.item() == pytest.approx(1 + attempts)
    assert found.latency.item() == pytest.approx(1 + attempts)


def test_items_share_what_they_all_read() -> None:
    body = Block((call(3, 2, 1, by=1),), 3, (2,))
    found = one([call(1, 0), Map("m", 0, body, 3, 3, 4)], point([HALF, call_model(0.8)]))
    assert found.success.item() == pytest.approx(0.5 * 0.8**3)


def test_items_of_one_list_are_right_together() -> None:
    body = Block((call(3, 2, by=1),), 3, (2,))
    found = one([call(1, 0), Map("m", 1, body, 3, 3, 4)], point([HALF, call_model(0.8)]))
    assert found.success.item() == pytest.approx(0.5 * 0.8**3)


def test_bodies_of_a_refine_share_what_they_read() -> None:
    body = Block((call(6, 4, 5, 1, by=1, fresh=False),), 6, (4, 5))
    terms: list[Term] = [
        call(1, 0),
        call(2, 0, by=1),
        Refine("r", Checker("tests", "check"), 2, body, 3, 7),
    ]
    scenarios = point([HALF, call_model(0.6, recovery=np.array([[0.3]]))], tests=(0.9, 0.2))
    found = workflow(terms)
    exact = enumerate_workflow(found, np.zeros(2, int), scenarios, 0)
    assert one(terms, scenarios).success.item() == pytest.approx(exact.success, abs=1e-12)


def test_a_label_read_twice_takes_the_same_way_twice() -> None:
    def fork(first: int) -> Term:
        easy = Block((call(first, by=1),), first)
        hard = Block((call(first + 1, by=2),), first + 1)
        return Branch(f"b{first}", 1, (Case("easy", easy, 0.5), Case("hard", hard, 0.5)), first + 2)

    terms = [call(1, 0), fork(2), fork(5), Join("all", (4, 7), 8)]
    found = one(terms, point([HALF, SURE, call_model(0.0)]))
    assert found.success.item() == pytest.approx(0.5)


def test_retries_of_a_branch_on_an_outer_label_go_the_same_way() -> None:
    easy, hard = Block((call(2, by=1),), 2), Block((call(3, by=2),), 3)
    fork = Branch("b", 1, (Case("easy", easy), Case(None, hard)), 4, router=0)
    tries = Fallback("f", Checker("tests", "check"), (Block((fork,), 4),) * 3, 5)
    router = call_model(1.0, labels={"easy": np.array([[0.7]])})
    found = one([call(1, 0), tries], point([router, SURE, call_model(0.0)], tests=(1.0, 0.0)))
    assert found.success.item() == pytest.approx(0.7)
    assert found.calls.item() == pytest.approx(1 + 0.7 + 0.3 * 3)


def test_exclusive_cases_need_no_conditioning() -> None:
    """Twenty values, each read by both cases: 2²⁰ joint outcomes if they were shared."""
    drafts = [call(v) for v in range(1, 21)]
    values = tuple(range(1, 21))
    cases = (
        Case("easy", Block((Join("all", values, 30),), 30), 0.5),
        Case("hard", Block((Join("any", values, 31),), 31), 0.5),
    )
    found = one([*drafts, Branch("b", 0, cases, 32)], point([HALF]), arguments=(0,))
    assert found.success.item() == pytest.approx(0.5 * 0.5**20 + 0.5 * (1 - 0.5**20))


def test_a_candidate_of_two_votes_gives_both_the_same_wrong_answer() -> None:
    terms: list[Term] = [
        call(1),
        call(2),
        call(3),
        call(4),
        Vote((1, 2, 3), 5),
        Vote((4, 1, 2), 6),
        Join("any", (5, 6), 7),
    ]
    scenarios = point([call_model(0.4, wrong_agreement=np.array([[0.35]]))])
    exact = enumerate_workflow(workflow(terms), np.zeros(1, int), scenarios, 0)
    assert one(terms, scenarios).success.item() == pytest.approx(exact.success, abs=1e-12)


def test_a_candidate_named_twice_has_two_votes() -> None:
    scenarios = point([call_model(0.5, wrong_agreement=np.array([[0.0]])), call_model(0.9)])
    found = one([call(1, by=1), call(2), Vote((1, 2, 2), 3)], scenarios)
    assert found.success.item() == pytest.approx(0.5)


def test_retries_that_vote_on_outer_candidates_repeat_themselves() -> None:
    tier = Block((call(4), Vote((1, 2, 4), 5)), 5)
    terms: list[Term] = [
        call(1),
        call(2),
        Fallback("f", Checker("tests", "check"), (tier,) * 2, 6),
    ]
    scenarios = point([call_model(0.4, wrong_agreement=np.array([[0.35]]))], tests=(0.9, 0.3))
    exact = enumerate_workflow(workflow(terms), np.zeros(1, int), scenarios, 0)
    found = one(terms, scenarios)
    assert found.success.item() == pytest.approx(exact.success, abs=1e-12)
    assert found.calls.item() == pytest.approx(exact.calls, abs=1e-12)


def ladder(steps: int) -> Workflow:
    """Two values, and again and again two values that each read both."""
    terms: list[Term] = [call(1, 0), call(2, 0)]
    for _ in range(steps):
        left, right = terms[-2].output, terms[-1].output
        terms += [call(right + 1, left, right, by=1), call(right + 2, left, right, by=1)]
    terms.append(Join("any", (terms[-2].output, terms[-1].output), terms[-1].output + 1))
    return workflow(terms)


def test_a_long_ladder_is_a_markov_chain() -> None:
    """Eighty shared values in a row, of which only a few are open at once."""
    p, q, r = 0.6, 0.9, 0.3
    chain = {
        (a, b): (p if a else 1 - p) * (p if b else 1 - p) for a, b in product([0, 1], repeat=2)
    }
    for _ in range(40):
        after = dict.fromkeys(chain, 0.0)
        for (a, b), mass in chain.items():
            x = q if a and b else r
            for c, d in after:
                after[c, d] += mass * (x if c else 1 - x) * (x if d else 1 - x)
        chain = after
    scenarios = point([call_model(p), call_model(q, recovery=np.array([[r]]))])
    found = expect(ladder(40), [[0, 0]], scenarios)
    assert found.success.item() == pytest.approx(1 - chain[0, 0], abs=1e-12)


def test_layers_that_read_everything_before_them() -> None:
    """Five layers of four calls: 20 shared values, at most 8 told apart at once."""
    p, q, r = 0.7, 0.8, 0.4
    terms: list[Term] = [call(v, 0) for v in range(1, 5)]
    right = p**4
    for layer in range(1, 5):
        before = tuple(range(4 * layer - 3, 4 * layer + 1))
        terms += [call(4 * layer + i, *before, by=1) for i in range(1, 5)]
        right = right * q**4 + (1 - right) * r**4
    terms.append(Join("all", tuple(range(17, 21)), 21))
    scenarios = point([call_model(p), call_model(q, recovery=np.array([[r]]))])
    assert one(terms, scenarios).success.item() == pytest.approx(right, abs=1e-12)


def test_votes_on_many_shared_values() -> None:
    """Two votes on twelve candidates agree: of 2¹² outcomes only the number right matters."""
    values = tuple(range(1, 13))
    terms: list[Term] = [
        *(call(v) for v in values),
        Vote(values, 20),
        Vote(values, 21),
        Join("all", (20, 21), 22),
    ]
    once = one([*terms[:-3], Vote(values, 20)], point([call_model(0.6)]))
    assert one(terms, point([call_model(0.6)])).success == pytest.approx(once.success, abs=1e-12)


def test_thirty_values_may_be_shared_by_joins() -> None:
    values = tuple(range(1, 31))
    terms: list[Term] = [
        *(call(v) for v in values),
        Join("all", values, 40),
        Join("all", values, 41),
        Select("s", 1, (40,), (41,), 42),
    ]
    found = one(terms, point([call_model(0.9), call_model(0.8)]))
    assert found.success.item() == pytest.approx(0.8 * 0.9**30)


def test_too_many_shared_values_are_named() -> None:
    """Whether the second of each pair is right matters differently for each of 2¹³ firsts."""
    values = tuple(range(1, 27))
    terms: list[Term] = [
        *(call(v) for v in values),
        *(Join("any", (v, v + 13), v + 30) for v in range(1, 14)),
        Join("all", tuple(range(31, 44)), 50),
        Join("all", values, 51),
        Join("any", (50, 51), 52),
    ]
    with pytest.raises(CalculusError, match=r"call_1, call_2, .*call_20.*fewer") as raised:
        one(terms, point([HALF]))
    assert "4096 joint outcomes" in str(raised.value)


@pytest.mark.parametrize("execution", ["asyncio", "sequential"])
def test_what_tiers_take_depends_on_what_they_share(execution: str) -> None:
    """A tier with a retry of its own: its calls and its being run both hang on the plan."""
    inner = Fallback("in", Checker("tests", "in.check"), (Block((call(2, 1, by=1),), 2),) * 2, 3)
    outer = Fallback("out", Checker("tests", "out.check"), (Block((inner,), 3),) * 2, 4)
    terms: list[Term] = [call(1, 0), outer]
    scenarios = point([HALF, call_model(0.8)], tests=(0.9, 0.2))
    found = expect(workflow(terms), [[0, 0]], scenarios, execution)  # type: ignore[arg-type]
    exact = enumerate_workflow(workflow(terms), np.zeros(2, int), scenarios, 0)
    assert found.calls.item() == pytest.approx(exact.calls, abs=1e-12)
    assert found.latency.item() == pytest.approx(exact.sequential, abs=1e-12)
