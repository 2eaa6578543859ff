"""The tools of the FlowCompile workflows."""

from __future__ import annotations

import re

_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def extract(solution: str) -> str:
    """The answer in the last `\\boxed{}`, else the last number, else the text as it is."""
    if boxed := _BOXED.findall(solution):
        return str(boxed[-1]).strip()
    if numbers := _NUMBER.findall(solution):
        return str(numbers[-1]).replace(",", "")
    return solution.strip()
