"""What a profile may take, and what it has taken: calls, US dollars, minutes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowir.configuration import Configuration
from flowir.profile.calls import Call
from flowir.profile.prices import Prices
from flowir.profiler.requests import Messages

UNSEEN_OUTPUT_TOKENS = 4096
"""The most a call is taken to write of which nothing is known, when money is set aside for it."""
HEADROOM = 2.0
"""A call is taken to write at most so many times the most written so far."""
MESSAGE_TOKENS = 8
"""What a chat format adds to one message, at most."""
LENGTH_LIMITS = ("max_completion_tokens", "max_tokens")


@dataclass
class Limits:
    """Hard limits. Calls and dollars count all that is in the store, minutes this run alone.

    Money is set aside before a call begins: its input at one token per byte (no byte-pair encoding
    makes more), its output at the length limit of its configuration, or at twice the longest answer
    seen of it. So dollars can be exceeded only by calls that have no length limit and write more
    than twice what was ever seen.

    Attributes:
        calls, dollars, minutes: None for no limit.
        tokens: read and written so far.
        reached: which limit stopped the run, in words; empty while none did.
    """

    prices: Prices = field(default_factory=Prices)
    calls: int | None = None
    dollars: float | None = None
    minutes: float | None = None
    begun: int = 0
    spent_usd: float = 0.0
    set_aside_usd: float = 0.0
    tokens: int = 0
    reached: str = ""
    _started: float = field(default_factory=time.monotonic)
    _longest: dict[tuple[str, Configuration], int] = field(default_factory=dict)

    def count(self, stored: Iterable[Call]) -> None:
        """Take calls of earlier runs into account."""
        for call in stored:
            self.begun += 1
            self.spent_usd += call.cost_usd or 0.0
            self._see(call)

    def admits(self, agent: str, configuration: Configuration, messages: Messages) -> float | None:
        """Set money aside for a call; gives how much, None where a limit forbids the call."""
        most = self.most_usd(agent, configuration, messages)
        if self.calls is not None and self.begun >= self.calls:
            self.reached = self.reached or f"{self.calls} calls"
        elif self.out_of_time:
            pass
        elif self.dollars is not None and self._committed_usd + most > self.dollars:
            self.reached = (
                f"{self.dollars:g} dollars ({self.spent_usd:.4g} spent, {self.set_aside_usd:.2g} "
                f"set aside for calls under way, and the next may take {most:.2g})"
            )
        if self.reached:
            return None
        self.begun += 1
        self.set_aside_usd += most
        return most

    def back(self, aside: float, call: Call | None) -> None:
        """A call ended: what was set aside is free, what it cost is spent.

        A failed call does not count.
        """
        self.set_aside_usd -= aside
        if call is None:
            self.begun -= 1
        else:
            self.spent_usd += call.cost_usd or 0.0
            self._see(call)

    @property
    def seconds_left(self) -> float | None:
        """Until the minutes are over; None without a limit."""
        if self.minutes is None:
            return None
        return max(0.0, 60.0 * self.minutes - (time.monotonic() - self._started))

    @property
    def out_of_time(self) -> bool:
        """Whether the minutes are over; then nothing is admitted any more."""
        if self.seconds_left == 0.0:
            self.reached = self.reached or f"{self.minutes:g} minutes"
        return bool(self.reached)

    @property
    def _committed_usd(self) -> float:
        return self.spent_usd + self.set_aside_usd

    def _see(self, call: Call) -> None:
        self.tokens += (call.input_tokens or 0) + (call.output_tokens or 0)
        arm = (call.key.agent, call.key.configuration)
        self._longest[arm] = max(self._longest.get(arm, 0), call.output_tokens or 0)

    def most_usd(self, agent: str, configuration: Configuration, messages: Messages) -> float:
        """The most that a call is taken to cost when money is set aside for it, in US dollars."""
        if configuration.model not in self.prices:
            return 0.0
        read, write = self.prices.per_token(configuration.model)
        size = sum(len(text.encode("utf-8", "replace")) + MESSAGE_TOKENS for _, text in messages)
        return size * read + self._most_output(agent, configuration) * write

    def _most_output(self, agent: str, configuration: Configuration) -> float:
        limits = dict(configuration.params)
        for name in LENGTH_LIMITS:
            if isinstance(limit := limits.get(name), int):
                return limit
        budget = configuration.budget if isinstance(configuration.budget, int) else 0
        seen = self._longest.get((agent, configuration), 0)
        return HEADROOM * seen if seen else UNSEEN_OUTPUT_TOKENS + budget


def dollars(limits: Limits) -> str:
    """What was spent, in words."""
    return f"${limits.spent_usd:.4f}" if limits.prices.by_model else "no prices"
