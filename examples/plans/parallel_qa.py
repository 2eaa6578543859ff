"""Searches, a calculation on each, one on all: questions in the manner of ParallelQA.

    python -m flowir.examples.plans.parallel_qa [--live MODEL] [--base-url URL]

The pages are stand-ins with round figures.
"""

from __future__ import annotations

import asyncio
import re
import sys

from flowir.examples.plans.asking import Example, main, search_in, tool_signature
from flowir.runtime.fetching import PlanTool
from flowir.runtime.replanning import Request

HEIGHTS = {"Everest": 8849, "Kilimanjaro": 5895, "Aconcagua": 6961, "Denali": 6190}
PAGES = {name: f"{name} is {metres} metres high." for name, metres in HEIGHTS.items()}
MATH_S = 0.5
"""Seconds of a calculation, where a model reads the text for it: assumed."""


async def math(how: str, of: list[str]) -> float:
    """The first number of each text, scaled (`scale 0.8`), or the largest of them (`largest`)."""
    await asyncio.sleep(MATH_S)
    numbers = [float(found[0]) for text in of if (found := re.search(r"-?\d+(\.\d+)?", str(text)))]
    match how.split():
        case ["scale", factor]:
            return round(numbers[0] * float(factor), 3)
        case ["largest"]:
            return max(numbers)
    raise ValueError(f"{how!r}: write `scale NUMBER` or `largest`")


TOOLS = {
    "search": search_in(PAGES),
    "math": PlanTool(
        tool_signature(math, "`scale NUMBER` of one text's number, or `largest` of several"), math
    ),
}
FACTORS = {"Everest": 0.6, "Kilimanjaro": 1.2, "Aconcagua": 0.9, "Denali": 1.1}


def _plan(request: Request) -> str:
    lines: list[str] = []
    for name, factor in FACTORS.items():
        number = len(lines) + 1
        lines.append(f'{number}. search("height of {name}")')
        lines.append(f'{number + 1}. math("scale {factor}", [${number}])')
    every = ", ".join(f"${number}" for number in range(2, len(lines) + 1, 2))
    lines += [f'{len(lines) + 1}. math("largest", [{every}])', f"{len(lines) + 2}. join()"]
    return "\n".join(lines) + "\n"


def _join(request: Request) -> str:
    results = [line[13:] for line in request.history.splitlines() if line.startswith("Observation")]
    highest = results[1:-1:2].index(results[-1])
    return f"Action: Finish({list(FACTORS)[highest]} ({results[-1]} m))"


EXAMPLE = Example(
    "ParallelQA",
    "Which is highest: Everest less 40 %, Kilimanjaro plus 20 %, Aconcagua less 10 % or Denali "
    "plus 10 %?",
    TOOLS,
    _plan,
    _join,
)

if __name__ == "__main__":
    sys.exit(main(EXAMPLE))
