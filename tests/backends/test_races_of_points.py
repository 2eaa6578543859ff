"""A race in a file for many points is the race of each: cancelled the same, or refused."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from xdsl.dialects.builtin import ModuleOp

from flowir.backends.asyncio.emit import emit
from flowir.errors import EmissionError
from flowir.passes.flow_select import FlowSelect
from flowir.search.annotate import front_from_ir
from flowir.sim import clock
from tests.backends.running import load
from tests.backends.test_asyncio_races import HEAD, Model, calls
from tests.strategies_ir import entry, parse, with_front

WAY = """
  %j = flow.alternatives "way" -> !flow.text
    "plain" {{
      flow.yield %{plain} : !flow.text
    }}
    "race" {{
      {inside}
      %k = flow.join first(%p, %q) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %k : !flow.text
    }}
"""
TAIL = "  flow.return %j : !flow.text\n}\n"
OUTSIDE = HEAD + calls("p", "q") + WAY.format(plain="p", inside="") + TAIL
INSIDE = HEAD + WAY.format(plain="x", inside=calls("p", "q")) + TAIL


def pointed(text: str) -> ModuleOp:
    """The module with a front in which both labels are chosen."""
    for seed in range(50):
        module = parse(text)
        with_front(module, random.Random(seed).randint)
        chosen = {point.choices for point in front_from_ir(entry(module)).points}
        if len(chosen) == 2:
            return module
    raise AssertionError("one label was never drawn")


def racing_point(module: ModuleOp) -> int:
    points = front_from_ir(entry(module)).points
    return next(i for i, point in enumerate(points) if point.choices == ("race",))


def selected(module: ModuleOp) -> ModuleOp:
    one = module.clone()
    FlowSelect(point=racing_point(module)).apply(None, one)  # type: ignore[arg-type]
    return one


def answer(module: ModuleOp, **options: object) -> tuple[str, float, list[str]]:
    """The answer, its seconds, and what was cancelled; %q is fast and %p slow."""
    model = Model(p=(3.0, "slow"), q=(1.0, "fast"))
    file = load(emit(module))
    result = clock.run(file.run({"x": "q"}, llm=model.llm, **options))
    return result.value, result.seconds, model.cancelled


def test_a_race_whose_candidates_are_made_inside_is_that_of_the_point() -> None:
    module = pointed(INSIDE)
    alone = answer(selected(module))
    assert alone == ("fast", 1.0, ["p"])
    assert answer(module, point=racing_point(module)) == alone


def test_a_race_whose_candidates_are_made_outside_is_refused() -> None:
    """Made for both regions they would be waited for, and the first operand would win."""
    module = pointed(OUTSIDE)
    with pytest.raises(EmissionError, match=r"starts and cancels p, q,.*run flow-select"):
        emit(module)
    assert answer(selected(module)) == ("fast", 1.0, ["p"])


def test_without_the_refusal_the_answers_would_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = pointed(OUTSIDE)
    nothing: Callable[[object], None] = lambda tree: None  # noqa: E731
    monkeypatch.setattr("flowir.backends.asyncio.program.require_same_races", nothing)
    assert answer(module, point=racing_point(module))[:2] == ("slow", 3.0)
