"""The account of what a run uses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Answered calls and what they took; `cost_usd` is None where a price is not known."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    seconds: float = 0.0
    cancelled: int = 0
    """Requests cut short, by a race that was decided or a run that failed: they are billed, nobody
    here knows for how much."""

    def __add__(self, other: Usage) -> Usage:
        priced = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if priced else None,
            self.seconds + other.seconds,
            self.cancelled + other.cancelled,
        )
