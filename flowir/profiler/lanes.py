"""One lane per model: how many calls at a time and per minute, and whether it answers at all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

NEVER_ANSWERED = 2
"""A model that never answered is given up after so many failed calls, all repeats done."""
GIVE_UP_AFTER = 8
"""A model that has answered is given up after so many failed calls in a row."""
REFUSALS = frozenset({401, 402, 403, 404, 429})
"""A lasting failure with one of these is about the key or the model, not about the call."""


@dataclass
class Lane:
    """The way to one model. Times are on the clock of the event loop.

    Attributes:
        concurrency: most requests open at the same time; one until the first answer, so that a
            wrong key or name costs one request.
        per_minute: most requests begun in a minute, evenly spaced; None for no limit.
        down: why the model is not asked any more; empty while it is.
    """

    model: str
    concurrency: int = 8
    per_minute: float | None = None
    answered: int = 0
    failed_in_a_row: int = 0
    down: str = ""
    _free_at: float = 0.0

    @property
    def places(self) -> int:
        """How many calls may be under way now."""
        if self.down:
            return 0
        return self.concurrency if self.answered else 1

    async def turn(self) -> None:
        """Wait for the place of one request in the rate, and for the end of a pause."""
        now = asyncio.get_running_loop().time()
        start = max(now, self._free_at)
        if self.per_minute is not None:
            self._free_at = start + 60.0 / self.per_minute
        if start > now:
            await asyncio.sleep(start - now)

    def pause(self, seconds: float) -> None:
        """The provider asks for a pause: nobody begins a request before its end."""
        self._free_at = max(self._free_at, asyncio.get_running_loop().time() + seconds)

    def succeeded(self) -> None:
        """A call was answered."""
        self.answered += 1
        self.failed_in_a_row = 0

    def failed(self, reason: str, *, refused: bool) -> None:
        """A call failed for good; `refused`: because of the key or the model."""
        self.failed_in_a_row += 1
        most = GIVE_UP_AFTER if self.answered else NEVER_ANSWERED
        if refused or self.failed_in_a_row >= most:
            self.down = self.down or reason
