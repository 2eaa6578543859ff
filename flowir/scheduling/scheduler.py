"""The two-tier scheduler: which primitives are ready, and what each engine starts next.

A state machine without a clock: the simulator and the asyncio driver tell it what happened and
when, and it says what starts now. The upper tier knows the graphs: a primitive is ready once all it
needs is done and its conditions said so. The lower tier has a queue per engine, and a policy.

    scheduler = Scheduler(engines)
    scheduler.arrive("query 1", graph, now)
    loop:
        for task in scheduler.immediate(): run it; scheduler.done(task, now, label)
        for work in scheduler.starts(now): start it on its engine
        wait for one of them, or until scheduler.wake()
        scheduler.done(task, now)         # each task of a Request, as it ends
        scheduler.batch_done(batch, now)  # a Batch
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from heapq import heappop, heappush

from flowir.engines.engine import Engine, LanguageModelEngine
from flowir.errors import SchedulingError
from flowir.prim.graph import PrimitiveGraph
from flowir.scheduling.plans import Plan, plan
from flowir.scheduling.policies import OLDEST_FIRST, Policy
from flowir.scheduling.queries import Query
from flowir.scheduling.queues import Entry
from flowir.scheduling.stations import BatchStation, ModelStation
from flowir.scheduling.work import Batch, Progress, Request, Task

_PLANS = 1024
"""Graphs whose plans are kept for the next query that has the same."""


class Scheduler:
    """See the module."""

    def __init__(self, engines: Mapping[str, Engine], policy: Policy = OLDEST_FIRST) -> None:
        self.policy = policy
        self._engines = dict(engines)
        self._models = {
            name: ModelStation(name, engine, policy.rounds)
            for name, engine in engines.items()
            if isinstance(engine, LanguageModelEngine)
        }
        self._batchers = {
            name: BatchStation(name, engine, policy)
            for name, engine in engines.items()
            if not isinstance(engine, LanguageModelEngine)
        }
        self._queries: dict[Hashable, Query] = {}
        self._running: dict[Task, Request] = {}
        self._batches: dict[int, Batch] = {}
        self._immediate: deque[Task] = deque()
        self._handed_out: set[Task] = set()
        self._changed: dict[str, None] = {}
        self._plans: dict[int, Plan] = {}
        self._arrivals = 0
        self._became_ready = 0

    def arrive(self, query: Hashable, graph: PrimitiveGraph, now: float) -> Progress:
        """A query is there.

        Raises:
            SchedulingError: the query is already there, or its graph needs engines that are not.
        """
        if query in self._queries:
            raise SchedulingError(f"query {query!r} is already there; give each its own name")
        known = self._plan(graph)
        state = Query.arrived(known, (now, self._arrivals))
        self._arrivals += 1
        self._queries[query] = state
        progress = Progress()
        for node, unmet in enumerate(state.unmet):
            if unmet == 0:
                self._ready(query, state, node, now)
        return progress

    def immediate(self) -> list[Task]:
        """Ready tasks that run on no engine, each once; report them with `done`."""
        found = list(self._immediate)
        self._immediate.clear()
        self._handed_out.update(found)
        return found

    def starts(self, now: float) -> list[Batch | Request]:
        """Everything that starts now, on any engine; each once."""
        found: list[Batch | Request] = []
        changed, self._changed = self._changed, {}
        for name in changed:
            if name in self._models:
                found += self._requests(self._models[name])
            else:
                for batch in self._batchers[name].start(now):
                    self._batches[id(batch)] = batch
                    found.append(batch)
        for station in self._batchers.values():
            if station.wake_s is not None and station.wake_s <= now and station.name not in changed:
                for batch in station.start(now):
                    self._batches[id(batch)] = batch
                    found.append(batch)
        return found

    def wake(self) -> float | None:
        """When to call `starts` again though nothing happened: a batch has waited long enough."""
        times = [s.wake_s for s in self._batchers.values() if s.wake_s is not None]
        return min(times, default=None)

    def done(self, task: Task, now: float, label: str | None = None) -> Progress:
        """A task of a Request, or one of `immediate`, is done; `label` is what a condition said.

        Raises:
            SchedulingError: the task was not running, or a condition gave a label it has not.
        """
        progress = Progress()
        request = self._running.pop(task, None)
        if request is None:
            if task not in self._handed_out:
                raise SchedulingError(f"{task} is reported as done, but was not running")
            self._check_label(task, label)
            self._handed_out.discard(task)
        elif task == request.tasks[-1]:
            self._release(request, now)
        if task.query in self._queries:
            self._finish(task, label, now, progress)
        return progress

    def batch_done(
        self, batch: Batch, now: float, labels: Mapping[Task, str] | None = None
    ) -> Progress:
        """A Batch is done; `labels` is what its conditions said.

        Raises:
            SchedulingError: it was not running.
        """
        progress = Progress()
        if self._batches.pop(id(batch), None) is None:
            raise SchedulingError(f"a batch of {batch.engine} is reported that was not running")
        self._batchers[batch.engine].running -= 1
        self._changed[batch.engine] = None
        for task, _, items in batch.shares:
            state = self._queries.get(task.query)
            if state is None:  # cancelled
                continue
            state.items[task.node] -= items
            if not state.items[task.node]:
                del state.items[task.node]
                self._finish(task, (labels or {}).get(task), now, progress)
        return progress

    def cancel(self, query: Hashable) -> None:
        """Forget a query: what waits is dropped; what runs is still to be reported when it ends."""
        state = self._queries.pop(query, None)
        if state is None:
            return
        for name in dict.fromkeys(node.engine for node in state.plan.graph.nodes):
            if name is None:
                continue
            station = self._models.get(name) or self._batchers[name]
            station.forget(query)
            self._changed[name] = None
            if name in self._models:
                for node in range(len(state.unmet)):
                    self._models[name].memory.drop((state.bucket, node))
        self._immediate = deque(task for task in self._immediate if task.query != query)

    @property
    def queries(self) -> list[Hashable]:
        """Those that have not ended, as they arrived."""
        return list(self._queries)

    def load(self, engine: str) -> tuple[int, float]:
        """Slots in use, and tokens of KV cache reserved or kept (0 where there is none)."""
        if engine in self._models:
            model = self._models[engine]
            return model.running, model.memory.reserved + model.memory.kept
        return self._batchers[engine].running, 0.0

    @property
    def evictions(self) -> int:
        """Prefixes that gave way so far."""
        return sum(model.memory.evictions for model in self._models.values())

    def _plan(self, graph: PrimitiveGraph) -> Plan:
        known = self._plans.get(id(graph))
        if known is None:
            known = plan(graph, self._engines, self.policy.order)
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[id(graph)] = known
        return known

    def _ready(self, query: Hashable, state: Query, node: int, now: float) -> None:
        """All it needs is done, and it is to run."""
        primitive = state.plan.graph.nodes[node]
        task = Task(query, node)
        name = primitive.engine
        if name is None:
            self._immediate.append(task)
            return
        self._became_ready += 1
        ordered = self.policy.order != "ready"
        rank = state.plan.rank[node] if ordered else float(self._became_ready)
        bucket = state.bucket if self.policy.by_query else (0.0, 0)
        if name in self._batchers:
            items = primitive.work.items
            state.items[node] = items
            self._batchers[name].push(Entry(task, bucket, rank, items, now), primitive)
            self._changed[name] = None
            return
        entry = Entry(task, bucket, rank, 1, now)
        if self.policy.idle_early and state.is_early(node):
            state.early[node] = entry
            self._models[name].early.push(entry)
            self._changed[name] = None
        else:
            self._submit(state, name, entry)

    def _submit(self, state: Query, name: str, entry: Entry) -> None:
        """Ask a model for a request, unless the query already has as many there as it may."""
        window = self.policy.window
        if window is not None and state.within.get(name, 0) >= window:
            held = state.held.setdefault(name, [])
            heappush(held, (entry.rank, entry.task.node, entry))
            return
        state.within[name] = state.within.get(name, 0) + 1
        self._models[name].queue.push(entry)
        self._changed[name] = None

    def _requests(self, station: ModelStation) -> list[Request]:
        """Those that start now: while there are slots, and the next one fits."""
        found: list[Request] = []

        def accept(entry: Entry) -> int:
            if station.running >= station.engine.slots:
                return 0
            state = self._queries[entry.task.query]
            members, tokens = state.stretch(entry.task.node, station.engine.kv_tokens)
            tasks = tuple(Task(entry.task.query, node) for node in members)
            head = state.plan.graph.nodes[entry.task.node]
            if not station.memory.fits(tokens):
                return 0
            recompute = 0.0
            if head.kv is not None:
                key = (state.bucket, head.kv)
                if not station.memory.holds(key):
                    recompute = head.work.context_tokens
                elif state.kv_left[head.kv] == 1:
                    station.memory.drop(key)  # it is part of what is reserved now
            station.memory.reserve(tokens)
            station.running += 1
            request = Request(station.name, tasks, recompute, tokens)
            for task in tasks:
                self._running[task] = request
            found.append(request)
            return 1

        station.queue.take(accept)
        if not station.running and station.early.items:

            def accept_early(entry: Entry) -> int:
                node, state = entry.task.node, self._queries[entry.task.query]
                taken = 0 if station.running else accept(entry)
                if taken:
                    del state.early[node]
                    state.within[station.name] = state.within.get(station.name, 0) + 1
                return taken

            station.early.take(accept_early)
        return found

    def _promote(self, state: Query, node: int, name: str) -> None:
        """What the node continues is needed now: take it out of those that wait for idleness."""
        parent = state.plan.graph.nodes[node].kv
        while parent is not None and not state.finished[parent]:
            entry = state.early.pop(parent, None)
            if entry is not None:
                again = Entry(entry.task, entry.bucket, entry.rank, 1, entry.ready_s)
                self._models[name].early.discard(entry)
                self._submit(state, name, again)
                return
            parent = state.plan.graph.nodes[parent].kv

    def _release(self, request: Request, now: float) -> None:
        """The last task of a request is done: its slot is free, its prefix may be kept."""
        station = self._models[request.engine]
        station.running -= 1
        station.memory.release(request.kv_tokens)
        self._changed[request.engine] = None
        last = request.tasks[-1]
        state = self._queries.get(last.query)
        if state is None:  # cancelled
            return
        if state.kv_left[last.node] and station.engine.prefix_cache:
            station.memory.keep((state.bucket, last.node), request.kv_tokens)
        held = state.held.get(request.engine)
        if held:
            station.queue.push(heappop(held)[2])
        elif self.policy.window is not None:
            state.within[request.engine] -= 1

    def _finish(self, task: Task, label: str | None, now: float, progress: Progress) -> None:
        """A node is done; what then has all it needs is ready, or is skipped and done too."""
        query, state = task.query, self._queries[task.query]
        progress.completed.append(task)
        todo = [(task.node, label)]
        while todo:
            node, label = todo.pop()
            state.finished[node] = 1
            state.left -= 1
            primitive = state.plan.graph.nodes[node]
            if primitive.kind == "condition":
                state.labels[node] = label
            if primitive.kv is not None:
                self._continued(state, primitive.kv)
            if node == state.plan.graph.result:
                progress.answered.append(query)
            for after in state.plan.successors[node]:
                state.unmet[after] -= 1
                if state.unmet[after]:
                    if state.early and state.unmet[after] == 1:
                        self._needed(state, after)
                    continue
                if not state.wanted(after):
                    progress.skipped.append(Task(query, after))
                    todo.append((after, None))
                elif Task(query, after) not in self._running:
                    self._ready(query, state, after, now)
        if not state.left:
            del self._queries[query]
            progress.ended.append(query)

    def _needed(self, state: Query, node: int) -> None:
        """All but one thing that a node needs is there: if that is an early prefill, it goes."""
        name = state.plan.graph.nodes[node].engine
        # A node that will not run waits for its early prefill too, before it is skipped.
        if name in self._models and not (state.wanted(node) and state.is_early(node)):
            self._promote(state, node, name)

    def _continued(self, state: Query, parent: int) -> None:
        """One that continues the parent's KV cache is done, or will not run."""
        state.kv_left[parent] -= 1
        engine = state.plan.graph.nodes[parent].engine
        if not state.kv_left[parent] and engine in self._models:
            if parent in state.early:  # nothing continues it after all
                entry = state.early.pop(parent)
                self._models[engine].early.discard(entry)
                again = Entry(entry.task, entry.bucket, entry.rank, 1, entry.ready_s)
                self._submit(state, engine, again)
            self._models[engine].memory.drop((state.bucket, parent))
            self._changed[engine] = None

    def _check_label(self, task: Task, label: str | None) -> None:
        state = self._queries.get(task.query)
        if state is None or label is None:
            return
        odds = state.plan.graph.odds.get(task.node)
        if odds is not None and label not in odds:
            name = state.plan.graph.nodes[task.node].name
            raise SchedulingError(
                f"condition {name} gave {label!r}; it has {', '.join(map(repr, odds))}"
            )
