"""Primitives of batch engines: their items, the calls that take a batch, and what comes of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from flowir.errors import PrimError
from flowir.prim.values import texts
from flowir.runtime.llm import Tools
from flowir.runtime.primitives.program import CallTool, Embed, Find, Ingest, Rerank, Step
from flowir.runtime.primitives.values import Index
from flowir.runtime.retrieval.values import (
    Embedder,
    Entry,
    Hit,
    Reranker,
    Search,
    VectorStore,
    best,
)

Part: TypeAlias = Embedder | VectorStore | Reranker
"""What stands behind a batch engine; tools are known by their names."""


@dataclass
class Job:
    """What one primitive gives its engine.

    Attributes:
        items: of its work, each done in one batch.
        finish: its value, from what came of each item.
    """

    items: Sequence[Any]
    finish: Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, eq=False)
class _Passage:
    """A passage of a query, among the others that it is ranked with."""

    query: str
    passages: Sequence[str]
    place: int


@dataclass(frozen=True)
class _ToolCall:
    call: Callable[..., Any]
    arguments: Sequence[Any]


def job(step: Step, values: Sequence[Any], *, index: str, tools: Tools) -> Job:
    """The job of a step.

    Args:
        values: of its inputs, in the order of its fields.
        index: a name for what it ingests.

    Raises:
        PrimError: it is none of a batch engine, or calls a tool that is not given.
    """
    match step:
        case Embed():
            return _embedding(step, values[0])
        case Ingest():
            return _ingestion(step, values[0], index)
        case Find():
            return _searching(step, values[0], values[1])
        case Rerank():
            return _reranking(step, values[0], values[1])
        case CallTool():
            if step.tool not in tools:
                raise PrimError(f"tool {step.tool} is not there; give it in `tools`")
            return Job([_ToolCall(tools[step.tool], values)], lambda found: found[0])
        case _:
            raise PrimError(f"{type(step).__name__} is no work of a batch engine")


def _embedding(step: Embed, given: Any) -> Job:
    wanted = texts(given) if step.part is None else step.part.of(texts(given))
    return Job(wanted, lambda rows: list(zip(wanted, rows, strict=True)))


def _ingestion(step: Ingest, given: list[tuple[str, Any]], index: str) -> Job:
    items = [(Entry(index, place, text), vector) for place, (text, vector) in enumerate(given)]
    if step.part is not None:
        items = step.part.of(items)
    return Job(items, lambda _: Index((index,) if items else ()))


def _searching(step: Find, index: Index, queries: list[tuple[str, Any]]) -> Job:
    wanted = queries if step.part is None else step.part.of(queries)
    items = [Search(vector, index.names, step.top) for _, vector in wanted]

    def finish(found: Sequence[list[Hit]]) -> list[str]:
        return [hit.entry.text for hits in found for hit in hits]

    return Job(items if index.names else [], finish)


def _reranking(step: Rerank, query: str, given: Any) -> Job:
    passages = texts(given)
    items = [_Passage(query, passages, place) for place in range(len(passages))]

    def finish(scores: Sequence[float]) -> list[str]:
        return [passages[place] for place in best(scores, step.top)]

    return Job(items, finish)


async def run_batch(kind: str, part: Part | None, items: Sequence[Any]) -> Sequence[Any]:
    """What becomes of the items of a batch, in order.

    Raises:
        PrimError: the engine gave something else than one result for each.
        Exception: whatever the engine or a tool raised.
    """
    found = await _KINDS[kind](part, items)
    if len(found) != len(items):
        raise PrimError(f"{kind}: {len(items)} items, but the engine gave {len(found)} results")
    return found


async def _embed(part: Any, items: Sequence[str]) -> Sequence[Any]:
    return list(await cast(Embedder, part)(items))


async def _ingest(part: Any, items: Sequence[tuple[Entry, Any]]) -> Sequence[None]:
    vectors = np.stack([vector for _, vector in items])
    await cast(VectorStore, part).add([entry for entry, _ in items], vectors)
    return [None] * len(items)


async def _search(part: Any, items: Sequence[Search]) -> Sequence[list[Hit]]:
    return await cast(VectorStore, part).search(items)


async def _rerank(part: Any, items: Sequence[_Passage]) -> Sequence[float]:
    """Passages of one query together; all of its passages where they count for each other."""
    reranker = cast(Reranker, part)
    by_query: dict[int, list[_Passage]] = {}
    for item in items:
        by_query.setdefault(id(item.passages), []).append(item)
    groups = list(by_query.values())
    asked = [(of[0].query, _asked(reranker, of)) for of in groups]
    scores: dict[tuple[int, int], float] = {}
    for of, found in zip(groups, await reranker(asked), strict=True):
        for number, one in enumerate(of):
            place = number if reranker.pairwise else one.place
            scores[id(one.passages), one.place] = found[place]
    return [scores[id(item.passages), item.place] for item in items]


def _asked(reranker: Reranker, of: Sequence[_Passage]) -> Sequence[str]:
    if reranker.pairwise:
        return [one.passages[one.place] for one in of]
    return of[0].passages


async def _call(part: Any, items: Sequence[_ToolCall]) -> Sequence[Any]:
    return await asyncio.gather(*(_call_tool(item) for item in items))


async def _call_tool(item: _ToolCall) -> Any:
    """Coroutine functions run in the event loop, all others in a thread."""
    if inspect.iscoroutinefunction(item.call):
        return await item.call(*item.arguments)
    value = await asyncio.to_thread(item.call, *item.arguments)
    return await value if inspect.isawaitable(value) else value


_KINDS: Mapping[str, Callable[[Any, Sequence[Any]], Awaitable[Sequence[Any]]]] = {
    "embedding": _embed,
    "ingestion": _ingest,
    "searching": _search,
    "reranking": _rerank,
    "tool": _call,
}
