"""The Game of 24, with a plan for every step that is taken: make 24 of four numbers.

    python -m flowir.examples.plans.game24 [NUMBERS] [--live MODEL] [--base-url URL]

Each plan proposes what can follow from the states kept so far, all of them at once, and keeps the
most promising; then the joiner either sees 24 or asks for another plan. If the states kept lead
nowhere, it starts again and keeps others: how many plans there are depends on the numbers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from flowir.examples.plans.asking import Example, main, tool_signature
from flowir.runtime.fetching import PlanTool
from flowir.runtime.replanning import Request

GOAL = 24
KEPT = 5
STEP_S = 0.8
"""Seconds of proposing, and of rating; where a model does it: assumed."""

State = dict[str, str]
"""Of each number that is left, how it was made: `{"(4 - 1)": "3", "8": "8"}`."""


def _next(state: State) -> Iterator[State]:
    for (one, x), (other, y) in combinations(state.items(), 2):
        left = {made: value for made, value in state.items() if made not in (one, other)}
        a, b = Fraction(x), Fraction(y)
        made = {
            f"({one} + {other})": a + b, f"({one} * {other})": a * b,
            f"({one} - {other})": a - b, f"({other} - {one})": b - a,
        }  # fmt: skip
        if b:
            made[f"({one} / {other})"] = a / b
        if a:
            made[f"({other} / {one})"] = b / a
        yield from ({**left, how: str(value)} for how, value in made.items())


def _promise(state: State) -> float:
    """How near to 24 two of the numbers come; what is too far from it is hopeless."""
    values = [Fraction(value) for value in state.values()]
    if len(values) == 1:
        return 2.0 if values[0] == GOAL else 0.0
    nearest = min(abs(Fraction(v) - GOAL) for after in _next(state) for v in after.values())
    return 1 / (1 + float(nearest)) - 0.01 * sum(value.denominator != 1 for value in values)


async def propose(state: State) -> list[State]:
    """The states that follow from one by joining two numbers."""
    await asyncio.sleep(STEP_S)
    return list(_next(state))


async def rate(states: list[State]) -> list[list[object]]:
    """Each state with its promise, the most promising first."""
    await asyncio.sleep(STEP_S)
    rated = sorted(((_promise(state), json.dumps(state)) for state in states), reverse=True)
    return [[round(promise, 4), json.loads(state)] for promise, state in rated]


def keep(rated: list[list[list[object]]], skip: int = 0) -> list[object]:
    """The five most promising of several lists of rated states, after so many."""
    every = {json.dumps(state): promise for states in rated for promise, state in states}
    best = sorted(every.items(), key=lambda pair: (-float(str(pair[1])), pair[0]))
    return [json.loads(state) for state, _ in best[skip : skip + KEPT]]


TOOLS = {
    "propose": PlanTool(tool_signature(propose, "states that follow from a state"), propose),
    "rate": PlanTool(tool_signature(rate, "states, the most promising first"), rate),
    "keep": PlanTool(tool_signature(keep, "the five best of several lists of rated states"), keep),
}


def _kept(request: Request) -> tuple[list[State], int]:
    """The states that the last plan kept, and how many plans have begun from the start."""
    last = request.history.rsplit("Observation: ", 1)[1].splitlines()[0]
    return json.loads(last), request.history.count("start again")


def _plan(numbers: Sequence[int], request: Request) -> str:
    first, skip = request.first, 0
    begin = json.dumps({f"{n}{chr(96 + i)}": str(n) for i, n in enumerate(numbers, 1)})
    from_: list[str] = [begin]
    if request.history:
        kept, again = _kept(request)
        if request.history.rstrip().endswith("start again"):
            skip = KEPT * again
        else:
            from_ = [f"${first - 1}[{i}]" for i in range(len(kept))]
    lines: list[str] = []
    for state in from_:
        number = first + len(lines)
        lines += [f"{number}. propose({state})", f"{number + 1}. rate(${number})"]
    rated = ", ".join(f"${first + i}" for i in range(1, len(lines), 2))
    lines.append(f"{first + len(lines)}. keep([{rated}], {skip})")
    return "\n".join([*lines, f"{first + len(lines)}. join()"]) + "\n"


def _join(request: Request) -> str:
    kept, _ = _kept(request)
    solved = [
        how for state in kept if len(state) == 1 for how, v in state.items() if v == str(GOAL)
    ]
    if solved:
        plain = "".join(sign for sign in solved[0] if not sign.isalpha())
        return f"Action: Finish({plain[1:-1]} = {GOAL})"
    if request.last:
        return "Action: Finish(not found)"
    done = not kept or len(kept[0]) == 1
    return f"Action: Replan({'start again' if done else 'go on from the states kept'})"


def game(*numbers: int) -> Example:
    """The game for four numbers."""
    return Example(
        "Game of 24",
        f"Make {GOAL} of {', '.join(map(str, numbers))}, each once, with + - * / and brackets.",
        TOOLS,
        lambda request: _plan(numbers, request),
        _join,
        max_replans=11,
    )


if __name__ == "__main__":
    words = sys.argv[1:]
    count = next((i for i, word in enumerate(words) if not word.isdigit()), len(words))
    sys.exit(main(game(*(map(int, words[:count] or (4, 9, 10, 13)))), words[count:]))
