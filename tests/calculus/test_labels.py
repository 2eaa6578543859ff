"""Which way branches go, and who wrote a value."""

from __future__ import annotations

import numpy as np
import pytest

from flowir.calculus.expectation import expect
from flowir.calculus.labels import LabelEvent, label_events
from flowir.calculus.terms import (
    Block,
    Branch,
    Case,
    Checker,
    Fallback,
    Join,
    Refine,
    Select,
    Term,
    ToolCall,
    Vote,
)
from flowir.calculus.writers import writers
from tests.calculus.samples import call, call_model, point, workflow


def fork(
    *cases: tuple[str | None, float | None], label: int = 0, router: int | None = None
) -> Branch:
    """A branch whose k-th case calls decision k + 1."""
    blocks = [Block((call(10 + k, by=k + 1),), 10 + k) for k in range(len(cases))]
    return Branch(
        "fork",
        label,
        tuple(Case(name, block, w) for (name, w), block in zip(cases, blocks, strict=True)),
        20,
        router,
    )


def shares(branch: Branch, **labels: float) -> list[float]:
    """How often each case is taken: the router is decision 0, and each case is right alone."""
    tables = {label: np.array([[p]]) for label, p in labels.items()}
    found = []
    for k in range(len(branch.cases)):
        right = [call_model(float(k == i)) for i in range(len(branch.cases))]
        scenarios = point([call_model(1.0, labels=tables), *right])
        sample = workflow([call(1, by=0), branch])
        found.append(expect(sample, [[0] * len(sample.decisions)], scenarios).success.item())
    return found


def test_the_routers_rows_win_over_given_weights() -> None:
    branch = fork(("easy", 0.5), ("hard", 0.5), label=1, router=0)
    assert shares(branch, easy=0.8, hard=0.2) == pytest.approx([0.8, 0.2])


def test_any_other_label_is_the_else_case() -> None:
    branch = fork(("easy", None), ("hard", None), (None, None), label=1, router=0)
    assert shares(branch, easy=0.5, hard=0.2, odd=0.3) == pytest.approx([0.5, 0.2, 0.3])


def test_without_an_else_case_the_named_labels_are_all_there_is() -> None:
    branch = fork(("easy", None), ("hard", None), label=1, router=0)
    assert shares(branch, easy=0.6, hard=0.2, odd=0.2) == pytest.approx([0.75, 0.25])


def test_a_router_that_lacks_a_label_does_not_serve() -> None:
    branch = fork(("easy", 0.9), ("hard", 0.1), label=1, router=0)
    assert shares(branch, easy=0.5) == pytest.approx([0.9, 0.1])


def test_cases_without_a_weight_share_what_is_left() -> None:
    assert shares(fork(("easy", 0.5), ("hard", None), (None, None))) == pytest.approx(
        [0.5, 0.25, 0.25]
    )
    assert shares(fork(("easy", None), (None, None))) == pytest.approx([0.5, 0.5])


def test_weights_differ_by_configuration_and_scenario_of_the_router() -> None:
    p = np.array([[0.9, 0.1], [0.4, 0.6]])
    router = call_model(np.ones((2, 2)), labels={"easy": p})
    branch = fork(("easy", None), (None, None), label=1, router=0)
    scenarios = point([router, call_model([[1.0, 1.0]]), call_model([[0.0, 0.0]])])
    # The router is named only by the branch: its label came from elsewhere, its settings count.
    for terms in ([call(1, by=0), branch], [branch]):
        found = expect(workflow(terms), [[0, 0, 0], [1, 0, 0]], scenarios)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.success, p)


def test_branches_on_one_label_have_one_event() -> None:
    first = fork(("easy", 0.2), ("hard", None), (None, None))
    second = fork(("hard", 0.3), ("odd", 0.1), (None, 0.6))
    event = label_events(Block((first, second), 20))[0]
    assert event == LabelEvent(("easy", "hard", "odd", None), (0.2, 0.3, 0.1, None), None)
    assert event.probabilities({}) == pytest.approx((0.2, 0.3, 0.1, 0.4))
    assert event.cases(first) == (0, 1, 2, 2)
    assert event.cases(second) == (2, 0, 1, 2)


def test_writers() -> None:
    check = Checker("tests", "check")
    same = (Block((call(10, by=3),), 10), Block((call(11, by=3),), 11))
    other = (Block((call(12, by=3),), 12), Block((call(13, by=4),), 13))
    keeps = Block((ToolCall("t", "t", (14,), 16),), 16, (14, 15))
    rewrites = Block((call(19, 17, 18, by=4),), 19, (17, 18))
    terms: tuple[Term, ...] = (
        call(1, 0, by=3),
        ToolCall("parse", "parse", (1,), 2),
        ToolCall("merge", "merge", (1, 2), 3),
        Fallback("same", check, same, 4),
        Fallback("other", check, other, 5),
        Branch("fork", 0, (Case("a", Block((), 1)), Case("b", same[0])), 6),
        Refine("keeps", check, 1, keeps, 2, 7),
        Refine("rewrites", check, 1, rewrites, 2, 8),
        Join("all", (1, 2), 9),
        Vote((1, 2), 21),
        Select("pick", 5, (), (1, 2), 22),
    )
    found = writers(Block(terms, 22))
    assert {v: found[v] for v in (*range(1, 10), 21, 22)} == {
        1: 3,
        2: 3,
        3: None,
        4: 3,
        5: None,
        6: 3,
        7: 3,
        8: None,
        9: None,
        21: None,
        22: None,
    }
    assert found[16] == 3
    # In a refine whose body writes otherwise, the value at hand may be either's.
    assert found.get(17) is None
