"""Width and depth learned from recorded plans."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowir.plan.events import Task
from flowir.plan.reader import read_plan
from flowir.plan.shapes import Counts, Recorded, ShapeError, learned, widths
from flowir.plan.values import Reference
from tests.plan.plans import TOOLS


def _plan(levels: list[int]) -> list[Task]:
    """A plan with so many tasks on each level."""
    tasks: list[Task] = []
    before: tuple[Reference, ...] = ()
    for width in levels:
        new = [Task(len(tasks) + i + 1, "math", (("problem", before),), 0) for i in range(width)]
        tasks += new
        before = tuple(Reference(task.number) for task in new)
    return tasks


@given(st.lists(st.integers(1, 5), max_size=6))
def test_levels_are_counted(levels: list[int]) -> None:
    assert widths(_plan(levels)) == levels


def test_results_of_earlier_plans_make_no_level() -> None:
    later = read_plan('5. math("$1 $3")\n6. math("$5")\n7. join()', TOOLS, first=5, known=[1, 3])
    assert widths([event for event in later if isinstance(event, Task)]) == [1, 1]


def test_many_plans_give_what_they_were_drawn_from() -> None:
    draw = random.Random(3)
    truth = {1: 0.2, 2: 0.5, 4: 0.3}
    depths = {1: 0.25, 3: 0.75}

    def drawn(chances: dict[int, float]) -> int:
        return draw.choices(list(chances), list(chances.values()))[0]

    plans = [Recorded(_plan([drawn(truth) for _ in range(drawn(depths))]), draw.random() < 0.2)
             for _ in range(3000)]  # fmt: skip
    shape = learned(plans)
    for count in range(1, 6):
        assert shape.width.mean[count] == pytest.approx(truth.get(count, 0), abs=0.02)
    for count in range(1, 5):
        assert shape.depth.mean[count] == pytest.approx(depths.get(count, 0), abs=0.03)
    low, high = shape.depth.interval()[3]
    assert low < 0.75 < high < low + 0.04
    asked, finished = shape.replan
    assert asked / (asked + finished) == pytest.approx(0.2, abs=0.03)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Chances drawn from the prior itself: the posterior's intervals must be calibrated."""
    draw, held, runs = random.Random(1), 0, 300
    for run in range(runs):
        parts = [draw.gammavariate(1 / 3, 1) for _ in range(3)]
        truth = [part / sum(parts) for part in parts]
        seen = draw.choices([0, 1, 2], truth, k=8)
        posterior = Counts(tuple(seen.count(i) + 1 / 3 for i in range(3)))
        low, high = posterior.interval(0.8, seed=run)[2]
        held += low <= truth[1] <= high
    assert 0.7 < held / runs < 0.9


def test_few_plans_leave_doubt_and_levels_of_one_plan_are_one_record() -> None:
    one = learned([Recorded(_plan([2]))])
    deep = learned([Recorded(_plan([2] * 50))])
    assert one.width.weights == pytest.approx(deep.width.weights)
    assert one.width.mean[3] > 0.1
    many = learned([Recorded(_plan([2]))] * 100)
    assert many.width.mean[3] < 0.01
    mean, low, high = many.width.expected()
    assert low < mean < high
    assert mean == pytest.approx(2, abs=0.01)


def test_the_op_reads_what_was_learned() -> None:
    plans = [Recorded(_plan([2, 1]), False)] * 7 + [Recorded(_plan([4, 2, 1]), True)] * 2
    attribute = learned(plans).attribute
    attribute.verify()
    assert sum(chance for _, chance in attribute.width.distribution) == pytest.approx(1)
    assert attribute.replan_right.data == pytest.approx(2.5 / 10)
    assert str(attribute).startswith("#flow.plan_shape<width = {1: 0.4")


def test_no_tasks_are_said() -> None:
    with pytest.raises(ShapeError, match="no recorded plan has a task"):
        learned([Recorded([])])
