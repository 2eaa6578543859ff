"""Keeps every model busy until there is nothing more to ask, or a limit is reached.

Which calls come next is not decided here: a `Chooser` is asked for them in batches.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flowir.profile.calls import Call, Key
from flowir.profiler.caller import Caller, FailedError, NotAskedError
from flowir.profiler.judges import CannotJudgeError
from flowir.profiler.judging import Reader, judged
from flowir.profiler.requests import Request


@dataclass(frozen=True)
class Situation:
    """What a chooser may look at.

    Attributes:
        calls: finished calls, in the order in which they ended, judged or not.
        open: requests under way.
        room: for each model that is asked, how many more calls may begin now.
        spent_usd: US dollars so far, all runs on the store together.
    """

    calls: Mapping[Key, Call]
    open: frozenset[Key]
    room: Mapping[str, int]
    spent_usd: float


Chooser = Callable[[Situation], Sequence[Request]]
"""Which requests come next: at most as many for each model as there is room, none twice.

It is asked whenever a call has ended. No requests while some are under way means: not yet. No
requests while none is means: that is all. A request that failed may be asked for again; the grid
does not.
"""


class Grid:
    """All requests once, in the order given for each model."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._waiting: dict[str, deque[Request]] = {}
        for one in requests:
            self._waiting.setdefault(one.model, deque()).append(one)

    def __call__(self, situation: Situation) -> list[Request]:
        chosen: list[Request] = []
        for model, waiting in self._waiting.items():
            room = situation.room.get(model, 0)
            while waiting and room:
                one = waiting.popleft()
                if one.key not in situation.calls:
                    chosen.append(one)
                    room -= 1
        return chosen


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        answered: calls made in this run.
        failed: requests that failed for reasons of the environment.
        unjudged: calls that the judge failed on, and what it said first.
        interrupted: somebody asked to stop.
    """

    answered: int = 0
    failed: int = 0
    unjudged: int = 0
    first_unjudged: str = ""
    interrupted: bool = False


@dataclass
class Engine:
    """Runs what a chooser wants.

    Attributes:
        readers: how answers are judged, by agent.
        changed: called after every call that ended.
    """

    caller: Caller
    readers: Mapping[str, Reader]
    changed: Callable[[], None] = lambda: None
    outcome: Outcome = field(default_factory=Outcome)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Begin nothing more; what is under way is finished and stored."""
        self.outcome.interrupted = self.caller.stopped = True
        self._stop.set()

    async def run(self, choose: Chooser) -> Outcome:
        """Until the chooser wants nothing more, a limit is reached, or somebody stops it.

        Raises:
            StoreFullError: the disk is full.
        """
        open_calls: dict[asyncio.Task[None], Request] = {}
        stopped = asyncio.ensure_future(self._stop.wait())
        limits = self.caller.limits
        try:
            while True:
                for request in self._wanted(choose, open_calls.values()):
                    open_calls[asyncio.create_task(self._one(request))] = request
                if not open_calls:
                    break
                waiting = {*open_calls} if self._stop.is_set() else {*open_calls, stopped}
                done, _ = await asyncio.wait(
                    waiting, timeout=limits.seconds_left, return_when=asyncio.FIRST_COMPLETED
                )
                if not done and limits.out_of_time:
                    break
                for task in done:
                    if open_calls.pop(task, None) is not None:  # type: ignore[arg-type]
                        task.result()
        finally:
            stopped.cancel()
            for task in open_calls:
                task.cancel()
            await asyncio.gather(*open_calls, return_exceptions=True)
        self.caller.store.check()
        return self.outcome

    def _wanted(self, choose: Chooser, under_way: Iterable[Request]) -> Sequence[Request]:
        caller = self.caller
        if self._stop.is_set() or caller.store.full or caller.limits.out_of_time:
            return ()
        requests = list(under_way)
        taken = Counter(one.model for one in requests)
        room = {
            model: places
            for model, lane in caller.lanes.items()
            if (places := lane.places - taken[model]) > 0
        }
        if not room:
            return ()
        return choose(
            Situation(
                caller.store.calls,
                frozenset(one.key for one in requests),
                room,
                caller.limits.spent_usd,
            )
        )

    async def _one(self, request: Request) -> None:
        """Ask, store, judge, store."""
        try:
            call = await self.caller.ask(request)
        except NotAskedError:
            return
        except FailedError:
            self.outcome.failed += 1
            self.changed()
            return
        self.outcome.answered += 1
        await self.judge(request, call)
        self.changed()

    async def judge(self, request: Request, call: Call) -> None:
        """Judge a call that is not judged yet and whose text is there."""
        assert request.example is not None
        if call.judgement is not None or call.output is None:
            return
        reader = self.readers[request.key.agent]
        try:
            found = await judged(reader, call.output, request.example)
        except CannotJudgeError as error:
            self.outcome.unjudged += 1
            self.outcome.first_unjudged = self.outcome.first_unjudged or str(error)
            return
        self.caller.store.judge(request.key, found)
