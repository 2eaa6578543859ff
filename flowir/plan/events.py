"""What a plan's text says, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

from flowir.plan.diagnostics import Diagnostic
from flowir.plan.signatures import Bound
from flowir.plan.values import references


@dataclass(frozen=True)
class Thought:
    """What the planner thought before the next task."""

    text: str
    line: int


@dataclass(frozen=True)
class Task:
    """One call of a tool, checked: it can start once the results that it refers to are there."""

    number: int
    tool: str
    arguments: Bound
    line: int

    @property
    def needs(self) -> tuple[int, ...]:
        """Numbers of the tasks it refers to, each once, in the order written."""
        found = (r.task for _, value in self.arguments for r in references(value))
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Join:
    """The end of the plan: it waits for every task."""

    number: int
    line: int


Event = Thought | Task | Join | Diagnostic
