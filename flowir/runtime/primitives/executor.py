"""Runs queries on real engines, under the scheduler that the simulator runs under.

One executor serves many queries at the same time: their primitives share batches. What a query
gets does not depend on that. A failure of an engine fails the queries that needed it, and no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

from flowir.engines.engine import Engine
from flowir.errors import PrimError
from flowir.prim.graph import DECODES, PREFILLS
from flowir.prim.trace import QuerySpan, Trace, ordered
from flowir.runtime.llm import Tools
from flowir.runtime.primitives import jobs
from flowir.runtime.primitives.answering import LanguageModel, LiveAnswer, quietly
from flowir.runtime.primitives.program import (
    Aggregate,
    Condition,
    Decode,
    Ingest,
    Item,
    Prefill,
    Program,
)
from flowir.runtime.primitives.queries import Progressing, Query, unusable
from flowir.runtime.primitives.repeats import repeated
from flowir.runtime.primitives.values import MISSING, Failed, Prompt, aggregate, condition, item
from flowir.scheduling.policies import TEOLA, Policy
from flowir.scheduling.scheduler import Scheduler
from flowir.scheduling.work import Batch, Progress, Request, Share, Task

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
        policy: Policy = TEOLA,
        retries: int = 3,
    ) -> None:
        self._scheduler = Scheduler(engines, policy)
        self._parts = dict(parts)
        self._tools: Tools = tools or {}
        self._retries = retries
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
            self._pump()
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

    def _pump(self) -> None:
        """Start everything that can start now."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while True:
                free = self._scheduler.immediate()
                for task in free:
                    self._free(task)
                work = self._scheduler.starts(self._now())
                for one in work:
                    self._start(one)
                if not free and not work:
                    break
        finally:
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
            self._timer = loop.call_at(self._begin_s + wake, self._pump)

    def _start(self, work: Batch | Request) -> None:
        self._batches += 1
        number = self._batches
        if isinstance(work, Batch):
            running = asyncio.create_task(self._batch(work, number))
        else:
            running = asyncio.create_task(self._request(work, number))
            query = self._queries.get(work.tasks[0].query)
            if query is not None:
                query.running.add(running)
                running.add_done_callback(query.running.discard)
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    def _progress(self, progress: Progress) -> None:
        for task in progress.skipped:
            query = self._queries.get(task.query)
            if query is not None:
                query.values[task.node] = _several(query.program, task.node, MISSING)
        for name in progress.answered:
            self._answered(self._queries[name])
        for name in progress.ended:
            if name in self._queries:
                self._queries[name].ended.set()

    def _answered(self, query: Query) -> None:
        value = query.value(query.program.result)
        if value is MISSING:
            self._fail(
                query, PrimError(f"query {query.name}: no primitive that ran gives a result")
            )
        elif not query.answer.done():
            query.answered_s = self._now()
            query.answer.set_result(value)

    def _give(
        self,
        query: Query,
        task: Task,
        value: Any,
        start_s: float,
        batch: int | None = None,
        label: str | None = None,
        note: str = "",
    ) -> None:
        """A primitive of a request, or one without an engine, is done: what it gives, recorded."""
        self._set(query, task.node, value)
        now = self._now()
        if value is not MISSING:
            outcome = "failed" if isinstance(value, Failed) else "done"
            query.span(task.node, start_s, now, batch, outcome=outcome, note=note)  # type: ignore[arg-type]
        self._progress(self._scheduler.done(task, now, label))

    def _set(self, query: Query, node: int, value: Any) -> None:
        several = isinstance(value, tuple)
        query.values[node] = value if several else _several(query.program, node, value)
        if isinstance(value, Failed) and node not in query.program.ahead:
            self._fail(query, value.error)

    def _fail(self, query: Query, error: BaseException) -> None:
        """The query has failed; what waits of it is dropped, what runs for it alone is cancelled."""
        if not query.answer.done():
            query.error = str(error)
            query.answer.set_exception(error)
        self._drop(query)

    def _drop(self, query: Query) -> None:
        self._scheduler.cancel(query.name)
        query.ended.set()
        for running in list(query.running):
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
        self._pump()
        for engine, names in query.indices.items():
            part = self._parts[engine]
            if hasattr(part, "drop"):
                await quietly(part.drop(names))

    # Primitives without an engine.

    def _free(self, task: Task) -> None:
        query = self._queries.get(task.query)
        if query is None:
            self._scheduler.done(task, self._now())
            return
        now = self._now()
        label = None
        value: Any
        try:
            value, label = self._evaluate(query, task.node)
        except Exception as error:  # noqa: BLE001 - A value that does not serve fails its query.
            value = Failed(self._error(query, task.node, error))
        self._give(query, task, value, now, label=label)

    def _evaluate(self, query: Query, node: int) -> tuple[Any, str | None]:
        """What a primitive without an engine gives, and the label of a condition."""
        step = query.program.steps[node]
        values = query.inputs(node)
        if (given := unusable(step, values)) is not None:
            return given, None
        match step:
            case Item():
                return item(step, values[0]), None
            case Aggregate():
                failed = [value for value in values if isinstance(value, Failed)]
                if failed and step.mode != "choose":
                    return failed[0], None
                return aggregate(step, values), None
            case Condition():
                if isinstance(values[0], Failed):
                    return values[0], None
                label = condition(step, values[0])
                return tuple(case == label for case in step.cases), label
            case _:
                raise PrimError(f"{type(step).__name__} needs an engine")

    # Batches.

    async def _batch(self, batch: Batch, number: int) -> None:
        start = self._now()
        shares = [share for share in batch.shares if share.task.query in self._queries]
        try:
            for found in await self._served(batch, shares):
                self._share(found, start, number)
        finally:
            self._progress(self._scheduler.batch_done(batch, self._now()))
            self._pump()

    async def _served(self, batch: Batch, shares: Sequence[Share]) -> list[_Served]:
        """The shares with the results of their items, or the errors that they failed with."""
        served = [self._served_share(share) for share in shares]
        wanted = [one for one in served if one.items and one.error is None]
        if not wanted:
            return served
        whole = await quietly(self._call(batch, [item for one in wanted for item in one.items]))
        if not isinstance(whole, Exception):
            results = iter(whole)
            for one in wanted:
                one.results = [next(results) for _ in one.items]
            return served
        for one in wanted:
            # Of several that failed together each has its own chance: only the culprit fails.
            alone = whole if len(wanted) == 1 else await quietly(self._call(batch, one.items))
            if isinstance(alone, Exception):
                one.error = alone
            else:
                one.results = list(alone)
        return served

    async def _call(self, batch: Batch, items: Sequence[Any]) -> Sequence[Any]:
        part: Any = self._parts.get(batch.engine)
        return await repeated(lambda: jobs.run_batch(batch.kind, part, items), self._retries)

    def _served_share(self, share: Share) -> _Served:
        query = self._queries[share.task.query]
        node = share.task.node
        found = _Served(query, share)
        if node not in query.progressing:
            values = query.inputs(node)
            step = query.program.steps[node]
            primitive = query.program.graph.nodes[node]
            engine = primitive.engine or ""
            if (given := unusable(step, values)) is not None:
                job = jobs.Job([], lambda _: given)
            else:
                index = query.index_name(node, engine) if isinstance(step, Ingest) else ""
                try:
                    job = jobs.job(step, values, engine=engine, index=index, tools=self._tools)
                except Exception as error:  # noqa: BLE001 - It fails the query, as one of an engine.
                    found.error = error
                    job = jobs.Job([], lambda _: MISSING)
            query.progressing[node] = Progressing.of(job, primitive.work.items)
        progressing = query.progressing[node]
        found.begin, found.end = progressing.stretch(share.first, share.items)
        found.items = list(progressing.job.items[found.begin : found.end])
        return found

    def _share(self, found: _Served, start_s: float, number: int) -> None:
        """Keep what became of a share; with the last one of a primitive, its value."""
        query, node = found.query, found.share.task.node
        progressing = query.progressing[node]
        progressing.left -= found.share.items
        now = self._now()
        if found.error is not None:
            error = self._error(query, node, found.error)
            query.span(node, start_s, now, number, len(found.items), "failed", str(found.error))
            self._set(query, node, Failed(error))
            return
        if found.items:
            query.span(node, start_s, now, number, len(found.items))
        progressing.results[found.begin : found.end] = found.results
        if progressing.left or isinstance(query.values.get(node, (None,))[0], Failed):
            return
        try:
            value = progressing.job.finish(progressing.results)
        except Exception as error:  # noqa: BLE001 - What an engine gave does not serve.
            value = Failed(self._error(query, node, error))
        self._set(query, node, value)

    # Requests of language models.

    async def _request(self, request: Request, number: int) -> None:
        query = self._queries.get(request.tasks[0].query)
        unreported = list(request.tasks)
        try:
            if query is not None:
                await self._asked(query, request, number, unreported)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - It fails its query, or what ran ahead.
            assert query is not None
            start = self._now()
            for task in list(unreported):
                failed = Failed(self._error(query, task.node, error))
                self._set(query, task.node, failed)
                query.span(task.node, start, start, number, outcome="failed", note=str(error))
        finally:
            now = self._now()
            for task in unreported:
                if query is not None and task.node not in query.values:
                    query.span(task.node, now, now, number, outcome="cancelled")
                self._progress(self._scheduler.done(task, now))
            self._pump()

    async def _asked(
        self, query: Query, request: Request, number: int, unreported: list[Task]
    ) -> None:
        """One request: prompts are read until the first piece of the answer is there."""
        model = self._parts[request.engine]
        assert isinstance(model, LanguageModel)
        reading: list[Task] = []
        start = self._now()

        def give(task: Task, value: Any, note: str = "") -> None:
            unreported.remove(task)
            self._give(query, task, value, start, number, note=note)

        prompt: Prompt | None = None
        for task in request.tasks:
            step = query.program.steps[task.node]
            values = query.inputs(task.node)
            if (given := unusable(step, values)) is not None:
                give(task, given)
            elif isinstance(step, Prefill):
                prompt = query.prompt(step)
                query.values[task.node] = (prompt,)
                reading.append(task)
            else:
                assert isinstance(step, Decode)
                answer = await self._answer(query, model, step, task.node, values[0])
                while reading:
                    before = reading.pop(0)
                    give(before, query.values[before.node])
                start = self._now()
                give(task, await _decoded(step, answer), _tokens(answer))
                self._pump()
                start = self._now()
        if reading and prompt is not None:
            note = await self._warmed(query, model, reading[-1].node, prompt)
            for task in reading:
                give(task, query.values[task.node], note)

    async def _answer(
        self, query: Query, model: LanguageModel, step: Decode, node: int, before: Any
    ) -> LiveAnswer:
        """The answer that a decode goes on with, once its first piece is there."""
        if isinstance(before, LiveAnswer):
            return before
        answer = LiveAnswer(model, step, query.program.sites[node], before)
        query.answers.append(answer)
        await answer.begun()
        return answer

    async def _warmed(self, query: Query, model: LanguageModel, node: int, prompt: Prompt) -> str:
        """Have a prompt read ahead. Nothing depends on it: where it fails, a note says so."""
        step = query.program.steps[node]
        if not model.warms or not isinstance(step, Prefill):
            return "not sent ahead"
        found = await quietly(model.warm(query.program.sites[node], step.agent, prompt))
        if isinstance(found, Exception):
            return f"the prefix could not be sent ahead: {found}"
        return f"{found.input_tokens} tokens sent ahead"

    def _error(self, query: Query, node: int, error: BaseException) -> PrimError:
        primitive = query.program.graph.nodes[node]
        where = f" on {primitive.engine}" if primitive.engine else ""
        why = str(error) or type(error).__name__
        found = PrimError(f"query {query.name}: {primitive.name}{where} failed: {why}")
        found.__cause__ = error
        return found


class _Served:
    """A share of a batch with what became of it."""

    def __init__(self, query: Query, share: Share) -> None:
        self.query, self.share = query, share
        self.begin = self.end = 0
        self.items: list[Any] = []
        self.results: list[Any] = []
        self.error: Exception | None = None


async def _decoded(step: Decode, answer: LiveAnswer) -> tuple[Any, ...]:
    """What a decode gives: all of an answer, or a part of it and the answer to go on with."""
    if step.part is None:
        return (await answer.whole(),)
    number, count = step.part
    place = number - 1
    items = await (answer.rest(place) if number == count else answer.item(place))
    return (items, answer)


def _tokens(answer: LiveAnswer) -> str:
    used = answer.usage
    read, written = used.input_tokens, used.output_tokens
    return f"{read} + {written} tokens" if read or written else ""


def _several(program: Program, node: int, value: Any) -> tuple[Any, ...]:
    """A value for each result of a node."""
    step = program.steps[node]
    if isinstance(step, Condition):
        return (False if value is MISSING else value,) * len(step.cases)
    return (value,) * (2 if isinstance(step, Decode) and step.part is not None else 1)
