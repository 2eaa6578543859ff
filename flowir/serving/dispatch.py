"""Gives each model call of each run its configuration and endpoint, at the moment of the call.

The scheduler decides; this is the asyncio around it. A call waits in the order of arrival until
the scheduler places it. A call that failed on one endpoint is sent to another that serves the same
model, before anything else is.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from flowir.serving.loads import Flight, Replica
from flowir.serving.requests import EngineLoad, Placement, ReadyCall, ServedRequest
from flowir.serving.scheduler import StageScheduler
from flowir.serving.sets import ConfigurationSet

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
"""How long a call waits while every endpoint that could take it rests."""


class UnavailableError(Exception):
    """No endpoint that could take a call is alive."""


@dataclass(eq=False)
class Grant:
    """Leave to make one call; give it back by `ended`, `failed` or `dropped`."""

    request: ServedRequest
    stage: str
    choice: int
    replica: Replica
    flight: Flight
    number: int


@dataclass(eq=False)
class _Waiting:
    call: ReadyCall
    granted: asyncio.Future[Grant]
    avoid: frozenset[str] = frozenset()


@dataclass(eq=False)
class Dispatcher:
    """Places calls as they come.

    Attributes:
        replicas: one per model and endpoint, by name.
        noticed: told how long each round of the scheduler took, in seconds.
    """

    scheduler: StageScheduler
    replicas: Mapping[str, Replica]
    noticed: Callable[[float], None] = lambda seconds: None
    _waiting: dict[ReadyCall, _Waiting] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _sets: dict[str, ConfigurationSet] = field(default_factory=dict)
    _under_way: dict[tuple[str, str], int] = field(default_factory=dict)
    _due: bool = False
    _timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Calls that no endpoint has taken yet."""
        return len(self._waiting)

    def now(self) -> float:
        """Seconds on the clock of arrivals and deadlines."""
        return asyncio.get_running_loop().time()

    async def acquire(
        self,
        request: ServedRequest,
        stage: str,
        input_tokens: float,
        avoid: Collection[str] = (),
    ) -> Grant:
        """Wait until the call may be made.

        Args:
            avoid: replicas on which it has failed; they are taken only where no other is there.

        Raises:
            UnavailableError: all that could take it rest, and did so for too long.
        """
        self._sets.setdefault(request.id, request.open)
        call = ReadyCall(request, stage, input_tokens, self.now(), next(self._numbers))
        waiting = _Waiting(call, asyncio.get_running_loop().create_future(), frozenset(avoid))
        self._waiting[call] = waiting
        if len(self._waiting) == 1 and not self._due:
            self._round()  # Nobody waits whom it would have to be weighed against.
        else:
            self._soon()
        try:
            return await waiting.granted
        except asyncio.CancelledError:
            granted = waiting.granted
            if granted.done() and not granted.cancelled() and granted.exception() is None:
                self.dropped(granted.result())
            raise
        finally:
            self._waiting.pop(call, None)

    def ended(self, grant: Grant, input_tokens: int, output_tokens: int) -> None:
        """The call was answered, with so many tokens."""
        seconds = self.now() - grant.flight.began
        grant.flight.input_tokens = input_tokens or grant.flight.input_tokens
        grant.flight.output_tokens = output_tokens or grant.flight.output_tokens
        grant.replica.ended(grant.flight, seconds)
        ended = grant.request.ended
        ended[grant.stage] = ended.get(grant.stage, 0) + 1
        self._back(grant)

    def failed(self, grant: Grant, rest_s: float | None = None, timed_out: bool = False) -> None:
        """The call failed on this endpoint; `rest_s` is how long it asked to be left alone."""
        if timed_out:
            grant.replica.slow(grant.flight, self.now() - grant.flight.began)
        grant.replica.failed(self.now(), rest_s)
        self._back(grant)

    def dropped(self, grant: Grant) -> None:
        """The call was cancelled; nothing is learned from it."""
        self._back(grant)

    def reopen(self, grant: Grant) -> None:
        """Take back the choice of a call that failed, where no other call depends on it.

        After it the configurations of other models are open again, as far as other stages allow.
        """
        request, stage = grant.request, grant.stage
        if request.ended.get(stage) or self._under_way.get((request.id, stage)):
            return
        request.chosen.pop(stage, None)
        opened = self._sets[request.id]
        for other, choice in request.chosen.items():
            if choice in opened.open(other):
                opened = opened.restrict(other, choice)
        request.open = opened

    def others(self, grant: Grant, avoid: Collection[str]) -> bool:
        """Whether another endpoint is alive that serves the model of a call."""
        now = self.now()
        return any(
            replica.model == grant.replica.model and replica.alive(now) and name not in avoid
            for name, replica in self.replicas.items()
        )

    def forget(self, request: ServedRequest) -> None:
        """The run has ended, well or not."""
        self._sets.pop(request.id, None)
        self.scheduler.forget(request)

    def wake(self) -> None:
        """Something about the endpoints has changed."""
        self._soon()

    def _back(self, grant: Grant) -> None:
        grant.replica.flights.pop(grant.number, None)
        key = (grant.request.id, grant.stage)
        self._under_way[key] = self._under_way.get(key, 0) - 1
        if self._under_way[key] <= 0:
            del self._under_way[key]
        self._soon()

    def _soon(self) -> None:
        """One round for all that changes in this turn of the event loop."""
        if not self._due and self._waiting:
            self._due = True
            asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        self._due = False
        now = self.now()
        self._again(now)
        ready = [one.call for one in self._waiting.values() if not one.avoid]
        ready = [call for call in ready if not self._waiting[call].granted.done()]
        if ready:
            began = time.perf_counter()
            for placement in self._placements(ready, now):
                self._place(placement, now)
            self.noticed(time.perf_counter() - began)
        self._give_up(now)
        self._at_next_change(now)

    def _placements(self, ready: Sequence[ReadyCall], now: float) -> Sequence[Placement]:
        """What the scheduler says; where it fails, first come, first served, on what is free."""
        loads = self._loads(now)
        try:
            return self.scheduler.place(ready, loads, now)
        except Exception:
            log.exception("the scheduler failed; calls go to whatever is free")
        free = {load.endpoint: load.free for load in loads}
        placed = []
        for call in sorted(ready, key=lambda call: call.order):
            for choice in self._choices(call):
                model = self._model(call, choice)
                there = [load.endpoint for load in loads if load.model == model]
                best = max(there, key=free.__getitem__, default=None)
                if best is not None and free[best]:
                    free[best] -= 1
                    if choice in call.request.open.open(call.stage):
                        call.request.choose(call.stage, choice)
                    placed.append(Placement(call, choice, best))
                    break
        return placed

    def _loads(self, now: float) -> list[EngineLoad]:
        return [replica.load(now) for replica in self.replicas.values()]

    def _place(self, placement: Placement, now: float) -> None:
        self._grant(placement.call, placement.choice, self.replicas[placement.endpoint], now)

    def _grant(self, call: ReadyCall, choice: int, replica: Replica, now: float) -> None:
        waiting = self._waiting.get(call)
        if waiting is None or waiting.granted.done():
            return
        stage = call.request.workflow.stages[call.request.workflow.level[call.stage]]
        expected = stage.choices[choice].output_tokens
        flight = Flight(call.input_tokens, expected, now)
        number = next(self._numbers)
        replica.flights[number] = flight
        key = (call.request.id, call.stage)
        self._under_way[key] = self._under_way.get(key, 0) + 1
        waiting.granted.set_result(Grant(call.request, call.stage, choice, replica, flight, number))

    def _again(self, now: float) -> None:
        """Calls that have failed elsewhere: to the emptiest other endpoint of their model."""
        for waiting in list(self._waiting.values()):
            if not waiting.avoid or waiting.granted.done():
                continue
            call = waiting.call
            choice = call.request.chosen.get(call.stage)
            if choice is None:  # Taken back: the scheduler chooses anew.
                waiting.avoid = frozenset()
                continue
            loads = {load.endpoint: load for load in self._loads(now)}
            model = self._model(call, choice)
            there = [name for name, one in self.replicas.items() if one.model == model]
            alive = [name for name in there if loads[name].alive]
            fresh = [name for name in alive if name not in waiting.avoid] or alive
            free = [name for name in fresh if loads[name].free]
            if free:
                best = min(free, key=lambda name: (loads[name].slowdown, -loads[name].free))
                self._grant(call, choice, self.replicas[best], now)

    def _model(self, call: ReadyCall, choice: int) -> str:
        workflow = call.request.workflow
        return workflow.stages[workflow.level[call.stage]].choices[choice].model

    def _able(self, call: ReadyCall) -> Sequence[Replica]:
        """Replicas that could take a call, by what is still open to it."""
        models = {self._model(call, choice) for choice in self._choices(call)}
        return [replica for replica in self.replicas.values() if replica.model in models]

    def _choices(self, call: ReadyCall) -> Sequence[int]:
        """What a call may still be made with."""
        chosen = call.request.chosen.get(call.stage)
        return call.request.open.open(call.stage) if chosen is None else (chosen,)

    def _give_up(self, now: float) -> None:
        for waiting in list(self._waiting.values()):
            if waiting.granted.done() or now - waiting.call.since < PATIENCE_S:
                continue
            if all(now < replica.rests_until for replica in self._able(waiting.call)):
                waiting.granted.set_exception(
                    UnavailableError(f"{waiting.call.stage}: no endpoint is alive")
                )

    def _at_next_change(self, now: float) -> None:
        """Look again when the next endpoint has rested."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        resting = [r.rests_until for r in self.replicas.values() if r.rests_until > now]
        if resting:
            wait = min(min(resting) - now, PATIENCE_S / 4)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(1e-3, wait), self._soon)

    def retry_after_s(self) -> float:
        """When the next endpoint that rests may be asked again; infinite where none does."""
        now = self.now()
        resting = [r.rests_until - now for r in self.replicas.values() if r.rests_until > now]
        return min(resting, default=math.inf)
