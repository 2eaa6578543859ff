"""Primitives of many queries on engines: events in time order, under the real scheduler."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Literal

from flowir.engines.engine import BatchEngine, Engine, LanguageModelEngine
from flowir.errors import SimulationError
from flowir.prim.graph import PrimitiveGraph
from flowir.scheduling.policies import OLDEST_FIRST, Policy
from flowir.scheduling.scheduler import Scheduler
from flowir.scheduling.work import Batch, Progress, Request, Task
from flowir.sim.continuous import Ended, Model


@dataclass(frozen=True)
class Arrival:
    """A query: when it comes, and what it is to run.

    Attributes:
        labels: what its conditions say; those left out are drawn from the graph's odds.
    """

    query: Hashable
    at_s: float
    graph: PrimitiveGraph
    labels: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of a query: times are of the simulated clock, the latency from its arrival.

    Attributes:
        labels: what its conditions said.
        ended_s: when nothing of it was left to do.
    """

    query: Hashable
    arrived_s: float
    answered_s: float
    ended_s: float
    labels: Mapping[int, str]

    @property
    def latency_s(self) -> float:
        """From arrival to the result."""
        return self.answered_s - self.arrived_s


@dataclass(frozen=True)
class Span:
    """What an engine did.

    Attributes:
        tasks: of a batch, or the one of a language model.
        items: of a batch.
    """

    engine: str
    tasks: tuple[Task, ...]
    begin_s: float
    end_s: float
    items: int = 1


@dataclass(frozen=True)
class PrimitiveRun:
    """One simulation.

    Attributes:
        answers: by arrival.
        spans: where they were to be recorded, by end.
        busy_s: of each engine, slots together.
        evictions: prefixes that gave way; their tokens were prefilled again where needed.
        recomputed_tokens: those.
    """

    answers: tuple[Answer, ...]
    spans: tuple[Span, ...]
    busy_s: Mapping[str, float]
    evictions: int
    recomputed_tokens: float

    @property
    def mean_latency_s(self) -> float:
        """Over all queries."""
        return sum(answer.latency_s for answer in self.answers) / len(self.answers)

    @property
    def makespan_s(self) -> float:
        """From the first arrival to the last answer."""
        return max(a.answered_s for a in self.answers) - min(a.arrived_s for a in self.answers)


_Kind = Literal["arrival", "batch", "model", "wake"]
_RANK: Mapping[_Kind, int] = {"batch": 0, "model": 1, "arrival": 2, "wake": 3}
"""Of events at the same time: what ends comes before what begins, so that slots are free."""


def simulate_primitives(
    arrivals: Sequence[Arrival],
    engines: Mapping[str, Engine],
    policy: Policy = OLDEST_FIRST,
    *,
    seed: int = 0,
    record: bool = False,
) -> PrimitiveRun:
    """Run all queries to their end; the same arguments give the same run.

    Raises:
        SchedulingError: a graph's engines are not there, or too small for it.
        SimulationError: something never became ready: guards and results that no label gives.
    """
    return _Simulation(arrivals, engines, policy, seed, record).run()


class _Simulation:
    def __init__(
        self,
        arrivals: Sequence[Arrival],
        engines: Mapping[str, Engine],
        policy: Policy,
        seed: int,
        record: bool,
    ) -> None:
        self._arrivals = arrivals
        self._engines = engines
        self._scheduler = Scheduler(engines, policy)
        self._models = {
            name: Model(engine)
            for name, engine in engines.items()
            if isinstance(engine, LanguageModelEngine)
        }
        self._busy = dict.fromkeys(engines, 0.0)
        self._graphs = {arrival.query: arrival for arrival in arrivals}
        self._seed = seed
        self._record = record
        self._events: list[tuple[float, int, int, object]] = []
        self._pushed = 0
        self._versions = dict.fromkeys(self._models, 0)
        self._touched: dict[str, None] = {}
        self._woken: float | None = None
        self._spans: list[Span] = []
        self._labels: dict[Hashable, dict[int, str]] = {a.query: {} for a in arrivals}
        self._answered: dict[Hashable, float] = {}
        self._ended: dict[Hashable, float] = {}
        self._recomputed = 0.0

    def run(self) -> PrimitiveRun:
        for arrival in self._arrivals:
            self._at(arrival.at_s, "arrival", arrival)
        while self._events:
            now = self._events[0][0]
            # Everything of this moment happens before anything is started.
            while self._events and self._events[0][0] == now:
                self._happen(heappop(self._events)[3], now)
            self._settle(now)
        if self._scheduler.queries:
            raise SimulationError(
                f"{len(self._scheduler.queries)} queries never ended, the first "
                f"{self._scheduler.queries[0]!r}"
            )
        answers = tuple(
            Answer(
                arrival.query,
                arrival.at_s,
                self._answered[arrival.query],
                self._ended[arrival.query],
                self._labels[arrival.query],
            )
            for arrival in sorted(self._arrivals, key=lambda arrival: arrival.at_s)
        )
        busy = {**self._busy, **{name: model.busy_s for name, model in self._models.items()}}
        return PrimitiveRun(
            answers, tuple(self._spans), busy, self._scheduler.evictions, self._recomputed
        )

    def _at(self, when: float, kind: _Kind, what: object) -> None:
        heappush(self._events, (float(when), _RANK[kind], self._pushed, what))
        self._pushed += 1

    def _happen(self, event: object, now: float) -> None:
        match event:
            case Arrival():
                self._follow(self._scheduler.arrive(event.query, event.graph, now), now)
            case (Batch() as batch, float(begin)):
                self._span(Span(batch.engine, tuple(s.task for s in batch.shares), begin, now,
                                batch.items))  # fmt: skip
                tasks = dict.fromkeys(share.task for share in batch.shares)
                labels = {t: self._label(t) for t in tasks if self._is_condition(t)}
                self._follow(self._scheduler.batch_done(batch, now, labels), now)
            case (str(name), int(version)) if version == self._versions[name]:
                model = self._models[name]
                self._touched[name] = None
                self._ends(name, model.advance(now), now)

    def _settle(self, now: float) -> None:
        """Run what takes no time, and start what can start, until nothing changes."""
        while True:
            immediate = self._scheduler.immediate()
            for task in immediate:
                label = self._label(task) if self._is_condition(task) else None
                self._follow(self._scheduler.done(task, now, label), now)
                self._span(Span("", (task,), now, now))
            started = self._scheduler.starts(now)
            for work in started:
                self._start(work, now)
            if not immediate and not started:
                break
        for name in self._touched:
            self._models[name].go_on(now)
            self._plan(name)
        self._touched.clear()
        wake = self._scheduler.wake()
        if wake is not None and wake != self._woken:
            self._woken = wake
            self._at(wake, "wake", None)

    def _start(self, work: Batch | Request, now: float) -> None:
        engine = self._engines[work.engine]
        if isinstance(work, Batch):
            assert isinstance(engine, BatchEngine)
            seconds = engine.batch_s(work.items, work.tokens)
            self._busy[work.engine] += seconds
            self._at(now + seconds, "batch", (work, now))
            return
        self._recomputed += work.recompute_tokens
        graph = self._graphs[work.tasks[0].query].graph
        nodes = [graph.nodes[task.node] for task in work.tasks]
        self._touched[work.engine] = None
        self._ends(work.engine, self._models[work.engine].join(work, nodes, now), now)

    def _plan(self, name: str) -> None:
        """The model's next event; any planned before is void."""
        self._versions[name] += 1
        until = self._models[name].until
        if until is not None:
            self._at(until, "model", (name, self._versions[name]))

    def _ends(self, name: str, ended: Sequence[Ended], now: float) -> None:
        for one in ended:
            self._span(Span(name, (one.task,), one.since, now))
            self._follow(self._scheduler.done(one.task, now), now)

    def _follow(self, progress: Progress, now: float) -> None:
        for query in progress.answered:
            self._answered[query] = now
        for query in progress.ended:
            self._ended[query] = now

    def _is_condition(self, task: Task) -> bool:
        return self._graphs[task.query].graph.nodes[task.node].kind == "condition"

    def _label(self, task: Task) -> str:
        """As the arrival says, else drawn by the condition's name: the same whatever the passes."""
        arrival = self._graphs[task.query]
        label = arrival.labels.get(task.node)
        if label is None:
            odds = arrival.graph.odds.get(task.node)
            name = arrival.graph.nodes[task.node].name
            if not odds:
                raise SimulationError(f"condition {name} has no odds; give its labels or odds")
            draw = random.Random(f"{self._seed}/{task.query}/{name}")
            label = draw.choices(list(odds), list(odds.values()))[0]
        self._labels[task.query][task.node] = label
        return label

    def _span(self, span: Span) -> None:
        if self._record:
            self._spans.append(span)
