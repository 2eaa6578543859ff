"""Tasks that wait for an engine, in the order of a policy: heaps, so that none is ever scanned."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from flowir.scheduling.work import Task

Bucket = tuple[float, int]
"""When a query arrived, and as which; the same for all where queries do not matter."""


@dataclass(slots=True, eq=False)
class Entry:
    """A task that waits.

    Attributes:
        rank: smaller is served first, inside a bucket.
        items: those no batch has taken yet.
        ready_s: since when it waits.
        first: the first item that no batch has taken.
    """

    task: Task
    bucket: Bucket
    rank: float
    items: int
    ready_s: float
    first: int = 0


class Queue:
    """Entries by bucket, and in a bucket by rank; equal ranks as they came.

    Attributes:
        items: of all entries together.
    """

    def __init__(self, rounds: bool) -> None:
        self.items = 0
        self._rounds = rounds
        self._order: list[Bucket] = []
        self._buckets: dict[Bucket, list[tuple[float, int, Entry]]] = {}
        self._by_time: deque[Entry] = deque()
        self._pushed = 0

    def push(self, entry: Entry) -> None:
        """Let a task wait."""
        bucket = self._buckets.get(entry.bucket)
        if bucket is None:
            bucket = self._buckets[entry.bucket] = []
            heappush(self._order, entry.bucket)
        heappush(bucket, (entry.rank, self._pushed, entry))
        self._by_time.append(entry)
        self._pushed += 1
        self.items += entry.items

    def head(self) -> tuple[Bucket, float, int] | None:
        """By what the next entry compares with that of another queue; None where none waits."""
        if not self._order:
            return None
        rank, _, entry = self._buckets[self._order[0]][0]
        return entry.bucket, rank, entry.task.node

    def waits_since(self) -> float | None:
        """When the one that waits longest became ready."""
        while self._by_time and not self._by_time[0].items:
            self._by_time.popleft()
        return self._by_time[0].ready_s if self._by_time else None

    def take(self, accept: Callable[[Entry], int]) -> None:
        """Offer entries in order; `accept` says how many items it takes, and fewer than all stop.

        In rounds, each bucket offers those of its first rank; then each those of its next.
        """
        again: list[Bucket] = []
        full = False
        while not full:
            if not self._order:
                if not again:
                    break
                self._order, again = again, []
                heapify(self._order)
            key = heappop(self._order)
            bucket = self._buckets[key]
            first = bucket[0][0]
            while bucket and not full and (not self._rounds or bucket[0][0] == first):
                entry = bucket[0][2]
                taken = accept(entry) if entry.items else 0
                entry.items -= taken
                self.items -= taken
                full = entry.items > 0
                if not full:
                    heappop(bucket)
            if bucket:
                again.append(key)
            else:
                del self._buckets[key]
        for key in again:
            heappush(self._order, key)

    def discard(self, entry: Entry) -> None:
        """Forget an entry; what is left of it is passed over later."""
        self.items -= entry.items
        entry.items = 0

    def remove(self, keep: Callable[[Entry], bool]) -> None:
        """Forget entries; this one looks at all."""
        kept = {}
        for key, bucket in self._buckets.items():
            left = []
            for item in bucket:
                if keep(item[2]):
                    left.append(item)
                else:
                    self.items -= item[2].items
                    item[2].items = 0
            if left:
                heapify(left)
                kept[key] = left
        self._buckets = kept
        self._order = sorted(kept)
