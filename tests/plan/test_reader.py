"""A plan's text: any split gives the same plan, and nothing but findings comes of a bad one."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.plan import arguments
from flowir.plan.diagnostics import Diagnostic
from flowir.plan.events import Event, Join, Task
from flowir.plan.reader import Limits, PlanReader, read_plan
from flowir.plan.values import Record, Reference, Template, substitute, written
from tests.plan.plans import MATH, PLANS, SEARCH, TOOLS

REPAIR = pytest.mark.parametrize("repair", [False, True])


def _in_pieces(pieces: list[str], repair: bool) -> list[Event]:
    reader = PlanReader(TOOLS, repair=repair)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.close()]


def _tasks(text: str, **options: Any) -> dict[int, Task]:
    return {e.number: e for e in read_plan(text, TOOLS, **options) if isinstance(e, Task)}


def _says(text: str, severity: str = "error", **options: Any) -> list[str]:
    found = read_plan(text, TOOLS, **options)
    return [str(e) for e in found if isinstance(e, Diagnostic) and e.severity == severity]


@REPAIR
@pytest.mark.parametrize("number", range(len(PLANS)))
def test_every_split_gives_the_same_events(number: int, repair: bool) -> None:
    text = PLANS[number]
    whole = read_plan(text, TOOLS, repair=repair)
    for at in range(len(text) + 1):
        assert _in_pieces([text[:at], text[at:]], repair) == whole
    for size in (1, 2, 3, 4, 7):
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        assert _in_pieces(pieces, repair) == whole


LINES = st.lists(st.sampled_from([line + "\n" for text in PLANS for line in text.split("\n")]))
BITS = st.lists(
    st.sampled_from([*"\"'()[]{}$\\,=.#:1230 \n\r", "search", "join", "$1", '"""', "<END_OF_PLAN>"])
    | st.text(max_size=3)
)  # fmt: skip


@given(LINES | BITS, st.booleans(), st.lists(st.integers(0, 200)))
def test_any_text_gives_findings_and_no_exception(
    parts: list[str], repair: bool, cuts: list[int]
) -> None:
    text = "".join(parts)
    whole = read_plan(text, TOOLS, repair=repair)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    assert _in_pieces(pieces, repair) == whole
    known: set[int] = set()
    for event in whole:
        if isinstance(event, Task):
            assert event.number not in known
            assert set(event.needs) <= known
            known.add(event.number)
    joins = [isinstance(event, Join) for event in whole]
    assert sum(joins) <= 1
    if not any(joins):
        assert any(isinstance(e, Diagnostic) and e.severity == "error" for e in whole)


REFERENCES = st.builds(
    Reference,
    st.integers(1, 3),
    st.lists(st.integers(0, 9) | st.text("ab ", min_size=1), max_size=3).map(tuple),
)  # fmt: skip
TEMPLATES = st.lists(st.text(max_size=4) | REFERENCES, min_size=1, max_size=5).filter(
    lambda parts: any(isinstance(part, str) and part for part in parts)
)
ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | REFERENCES | TEMPLATES.map(lambda parts: Template(tuple(parts)))
)  # fmt: skip
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
            lambda entries: Record(tuple(entries.items()))
        )
    ),
    max_leaves=8,
)


class _Anything(dict[Any, Any]):
    """A result into which every path leads."""

    def __missing__(self, key: Any) -> Any:
        return _Anything(at=key)

    def __contains__(self, key: Any) -> bool:
        return True


@given(VALUES)
def test_a_value_written_is_read_again(value: Any) -> None:
    text = f'1. speak()\n2. speak()\n3. speak()\n4. math("p", [{written(value)}])\n5. join()'
    read = dict(_tasks(text)[4].arguments)["context"]
    results = {1: _Anything(), 2: _Anything(), 3: _Anything()}
    assert substitute(read, results) == substitute((value,), results)


def test_a_task_is_out_with_its_closing_bracket() -> None:
    reader = PlanReader(TOOLS)
    assert reader.feed('1. search("a) (b') == []
    assert [type(e) for e in reader.feed('")')] == [Task]
    assert reader.feed(" # c\n2. search(In Cold Blood (novel)") == []
    assert reader.feed(")") == []  # bare text goes on to the end of its line
    assert [type(e) for e in reader.feed("\n")] == [Task]


def test_a_line_without_its_bracket_is_said_and_not_dropped() -> None:
    plan = '1. search("a"\n2. math("$1")\n3. join()\n'
    assert [line.split(":")[0] for line in _says(plan)] == ["line 1, column 14", "line 2, column 9"]
    assert "$1 refers to a task that was refused" in _says(plan.replace('"$1"', "$1"))[1]
    assert "')'" in _says(plan)[0]
    mended = _tasks(plan, repair=True)
    assert mended[1].arguments == (("query", "a"),)
    assert mended[2].needs == (1,)
    assert "closed" in _says(plan, "repaired", repair=True)[0]


def test_forward_references_and_a_task_s_own_are_said() -> None:
    found = _says('1. math($2)\n2. math($2)\n3. search("a")\n4. join()\n')
    assert "line 1, column 9: error: $2 refers to no task so far" in found[0]
    assert "line 2, column 9: error: task 2 refers to itself" in found[1]
    assert list(_tasks('1. math($2)\n2. math($2)\n3. search("a")\n4. join()\n')) == [3]
    assert "$$2" in _says('1. search("$2 a day")\n2. join()', "warning")[0]


def test_the_tool_that_a_misspelt_name_means_is_named() -> None:
    assert "did you mean search?" in _says('1. serch("a")\n2. join()')[0]
    assert "the tools are search, math, speak, turn" in _says('1. fly("a")\n2. join()')[0]
    assert _tasks('1. Search("a")\n2. join()', repair=True)[1].tool == "search"
    assert _tasks('1. fly("a")\n2. join()', repair=True) == {}


def test_arguments_are_held_against_the_signature() -> None:
    assert "takes 1 argument, not 2" in _says('1. search("a", "b")\n2. join()')[0]
    assert "wants 'query' too" in _says("1. search()\n2. join()")[0]
    assert "no parameter 'q'; it takes query" in _says('1. search(q="a")\n2. join()')[0]
    assert "wants list as 'context', not 3" in _says('1. math("a", 3)\n2. join()')[0]
    assert _tasks("1. search(42)\n2. join()", repair=True)[1].arguments == (("query", "42"),)


def test_numbers_are_used_once() -> None:
    plan = '1. search("a")\n1. search("b")\n2. join()'
    assert "number 1 is taken by a task of line 1; use 2" in _says(plan)[0]
    assert _tasks(plan)[1].arguments == (("query", "a"),)
    assert _says(plan.replace('"b"', '"a"'), repair=True) == []
    assert "an earlier plan" in _says(plan, first=2, known=[1])[0]


def test_a_later_plan_refers_to_an_earlier_one() -> None:
    assert _tasks('5. math("$4 $3")\n6. join()', first=5, known=[3, 4])[5].needs == (4, 3)


def test_references_in_text_and_outside() -> None:
    plan = '1. search("a")\n2. search("b")\n3. math("${1}+${2}", ["$1", $2.price[0]])\n4. join()'
    assert _tasks(plan)[3].arguments == (
        ("problem", Template((Reference(1), "+", Reference(2)))),
        ("context", (Reference(1), Reference(2, ("price", 0)))),
    )
    assert _tasks("1. speak()\n2. math(${1} + $1)\n3. join()")[2].arguments == (
        ("problem", Template((Reference(1), " + ", Reference(1)))),
    )


def test_a_plan_without_a_join_is_said() -> None:
    assert "no join: its last line should be `2. join()`" in _says('1. search("a")')[0]
    assert read_plan('1. search("a")', TOOLS, repair=True)[-1] == Join(2, 1)


@pytest.mark.parametrize("size", [1, 50])
def test_a_planner_that_never_ends_is_stopped(size: int) -> None:
    limits = Limits(tasks=5, characters=200)
    for line in ['search("a")\n', "words " * 20]:
        reader = PlanReader((SEARCH, MATH), limits=limits)
        number, fed, events = 0, 0, []
        while not reader.over:
            number += 1
            text = f"{number}. {line}"
            for at in range(0, len(text), size):
                fed += len(text[at : at + size])
                events += reader.feed(text[at : at + size])
            assert fed < 1000
        assert "what follows is not read" in str(events[-1])
        assert reader.feed("7. join()\n") == reader.close() == []


def test_named_arguments_go_over_several_lines() -> None:
    plan = '1. math(problem="a",\n  context=[1,\n  2])\n2. join()\n'
    assert _tasks(plan)[1].arguments == (("problem", "a"), ("context", (1, 2)))


LITERALS = [
    ("a long string with brackets", lambda n: "(a) b) " * n, '"{}"'),
    ("escaped quotes", lambda n: '\\")' * n, '"{}"'),
    ("three quotes with quotes inside", lambda n: 'a")"' * n + "b", '"""{}"""'),
    ("many values", lambda n: "(1), " * n, "[{}]"),
    ("lines", lambda n: '(1),\n"a)",\n' * n, "[{}]"),
]


@pytest.mark.parametrize(("about", "inside", "around"), LITERALS)
def test_each_character_is_looked_at_once(
    monkeypatch: pytest.MonkeyPatch, about: str, inside: Any, around: str
) -> None:
    """What patterns go over in a literal that arrives in small pieces grows with its length."""
    looked = 0

    class Counting:
        def __init__(self, pattern: re.Pattern[str]) -> None:
            self.pattern = pattern

        def match(self, text: str, at: int = 0, end: int = 10**9) -> re.Match[str] | None:
            nonlocal looked
            found = self.pattern.match(text, at, end)
            looked += 1 if found is None else found.end() - found.start() + 1
            return found

    monkeypatch.setattr(arguments, "_TOKEN", Counting(arguments._TOKEN))
    unclosed = {quote: Counting(pattern) for quote, pattern in arguments._UNCLOSED.items()}
    monkeypatch.setattr(arguments, "_UNCLOSED", unclosed)
    counts = []
    for repeats in (50, 200):
        looked = 0
        text = f'1. math("a", [{around.format(inside(repeats))}])\n2. join()\n'
        events = _in_pieces([text[i : i + 3] for i in range(0, len(text), 3)], False)
        assert [type(event) for event in events] == [Task, Join]
        counts.append(looked / len(text))
    assert counts[1] < 1.5 * counts[0]
    assert counts[1] < 6
