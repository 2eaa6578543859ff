"""Runs queries on real engines, under the scheduler that the simulator runs under.

One executor serves many queries at the same time: their primitives share batches. What a query
gets does not depend on that. A failure of an engine fails the queries that needed it, no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

from flowir.dialects import prim
from flowir.engines.engine import BatchEngine, Engine
from flowir.errors import PrimError
from flowir.prim.graph import DECODES, PREFILLS
from flowir.prim.trace import Outcome, QuerySpan, Trace, ordered
from flowir.prim.values import MISSING, case_of, gathered, nth
from flowir.runtime.llm import Tools
from flowir.runtime.primitives import jobs
from flowir.runtime.primitives.answering import LanguageModel, quietly
from flowir.runtime.primitives.batches import BatchEngines, Served, keep
from flowir.runtime.primitives.program import Aggregate, CallTool, Condition, Item, Program
from flowir.runtime.primitives.queries import Query, unusable
from flowir.runtime.primitives.requests import Asking
from flowir.runtime.primitives.values import Failed, united
from flowir.scheduling.policies import OLDEST_FIRST, Policy
from flowir.scheduling.scheduler import Scheduler
from flowir.scheduling.work import Batch, Progress, Request, Task

Part: TypeAlias = jobs.Part | LanguageModel


class Executor:
    """See the module. Use it as an async context manager, or call `aclose` when done.

    Args:
        engines: what the scheduler plans with, by name: slots and batches are theirs.
        parts: what really stands behind each; engines of tools have none.
        tools: code by name.
        retries: how often a batch is repeated whose error says that this may help.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        parts: Mapping[str, Part],
        *,
        tools: Tools | None = None,
        policy: Policy = OLDEST_FIRST,
        retries: int = 3,
    ) -> None:
        self._scheduler = Scheduler(engines, policy)
        self._parts = dict(parts)
        largest = {
            name: engine.largest_batch
            for name, engine in engines.items()
            if isinstance(engine, BatchEngine)
        }
        self._batch_engines = BatchEngines(self._parts, tools or {}, retries, largest)
        self._queries: dict[Any, Query] = {}
        self._finished: list[Query] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._begin_s: float | None = None
        self._batches = 0
        self._arrivals = 0
        self._pumping = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what still runs."""
        for query in list(self._queries.values()):
            self._fail(query, PrimError(f"query {query.name}: the executor was closed"))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    async def run(
        self, program: Program, inputs: Mapping[str, Any], *, name: str | None = None
    ) -> Any:
        """The answer to a query. Cancelling this cancels what runs for it.

        Args:
            inputs: by name.
            name: of the query, in traces and messages; numbers from 1 if None.

        Raises:
            PrimError: an input or a part is missing, or a primitive failed; its cause says how.
            SchedulingError: an engine is missing, or too small for a primitive.
        """
        self._arrivals += 1
        query = Query(
            str(self._arrivals) if name is None else name,
            self._arrivals,
            program,
            self._given(program, inputs),
            self._now(),
            asyncio.get_running_loop().create_future(),
        )
        if query.name in self._queries:
            raise PrimError(f"query {query.name!r} is running; give each its own name")
        self._queries[query.name] = query
        try:
            self._progress(self._scheduler.arrive(query.name, program.graph, self._now()))
            self._soon()
            value = await query.answer
            if not query.may_be_left():
                await query.ended.wait()
            return value
        finally:
            await self._leave(query)

    def trace(self, workflow: str) -> Trace:
        """What happened so far."""
        queries = sorted(
            [*self._finished, *self._queries.values()], key=lambda query: query.arrived_s
        )
        return Trace(
            workflow,
            tuple(
                QuerySpan(
                    query.name,
                    query.arrived_s,
                    query.answered_s,
                    query.program.result.node,
                    query.error,
                )
                for query in queries
            ),
            ordered(span for query in queries for span in query.spans),
        )

    def _given(self, program: Program, inputs: Mapping[str, Any]) -> list[Any]:
        names = [given.name for given in program.inputs]
        if set(names) != set(inputs):
            raise PrimError(
                f"{program.name} takes {', '.join(names) or 'no inputs'}, and is given "
                f"{', '.join(inputs) or 'none'}"
            )
        for node in program.graph.nodes:
            if node.engine is None or node.kind == "tool":
                continue
            part = self._parts.get(node.engine)
            if part is None:
                raise PrimError(
                    f"primitive {node.name}: nothing stands behind engine {node.engine!r}; give it "
                    "in `parts`"
                )
            models = node.kind in PREFILLS | DECODES
            if models != isinstance(part, LanguageModel):
                wanted = "a LanguageModel" if models else "a part of retrieval"
                raise PrimError(
                    f"primitive {node.name}: engine {node.engine!r} is {type(part).__name__}; give "
                    f"{wanted}"
                )
        return [inputs[name] for name in names]

    def _now(self) -> float:
        """Seconds since the first query."""
        now = asyncio.get_running_loop().time()
        if self._begin_s is None:
            self._begin_s = now
        return now - self._begin_s

    # What starts, and what follows from what ended.

    def _soon(self) -> None:
        """Look for what can start, once all is told that ends in this turn of the event loop."""
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Start everything that can start now."""
        while True:
            free = self._scheduler.immediate()
            for task in free:
                self._free(task)
            work = self._scheduler.starts(self._now())
            for one in work:
                self._start(one)
            if not free and not work:
                break
        self._pumping = False
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake = self._scheduler.wake()
        if wake is not None:
            assert self._begin_s is not None
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._begin_s + wake, self._soon)

    def _start(self, work: Batch | Request) -> None:
        self._batches += 1
        if isinstance(work, Batch):
            self._keep(asyncio.create_task(self._batch(work, self._batches)))
            return
        query = self._queries.get(work.tasks[0].query)
        if query is None:
            for task in work.tasks:
                self._scheduler.done(task, self._now())
        else:
            self._ask(query, work, self._batches)

    def _keep(self, running: asyncio.Task[None], query: Query | None = None) -> None:
        """Hold on to a task until it ends; with a query it ends with that at the latest."""
        for held in (self._tasks, *([] if query is None else [query.running])):
            held.add(running)
            running.add_done_callback(held.discard)

    def _progress(self, progress: Progress) -> None:
        for task in progress.skipped:
            query = self._queries.get(task.query)
            if query is not None:
                query.values[task.node] = query.results(task.node, MISSING)
        for name in progress.answered:
            if name in self._queries:
                self._answered(self._queries[name])
        for name in progress.ended:
            if name in self._queries:
                self._queries[name].ended.set()

    def _answered(self, query: Query) -> None:
        value = query.value(query.program.result)
        if isinstance(value, Failed):
            self._fail(query, value.error)
        elif value is MISSING:
            why = query.missing_item()
            told = f"query {query.name}: nothing that ran gives its result{why}"
            self._fail(query, PrimError(told))
        elif not query.answer.done():
            query.answered_s = self._now()
            query.answer.set_result(value)

    def _set(self, query: Query, node: int, value: Any) -> None:
        """What a node gives; a tuple has a value for each of its results."""
        query.values[node] = value if isinstance(value, tuple) else query.results(node, value)
        if isinstance(value, Failed) and node not in query.program.ahead:
            self._fail(query, value.error)

    def _fail(self, query: Query, error: BaseException) -> None:
        """The query has failed: what waits of it is dropped, what runs for it cancelled."""
        if not query.answer.done():
            query.error = str(error)
            query.answer.set_exception(error)
        self._drop(query)

    def _drop(self, query: Query) -> None:
        self._scheduler.cancel(query.name)
        query.ended.set()
        for running in list(query.running):
            if running is not asyncio.current_task():
                running.cancel()

    async def _leave(self, query: Query) -> None:
        """Forget a query: its requests, its answers, what it has ingested."""
        self._drop(query)
        if query.answer.done() and not query.answer.cancelled():
            query.answer.exception()  # Whoever ran the query has been told.
        await asyncio.gather(*query.running, return_exceptions=True)
        for answer in query.answers:
            await answer.aclose()
        self._queries.pop(query.name, None)
        self._finished.append(query)
        self._soon()
        await self._forget(query)

    async def _forget(self, query: Query) -> None:
        """Drop what a query has ingested."""
        for engine, names in query.indices.items():
            part: Any = self._parts[engine]
            await quietly(part.drop(names))

    # Primitives without an engine

    def _free(self, task: Task) -> None:
        query = self._queries.get(task.query)
        if query is None:
            self._scheduler.done(task, self._now())
            return
        step = query.program.steps[task.node]
        if isinstance(step, CallTool) and unusable(step, query.inputs(task.node)) is None:
            self._keep(asyncio.create_task(self._free_tool(query, step, task)), query)
            return
        now = self._now()
        label = None
        try:
            value, label = _evaluate(query, task.node)
        except Exception as error:  # noqa: BLE001 - A value that does not serve fails its query.
            value = query.failure(task.node, error)
        self._give(query, task, value, now, label=label)

    async def _free_tool(self, query: Query, step: CallTool, task: Task) -> None:
        """A tool that is declared to take no time takes what it takes."""
        start = self._now()
        value: Any = MISSING
        try:
            value = await self._batch_engines.tool(step, query.inputs(task.node))
        except Exception as error:  # noqa: BLE001 - It fails its query.
            value = query.failure(task.node, error)
        finally:
            self._give(query, task, value, start)
            self._soon()

    def _give(
        self,
        query: Query,
        task: Task,
        value: Any,
        start_s: float,
        note: str = "",
        *,
        batch: int | None = None,
        label: str | None = None,
    ) -> None:
        """A task is done: what it gives, and what follows from that."""
        now = self._now()
        self._set(query, task.node, value)
        if isinstance(value, Failed):
            cause = str(value.error.__cause__ or value.error)
            query.span(task.node, start_s, now, batch, outcome="failed", note=cause)
        elif value is not MISSING:
            query.span(task.node, start_s, now, batch, note=note)
        self._progress(self._scheduler.done(task, now, label))

    # Primitives with an engine

    async def _batch(self, batch: Batch, number: int) -> None:
        start = self._now()
        served: list[Served] = []
        try:
            served = await self._batch_engines.serve(batch, self._queries)
            for found in served:
                node = found.node
                outcome: Outcome = "done" if found.error is None else "failed"
                note = "" if found.error is None else str(found.error)
                if found.items or found.error:
                    items = len(found.items)
                    found.query.span(node, start, self._now(), number, items, outcome, note)
                value = keep(found)
                if value is not None:
                    self._set(found.query, node, value)
        finally:
            self._progress(self._scheduler.batch_done(batch, self._now()))
            self._soon()
        for query in {id(found.query): found.query for found in served}.values():
            if self._queries.get(query.name) is not query:
                await self._forget(query)  # It was left while the batch ran.

    def _ask(self, query: Query, request: Request, number: int) -> None:
        model = self._parts[request.engine]
        assert isinstance(model, LanguageModel)

        def give(task: Task, value: Any, start_s: float, note: str) -> None:
            self._give(query, task, value, start_s, note, batch=number)
            self._soon()

        asking = Asking(query, model, request, give, self._now)
        running = asyncio.create_task(asking.run())
        self._keep(running, query)
        # Not within the task: one that is cancelled before it begins never gets there.
        running.add_done_callback(lambda ended: self._asked(asking, number, ended))

    def _asked(self, asking: Asking, number: int, ended: asyncio.Task[None]) -> None:
        """A request has ended: what it has not done has failed, or was cancelled."""
        query, now = asking.query, self._now()
        error = None if ended.cancelled() else ended.exception()
        outcome: Outcome = "cancelled" if error is None else "failed"
        for task in asking.left:
            if error is not None:
                self._set(query, task.node, query.failure(task.node, error))
            if task in asking.under_way:
                note = "" if error is None else str(error)
                query.span(task.node, asking.start_s, now, number, 1, outcome, note)
        for task in asking.left:
            self._progress(self._scheduler.done(task, now))
        self._soon()


def _evaluate(query: Query, node: int) -> tuple[Any, str | None]:
    """What a primitive without an engine gives, and the label of a condition."""
    step, values = query.program.steps[node], query.inputs(node)
    if (given := unusable(step, values)) is not None:
        return given, None
    match step:
        case Item():
            return nth(values[0], step.place, step.last, query.program.sites[node]), None
        case Aggregate():
            return gathered(prim.Gathering(step.mode), values, united), None
        case Condition():
            site = query.program.sites[node]
            label = case_of(prim.Test(step.test), step.cases, values[0], site)
            return tuple(case == label for case in step.cases), label
        case _:
            raise PrimError(f"{type(step).__name__} needs an engine")
