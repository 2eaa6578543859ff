"""Races: several lanes at once, until it is decided what their join gives.

What ends in one instant has ended at the same time, however many regions it comes out of: of that,
the earliest operand is first. What still runs then is cancelled, and waited for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from xdsl.ir import Operation
from xdsl.traits import MemoryEffectKind, get_effects

T = TypeVar("T")

Lane = Callable[[], Awaitable[T]]

TURNS = 32
"""Turns of the event loop after which an instant is over: every region takes two or three."""


@dataclass(eq=False)
class _Race:
    """A race that runs, in a lane of those `around` it.

    `waiting` counts the races in its own lanes that wait for the end of an instant.
    """

    around: tuple[_Race, ...]
    waiting: int = 0

    async def end_of_instant(self) -> None:
        """Return when all that ends in this instant has come out of its regions."""
        for race in self.around:
            race.waiting += 1
        try:
            quiet = 0
            while quiet < TURNS:
                quiet = 0 if self.waiting else quiet + 1
                await asyncio.sleep(0)
        finally:
            for race in self.around:
                race.waiting -= 1


_AROUND: ContextVar[tuple[_Race, ...]] = ContextVar("the races that a lane is in", default=())


def droppable(op: Operation) -> bool:
    """Whether an operation may be cancelled: it is known not to write to the world."""
    effects = get_effects(op)
    return effects is not None and all(e.kind is not MemoryEffectKind.WRITE for e in effects)


async def first(
    lanes: Sequence[Lane[T]],
    delays: Sequence[float],
    judge: Callable[[T], Awaitable[bool]] | None = None,
) -> T:
    """What the first lane gives, or the first that is accepted; else what was judged last.

    Args:
        delays: seconds after which each lane starts.
        judge: whether what a lane gave is accepted; None where anything is.

    Raises:
        Exception: whatever a lane or a judgement raised before the race was decided.
    """

    async def run(lane: Lane[T], delay: float) -> tuple[T, bool]:
        if delay > 0.0:
            await asyncio.sleep(delay)
        value = await lane()
        return value, judge is None or await judge(value)

    parts = [run(lane, delay) for lane, delay in zip(lanes, delays, strict=True)]
    async with _finished(parts) as arrivals:
        async for _, found in arrivals:
            value, accepted = found
            if accepted:
                break
    return value


async def vote_at_quorum(
    lanes: Sequence[Lane[T]],
    places: Sequence[int],
    label: Callable[[T], Awaitable[Hashable]],
) -> T:
    """The value that a vote chooses, once its label cannot be overtaken.

    Args:
        places: the lane that makes each operand.
        label: what a value counts as.

    Raises:
        Exception: whatever a lane, or `label`, raised before the vote was decided.
    """

    async def run(lane: Lane[T]) -> tuple[T, Hashable]:
        value = await lane()
        return value, await label(value)

    there: dict[int, tuple[T, Hashable]] = {}
    async with _finished([run(lane) for lane in lanes]) as arrivals:
        async for number, found in arrivals:
            there[number] = found
            labels = [there[place][1] if place in there else None for place in places]
            winner = settled(labels)
            if winner is not None:
                break
    assert winner is not None
    return there[places[winner]][0]


def settled(labels: Sequence[Hashable | None]) -> int | None:
    """The first operand with the label that wins a vote whatever is missing turns out to be.

    Most votes win, ties go to the label whose first operand is the earliest. None while the votes
    that are missing, all cast for any one other label, would make that one win.

    Args:
        labels: of every operand, None where it is missing.
    """
    n = len(labels)
    missing = [place for place, label in enumerate(labels) if label is None]
    counts = Counter(label for label in labels if label is not None)
    if not counts:
        return None
    earliest = {label: labels.index(label) for label in counts}
    leader = max(counts, key=lambda label: (counts[label], -earliest[label]))
    best = (counts[leader], -earliest[leader])
    first_missing = missing[0] if missing else n
    rivals = [
        (counts[label] + len(missing), -min(earliest[label], first_missing))
        for label in counts
        if label != leader
    ]
    if missing:
        rivals.append((len(missing), -first_missing))
    return None if any(rival > best for rival in rivals) else earliest[leader]


@asynccontextmanager
async def _finished(
    parts: Sequence[Awaitable[T]],
) -> AsyncIterator[AsyncIterator[tuple[int, T]]]:
    """What awaitables give, as they finish; within one instant in order. The rest is cancelled."""

    async def one(part: Awaitable[T]) -> T:
        return await part

    race = _Race(_AROUND.get())
    outside = _AROUND.set((*race.around, race))
    tasks = {asyncio.create_task(one(part)): number for number, part in enumerate(parts)}
    _AROUND.reset(outside)

    async def arrivals() -> AsyncIterator[tuple[int, T]]:
        pending = set(tasks)
        while pending:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if not all(task.done() for task in pending):
                await race.end_of_instant()
            done = {task for task in pending if task.done()}
            pending -= done
            for task in sorted(done, key=tasks.__getitem__):
                yield tasks[task], task.result()

    try:
        yield arrivals()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
