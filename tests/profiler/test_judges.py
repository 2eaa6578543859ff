"""Judges: known cases, laws, and a sandbox that holds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.errors import ProfilerError
from flowir.profiler import sandbox
from flowir.profiler.judges import (
    CannotJudgeError,
    Case,
    Function,
    best,
    exact,
    judge_named,
    judge_of_metric,
    last_number,
    numeric,
    token_f1,
)
from flowir.profiler.sandbox import run_python

words = st.lists(st.sampled_from(["cat", "dog", "bird", "fish", "cow"]), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("answer", "expected", "score"),
    [(" Paris\n", "paris", 1), ("ＡＢ c", "ab  C", 1), ("Paris.", "Paris", 0), ("", "x", 0)],
)
def test_exact(answer: str, expected: str, score: float) -> None:
    assert exact(answer, expected) == score


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so it is $1,234.50.", 1234.5),
        ("x = -3e5", -3e5),
        ("first 7, then 3/8", 0.375),
        ("−4 degrees", -4),
        ("\\boxed{.5}", 0.5),
        ("none", None),
        ("12 is 3 times 4.", 4),
    ],
)
def test_the_last_number_is_the_answer(text: str, number: float | None) -> None:
    assert last_number(text) == number


def test_numbers() -> None:
    assert numeric("it is 0.3333333333", "1/3") == 1
    assert numeric("it is 0.333", "1/3") == 0
    assert numeric("no idea", "5") == 0
    assert numeric("1/0", "5") == 0
    with pytest.raises(CannotJudgeError):
        numeric("5", "five")


@given(words, words)
def test_token_f1_is_symmetric_and_counts_common_words(one: list[str], other: list[str]) -> None:
    left, right = " ".join(one), f"The {' '.join(other)}!"
    common = sum(min(one.count(word), other.count(word)) for word in set(one))
    precision, recall = common / len(one), common / len(other)
    score = 2 * precision * recall / (precision + recall) if common else 0
    assert token_f1(left, right) == pytest.approx(score)
    assert token_f1(left, right) == token_f1(right, left)
    assert token_f1(left, left.upper()) == 1


def test_the_best_of_several_right_answers_counts() -> None:
    judge = judge_named("f1")
    assert asyncio.run(best(judge, "a cat", ["dog", "the cat sat", "cat"], {})) == 1
    assert asyncio.run(best(judge, "a cat", [], {})) == 0


@pytest.mark.parametrize(
    ("answer", "tests", "score"),
    [
        ("def f(x):\n    return 2 * x", "assert f(3) == 6", 1),
        ("def f(x):\n    return x", "assert f(3) == 6", 0),
        ("def f(x:", "assert f(3) == 6", 0),
        ("import sys\nsys.exit(0)", "assert False", 0),
        ("import os\nos._exit(0)", "assert False", 0),
        ("print('x' * 10_000)\ndef f(x): return 2 * x", "assert f(3) == 6", 1),
    ],
)
def test_code_passes_iff_it_reaches_its_end(answer: str, tests: str, score: float) -> None:
    assert asyncio.run(judge_named("code")(Case(answer, tests, {}))) == score


def test_a_program_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """The child would write after two seconds; it does not live so long."""
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(2); open({str(mark)!r}, 'w')"
    program = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}])"
    assert run_python(program).passed
    time.sleep(2.5)
    assert not mark.exists()
    assert "did not end" in run_python("while True: pass", 0.5).said


@pytest.mark.parametrize(
    "program",
    [
        "x = bytearray(4 << 30)",
        "open('big', 'wb').write(bytes(64 << 20))",
        "import os\nos.environ['SECRET']",
    ],
    ids=["memory", "file", "environment"],
)
def test_the_sandbox_keeps_its_limits(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "key")
    assert not run_python(program).passed


def test_a_sandbox_that_cannot_start_says_nothing_of_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox.sys, "executable", "/nowhere/python")
    with pytest.raises(CannotJudgeError, match="sandbox"):
        asyncio.run(judge_named("code")(Case("1", "1", {})))


def half(answer: str, expected: Any, fields: dict[str, Any]) -> float:
    return 0.5 if answer == expected + fields["more"] else 2.0


async def later(answer: str, expected: Any, fields: dict[str, Any]) -> bool:
    await asyncio.sleep(0)
    if answer == "raise":
        raise KeyError("no")
    return bool(answer == expected)


def test_a_function_of_the_user_judges() -> None:
    judge = Function("half", half)
    assert asyncio.run(judge(Case("ab", "a", {"more": "b"}))) == 0.5
    with pytest.raises(CannotJudgeError, match=r"gave 2\.0"):
        asyncio.run(judge(Case("a", "a", {"more": "b"})))
    judge = Function("later", later)
    assert asyncio.run(judge(Case("a", "a", {}))) == 1.0
    with pytest.raises(CannotJudgeError, match="KeyError"):
        asyncio.run(judge(Case("raise", "a", {})))


def test_names_of_judges() -> None:
    assert judge_named("operator:eq").name == "operator:eq"
    with pytest.raises(ProfilerError, match="exact, number, f1"):
        judge_named("exakt")
    with pytest.raises(ProfilerError, match="cannot be imported"):
        judge_named("operator:nothing")
    with pytest.raises(ProfilerError, match="not a function"):
        judge_named("math:pi")
    metrics = {"token F1": "f1", "Exact match": "exact", "my.module:judge": "my.module:judge"}
    assert {m: judge_of_metric(m) for m in metrics} == metrics
    assert judge_of_metric("passes the hidden tests") is None
    assert judge_of_metric(None) is None
