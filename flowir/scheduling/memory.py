"""The KV cache of a language model: what requests have reserved, and prefixes kept for later."""

from __future__ import annotations

from heapq import heappop, heappush

from flowir.scheduling.queues import Bucket

Key = tuple[Bucket, int]
"""A node of a query, whose prefix is kept."""


class Memory:
    """Tokens of context; reserved + kept never exceeds the capacity.

    What is reserved stays until it is released. What is kept gives way: the youngest query's goes
    first, so that early prefills never stand in the way of a request that could run.

    Attributes:
        reserved, kept: tokens.
        evictions: prefixes given up, so far.
    """

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.reserved = 0.0
        self.kept = 0.0
        self.evictions = 0
        self._prefixes: dict[Key, float] = {}
        self._youngest: list[tuple[float, int, int]] = []

    def fits(self, tokens: float) -> bool:
        """Whether so much can be reserved, were every kept prefix given up."""
        # Sums of the same numbers in another order differ in the last digits.
        return self.reserved + tokens <= self.capacity * (1 + 1e-12)

    def holds(self, key: Key) -> bool:
        """Whether the prefix is still there."""
        return key in self._prefixes

    def reserve(self, tokens: float) -> None:
        """Take so much, giving up kept prefixes where needed."""
        self.reserved += tokens
        while self._prefixes and self.reserved + self.kept > self.capacity:
            arrived, order, node = heappop(self._youngest)
            if self.drop(((-arrived, -order), -node)):
                self.evictions += 1

    def release(self, tokens: float) -> None:
        """Give back what was reserved."""
        self.reserved -= tokens

    def keep(self, key: Key, tokens: float) -> None:
        """Keep a prefix, after the request that wrote it has released at least as much."""
        (arrived, order), node = key
        self._prefixes[key] = tokens
        self.kept += tokens
        heappush(self._youngest, (-arrived, -order, -node))

    def drop(self, key: Key) -> bool:
        """Forget a prefix; whether there was one."""
        tokens = self._prefixes.pop(key, None)
        if tokens is None:
            return False
        self.kept = self.kept - tokens if self._prefixes else 0.0
        return True
