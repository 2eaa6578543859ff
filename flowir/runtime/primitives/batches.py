"""A batch on its engine: what becomes of the shares that queries have in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowir.prim.values import MISSING
from flowir.runtime.llm import Tools
from flowir.runtime.primitives import jobs
from flowir.runtime.primitives.answering import quietly
from flowir.runtime.primitives.program import CallTool, Ingest
from flowir.runtime.primitives.queries import Progressing, Query, unusable
from flowir.runtime.primitives.repeats import repeated
from flowir.runtime.primitives.values import Failed
from flowir.scheduling.work import Batch, Share


@dataclass
class Served:
    """The share of a query in a batch.

    Attributes:
        begin, end: which items of the primitive it is.
        error: why there are no results.
    """

    query: Query
    share: Share
    begin: int = 0
    end: int = 0
    items: Sequence[Any] = ()
    results: list[Any] = field(default_factory=list)
    error: Exception | None = None

    @property
    def node(self) -> int:
        """Whose share it is."""
        return self.share.task.node

    @property
    def progressing(self) -> Progressing:
        """The primitive."""
        return self.query.progressing[self.node]


@dataclass(frozen=True)
class BatchEngines:
    """What stands behind batch engines.

    Attributes:
        retries: how often a call is repeated.
        largest: items in a call, at most, by engine. A batch has more where there turn out to be
            more items than were expected; it is then several calls, one after another.
    """

    parts: Mapping[str, Any]
    tools: Tools
    retries: int
    largest: Mapping[str, int]

    async def serve(self, batch: Batch, queries: Mapping[Any, Query]) -> list[Served]:
        """The shares of queries that are still there, with results or the errors they failed with.

        Of shares that failed together each is tried alone, so that only the culprit's query fails.
        """
        served = [
            self._share(queries[share.task.query], share)
            for share in batch.shares
            if share.task.query in queries
        ]
        wanted = [one for one in served if one.items and one.error is None]
        if not wanted:
            return served
        together: Sequence[Any] | Exception = await quietly(
            self._call(batch, [item for one in wanted for item in one.items])
        )
        if not isinstance(together, Exception):
            results = iter(together)
            for one in wanted:
                one.results = [next(results) for _ in one.items]
            return served
        for one in wanted:
            alone: Sequence[Any] | Exception = together
            if len(wanted) > 1:
                alone = await quietly(self._call(batch, one.items))
            if isinstance(alone, Exception):
                one.error = alone
            else:
                one.results = list(alone)
        return served

    async def tool(self, step: CallTool, values: Sequence[Any]) -> Any:
        """One call of a tool that is on no engine.

        Raises:
            Exception: whatever the tool raised.
        """
        job = jobs.job(step, values, index="", tools=self.tools)
        return job.finish(await self._once("tool", None, job.items))

    async def _call(self, batch: Batch, items: Sequence[Any]) -> Sequence[Any]:
        part = self.parts.get(batch.engine)
        found: list[Any] = []
        size = self.largest.get(batch.engine, len(items))
        for begin in range(0, len(items), size):
            found += await self._once(batch.kind, part, items[begin : begin + size])
        return found

    async def _once(self, kind: str, part: Any, items: Sequence[Any]) -> Sequence[Any]:
        return await repeated(lambda: jobs.run_batch(kind, part, items), self.retries)

    def _share(self, query: Query, share: Share) -> Served:
        found = Served(query, share)
        if found.node not in query.progressing:
            try:
                job = self._job(query, found.node)
            except Exception as error:  # It fails the query, as one of its engine does.
                found.error = error
                job = jobs.Job([], lambda _: MISSING)
            planned = query.program.graph.nodes[found.node].work.items
            query.progressing[found.node] = Progressing.of(job, planned)
        found.begin, found.end = found.progressing.stretch(share.first, share.items)
        found.items = found.progressing.job.items[found.begin : found.end]
        return found

    def _job(self, query: Query, node: int) -> jobs.Job:
        values, step = query.inputs(node), query.program.steps[node]
        if (given := unusable(step, values)) is not None:
            return jobs.Job([], lambda _: given)
        engine = query.program.graph.nodes[node].engine or ""
        index = query.index_name(node, engine) if isinstance(step, Ingest) else ""
        return jobs.job(step, values, index=index, tools=self.tools)


def keep(found: Served) -> Any:
    """Keep what became of a share; gives the primitive's value with the last one, or its failure.

    None while there are shares to come, and where another one has failed before.
    """
    query, node, progressing = found.query, found.node, found.progressing
    progressing.left -= found.share.items
    if any(isinstance(value, Failed) for value in query.values.get(node, ())):
        return None
    if found.error is not None:
        return query.failure(node, found.error)
    progressing.results[found.begin : found.end] = found.results
    if progressing.left:
        return None
    try:
        return progressing.job.finish(progressing.results)
    except Exception as error:  # noqa: BLE001 - What an engine gave does not serve.
        return query.failure(node, error)
