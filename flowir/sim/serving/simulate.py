"""A load, a cluster and a scheduler: what became of each request. Everything here is simulated."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from flowir.errors import SimulationError
from flowir.serving.requests import EngineLoad, Placement, ReadyCall, ServedRequest
from flowir.serving.scheduler import StageScheduler
from flowir.sim.serving.replica import Job, Replica
from flowir.sim.serving.workload import Arrival

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SpeedChange:
    """An endpoint takes `slowdown` times what its profile says, from `at` seconds on."""

    at: float
    endpoint: str
    slowdown: float


@dataclass(frozen=True)
class Conditions:
    """What makes load information worse than it could be.

    Attributes:
        refresh_s: the load of endpoints is seen anew so often, not at every moment. Calls sent in
            between are known, those that ended are not.
        changes: of the speed of endpoints; seen like the load.
    """

    refresh_s: float = 0.0
    changes: tuple[SpeedChange, ...] = ()


@dataclass(frozen=True, eq=False)
class Served:
    """What became of N requests, in order of arrival.

    Attributes:
        arrived, ended: [N] seconds.
        kept: [N] whether the configuration used keeps accuracy.
        most_active: per endpoint, most slots held at once.
        rounds: times the scheduler was asked.
    """

    arrived: Floats
    ended: Floats
    kept: npt.NDArray[np.bool_]
    most_active: dict[str, int]
    rounds: int

    @property
    def latency(self) -> Floats:
        """[N] seconds from arrival to answer."""
        return self.ended - self.arrived


def simulate(
    arrivals: Sequence[Arrival],
    replicas: Sequence[Replica],
    scheduler: StageScheduler,
    conditions: Conditions | None = None,
) -> Served:
    """Serve every arrival to its end.

    Raises:
        SimulationError: the scheduler placed a call on a full endpoint it could see to be full, or
            left calls unplaced on an idle cluster.
    """
    return _Run(arrivals, replicas, scheduler, conditions or Conditions()).run()


@dataclass(eq=False)
class _Live:
    """A request under way: what schedulers see, and what they do not."""

    request: ServedRequest
    arrival: Arrival
    left: dict[str, int] = field(default_factory=dict)


class _Run:
    def __init__(
        self,
        arrivals: Sequence[Arrival],
        replicas: Sequence[Replica],
        scheduler: StageScheduler,
        conditions: Conditions,
    ) -> None:
        self.arrivals = arrivals
        self.replicas = {replica.endpoint: replica for replica in replicas}
        self.order = list(self.replicas)
        self.scheduler = scheduler
        self.conditions = conditions
        self.live: dict[str, _Live] = {}
        self.ready: list[ReadyCall] = []
        self.ended = np.full(len(arrivals), np.nan)
        self.kept = np.zeros(len(arrivals), dtype=bool)
        self.events: list[tuple[float, int, int]] = []
        self.seen: dict[str, tuple[int, EngineLoad]] = {}
        self.refreshed = -np.inf
        self.rounds = 0

    def run(self) -> Served:
        """Events in order of time: arrivals, changes of speed, then what engines end."""
        changes = sorted(self.conditions.changes, key=lambda change: change.at)
        coming, changing = 0, 0
        while True:
            arrives = self.arrivals[coming].at if coming < len(self.arrivals) else np.inf
            alters = changes[changing].at if changing < len(changes) else np.inf
            ends = self._next_end()
            refresh = self._next_refresh()
            now = min(arrives, ends, refresh if self.ready else np.inf)
            if now == np.inf:
                break
            now = min(now, alters)
            if now == alters:
                self._change(changes[changing])
                changing += 1
            elif now == arrives:
                self._arrive(coming)
                coming += 1
            elif now == ends and not self._end(now):
                continue  # no slot has become free, and no call ready
            if self.ready:
                self._place(now)
        if self.ready:
            raise SimulationError(f"{len(self.ready)} calls were never placed")
        return Served(
            np.array([arrival.at for arrival in self.arrivals]),
            self.ended,
            self.kept,
            {name: replica.most_active for name, replica in self.replicas.items()},
            self.rounds,
        )

    def _next_end(self) -> float:
        """When the next engine ends something; predictions that no longer hold are dropped."""
        while self.events:
            at, number, changes = self.events[0]
            if self.replicas[self.order[number]].changes == changes:
                return at
            heapq.heappop(self.events)
        return np.inf

    def _next_refresh(self) -> float:
        return self.refreshed + self.conditions.refresh_s if self.conditions.refresh_s else np.inf

    def _predict(self, replica: Replica) -> None:
        at = replica.next_event()
        if at < np.inf:
            number = self.order.index(replica.endpoint)
            heapq.heappush(self.events, (at, number, replica.changes))

    def _change(self, change: SpeedChange) -> None:
        replica = self.replicas[change.endpoint]
        replica.advance(max(change.at, replica.now))
        replica.set_slowdown(change.slowdown)
        self._predict(replica)

    def _arrive(self, number: int) -> None:
        arrival = self.arrivals[number]
        request = ServedRequest(str(number), number, arrival.workflow, arrival.routed, arrival.at)
        self.live[request.id] = _Live(request, arrival)
        for stage in arrival.workflow.stages:
            if not stage.after:
                self._ready(request.id, stage.name, arrival.at)

    def _ready(self, name: str, stage: str, now: float) -> None:
        live = self.live[name]
        tokens = live.arrival.tokens[live.arrival.workflow.level[stage]]
        live.left[stage] = len(tokens)
        self.ready += [
            ReadyCall(live.request, stage, read, now, call) for call, (read, _) in enumerate(tokens)
        ]

    def _end(self, now: float) -> bool:
        """What an engine was to end next; whether that was a call."""
        _, number, _ = heapq.heappop(self.events)
        replica = self.replicas[self.order[number]]
        replica.advance(now)
        job = replica.finish_next()
        self._predict(replica)
        if job is None:
            return False
        call = job.owner
        assert isinstance(call, ReadyCall)
        live = self.live[call.request.id]
        live.left[call.stage] -= 1
        if live.left[call.stage]:
            return True
        _revise(live)
        stages = live.arrival.workflow.stages
        for stage in stages:
            if call.stage in stage.after and all(live.left.get(a) == 0 for a in stage.after):
                self._ready(call.request.id, stage.name, now)
        if len(live.left) == len(stages) and not any(live.left.values()):
            self._finished(live, now)
        return True

    def _finished(self, live: _Live, now: float) -> None:
        request = live.request
        row = [request.chosen[stage.name] for stage in request.workflow.stages]
        self.ended[request.number] = now
        self.kept[request.number] = row in live.arrival.keeps
        self.scheduler.forget(request)
        del self.live[request.id]

    def _place(self, now: float) -> None:
        loads = list(self._loads(now))
        self.rounds += 1
        placements = self.scheduler.place(self.ready, loads, now)
        if not placements:
            return
        placed = {id(placement.call) for placement in placements}
        self.ready = [call for call in self.ready if id(call) not in placed]
        for placement in placements:
            self._submit(placement, now)

    def _submit(self, placement: Placement, now: float) -> None:
        call, replica = placement.call, self.replicas[placement.endpoint]
        live = self.live[call.request.id]
        level = live.arrival.workflow.level[call.stage]
        read, written = live.arrival.tokens[level][call.call]
        replica.advance(now)
        if not self.conditions.refresh_s and replica.active >= replica.engine.slots:
            raise SimulationError(f"{replica.endpoint} was full when a call was placed there")
        replica.submit(Job(call, read, written))
        self._predict(replica)
        if self.conditions.refresh_s:
            changes, load = self.seen[replica.endpoint]
            self.seen[replica.endpoint] = (
                changes,
                replace(
                    load, prefilling=load.prefilling + 1, prefill_tokens=load.prefill_tokens + read
                ),
            )

    def _loads(self, now: float) -> Iterator[EngineLoad]:
        """What is seen of each endpoint."""
        stale = self.conditions.refresh_s
        if stale and now >= self.refreshed + stale:
            self.refreshed = now
            self.seen.clear()
        for name, replica in self.replicas.items():
            if name not in self.seen or (not stale and self.seen[name][0] != replica.changes):
                self.seen[name] = replica.changes, replica.load()
            yield self.seen[name][1]


def _revise(live: _Live) -> None:
    """After its first stage a request may be known better: as far as what was chosen allows."""
    revised = live.arrival.revised
    done = [stage for stage, left in live.left.items() if left == 0]
    if revised is None or len(done) != 1:
        return
    for stage, choice in live.request.chosen.items():
        if choice not in revised.open(stage):
            return
        revised = revised.restrict(stage, choice)
    live.request.open = revised
