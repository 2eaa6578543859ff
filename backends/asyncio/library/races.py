"""Races: several things at the same time, until it is decided what comes of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from flowir.backends.asyncio.library.values import T


async def race(
    lanes: Sequence[Callable[[], Awaitable[T]]],
    *,
    after: Sequence[float] | None = None,
    accepts: Callable[[T], Awaitable[bool]] | None = None,
) -> T:
    """What the first lane gives, or the first that is accepted; else what was judged last.

    Args:
        after: seconds after which each lane starts; what is decided before then never does.
    """

    async def judged(lane: Callable[[], Awaitable[T]], delay: float) -> tuple[T, bool]:
        if delay:
            await asyncio.sleep(delay)
        value = await lane()
        return value, accepts is None or await accepts(value)

    delays = [0.0] * len(lanes) if after is None else after
    parts = [judged(lane, delay) for lane, delay in zip(lanes, delays, strict=True)]
    async with as_finished(parts) as arrivals:
        async for _, found in arrivals:
            value, accepted = found
            if accepted:
                break
    return value


async def vote_at_quorum(
    lanes: Sequence[Callable[[], Awaitable[T]]],
    *,
    places: Sequence[int] | None = None,
    key: Callable[[T], Awaitable[object]] | None = None,
) -> T:
    """What there is most of, or the one whose key; the earliest among equals.

    It is known once the votes that are still out, all for any one other, would not change it.

    Args:
        places: the lane behind every vote; by default each lane has one.
    """

    async def keyed(lane: Callable[[], Awaitable[T]]) -> tuple[T, object]:
        value = await lane()
        return value, value if key is None else await key(value)

    there: dict[int, T] = {}
    labels: dict[int, str] = {}
    votes = range(len(lanes)) if places is None else places
    winner = None
    async with as_finished([keyed(lane) for lane in lanes]) as arrivals:
        async for lane, (value, label) in arrivals:
            text = label.strip() if isinstance(label, str) else json.dumps(label, sort_keys=True)
            there[lane], labels[lane] = value, text
            winner = settled([labels.get(vote) for vote in votes])
            if winner is not None:
                break
    assert winner is not None
    return there[votes[winner]]


def settled(labels: Sequence[str | None]) -> int | None:
    """The first vote for what wins whatever the votes that are None turn out to be."""
    missing = [place for place, label in enumerate(labels) if label is None]
    first_missing = missing[0] if missing else len(labels)
    counts = Counter(label for label in labels if label is not None)
    standing = {label: (count, -labels.index(label)) for label, count in counts.items()}
    leader = max(standing, key=lambda label: standing[label])
    threats = [
        (count + len(missing), -min(-place, first_missing))
        for label, (count, place) in standing.items()
        if label != leader
    ]
    if missing:
        threats.append((len(missing), -first_missing))
    return None if any(threat > standing[leader] for threat in threats) else -standing[leader][1]


async def ready(value: T) -> T:
    """A value that is there already."""
    return value


TURNS_OF_AN_INSTANT = 32


@dataclass(eq=False)
class Race:
    """A race, those it is a lane's part of, and how many in its lanes await an instant's end."""

    around: Sequence[Any]
    waiting: int = 0

    async def end_of_instant(self) -> None:
        """Let all that ends now come out of its regions: of that, the earliest lane is first."""
        for other in self.around:
            other.waiting += 1
        try:
            quiet = 0
            while quiet < TURNS_OF_AN_INSTANT:
                quiet = 0 if self.waiting else quiet + 1
                await asyncio.sleep(0)
        finally:
            for other in self.around:
                other.waiting -= 1


RACES_AROUND: ContextVar[Sequence[Race]] = ContextVar("the races that a lane is in", default=())


@asynccontextmanager
async def as_finished(
    parts: Sequence[Coroutine[Any, Any, T]],
) -> AsyncIterator[AsyncIterator[tuple[int, T]]]:
    """What things give, with their numbers, as they finish; the rest is cancelled in the end."""
    own = Race(RACES_AROUND.get())
    outside = RACES_AROUND.set([*own.around, own])
    tasks = {asyncio.create_task(part): number for number, part in enumerate(parts)}
    RACES_AROUND.reset(outside)

    async def arrivals() -> AsyncIterator[tuple[int, T]]:
        pending = set(tasks)
        while pending:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if not all(task.done() for task in pending):
                await own.end_of_instant()
            done = {task for task in pending if task.done()}
            pending -= done
            for task in sorted(done, key=lambda task: tasks[task]):
                yield tasks[task], task.result()

    try:
        yield arrivals()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
