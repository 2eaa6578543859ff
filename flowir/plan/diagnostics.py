"""What is wrong with a plan, where, and the mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "repaired"]


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    Attributes:
        severity: `error`: the task, or the plan, does not stand. `warning`: it stands, and may not
            mean what the planner meant. `repaired`: it stands as the message says.
        line: from 1, in the text of this plan.
        column: from 1, in characters.
        message: what is wrong and, where there is one, the mend.
        task: the number of the task that does not stand or was repaired, where it has one.
    """

    severity: Severity
    line: int
    column: int
    message: str
    task: int | None = None

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.severity}: {self.message}"
