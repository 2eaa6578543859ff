"""Simulated planners and joiners: plans of the expected shape, whose tasks carry marks.

A plan's mark stands in an argument of each of its tasks, and tools pass it on; so the joiner sees
in its history whether what was found is right. A joiner that asks for another plan says a word that
tells what was seen before from what came after.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowir.calculus.plans import PlanShape
from flowir.errors import SimulationError
from flowir.plan.signatures import Kind, Signature
from flowir.plan.values import Value, written
from flowir.sim.draws import Draw
from flowir.sim.marks import right_answer, wrong_answer

AGAIN = "simulated_replan"
LAST = "No other plan can follow"
"""What `flowir.runtime.replanning` tells the joiner of the last plan."""

_PLAIN: dict[Kind, Value] = {"integer": 1, "number": 1.0, "boolean": True}


def plan_lines(
    shape: PlanShape,
    tools: Sequence[Signature],
    topic: int,
    right: bool,
    first: int,
    draws: Sequence[Draw],
) -> list[str]:
    """The lines of a plan: levels of tasks that refer to the level before, and the join.

    Args:
        topic: of its marks.
        right: whether the plan is; its tasks then are with the shape's chance.
        first: the number of its first task.
        draws: the first decides how large it is, each other one about a task.

    Raises:
        SimulationError: a tool that takes nothing in which a mark can stand.
    """
    size, *each = draws
    width = _count(shape.width, size.uniform(Draw.CORRECT))
    depth = _count(shape.depth, size.uniform(Draw.AGREES))
    lines = []
    for number in range(width * depth):
        draw = each[number]
        tool = tools[int(draw.uniform(Draw.CHOICE) * len(tools))]
        done = right and draw.uniform(Draw.CORRECT) < shape.right
        level = number // width
        before = [first + other for other in range((level - 1) * width, level * width) if level]
        mark = right_answer(topic) if done else wrong_answer(topic)
        shown = " ".join([mark, *(f"${{{n}}}" for n in before)])
        lines.append(f"{first + number}. {_call(tool, shown)}\n")
    return [*lines, f"{first + width * depth}. join()<END_OF_PLAN>\n"]


def _count(sizes: Sequence[tuple[int, float]], uniform: float) -> int:
    end = 0.0
    for count, chance in sizes:
        end += chance
        if uniform < end:
            return count
    return sizes[-1][0]


def _call(tool: Signature, shown: str) -> str:
    """A call with the text in its first argument that can hold one."""
    arguments = []
    held = False
    for parameter in tool.parameters:
        kind = parameter.kind
        holds = not held and kind not in _PLAIN
        if not (parameter.required or holds):
            continue
        text = shown if holds else "x"
        held = held or holds
        values = {"list": f"[{_quoted(text)}]", "object": f'{{"a": {_quoted(text)}}}'}
        value = written(_PLAIN[kind]) if kind in _PLAIN else values.get(kind, _quoted(text))
        arguments.append(f"{parameter.name}={value}")
    if not held:
        raise SimulationError(
            f"tool @{tool.name}: it takes no text, so a simulated plan cannot show what is right; "
            "simulate the workflow with a tool that does"
        )
    return f"{tool.name}({', '.join(arguments)})"


def _quoted(text: str) -> str:
    return f'"{text}"'


def next_task(text: str) -> int:
    """The number that a prompt says the next task has."""
    found = re.findall(r"The next task is number (\d+)", text)
    return int(found[-1]) if found else 1


def last_plan(text: str) -> str:
    """What a prompt shows of the last plan."""
    return text.rpartition(AGAIN)[2]
