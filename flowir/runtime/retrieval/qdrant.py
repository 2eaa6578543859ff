"""Vectors in Qdrant: within this process by default, or on a server of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from flowir.errors import RetrievalError
from flowir.runtime.retrieval.missing import missing
from flowir.runtime.retrieval.values import Entry, Hit, Search, Vectors

_T = TypeVar("_T")

_NAMES = uuid.UUID("4f6b7d0e-5b4e-5d0b-9c55-0a3d8b1f7a51")
"""Points are known by UUIDs, made of their index and number."""

_SPARE = 8
"""Hits that are looked at beyond those asked for, so that of equals the first is kept."""

_DIGITS = 5
"""Of a score. What differs less is equal: the last bits depend on what else is in the store."""


class QdrantStore:
    """Texts by cosine similarity; exact while Qdrant runs within this process.

    All indices share one collection, and are told apart by a field of their points. One call at a
    time goes to Qdrant, in a thread. Close the store, or use it as a context manager.

    Args:
        place: `:memory:`, a folder, or the address of a server (http://…).
        collection: its name there; made when the first entries come.

    Raises:
        RetrievalError: qdrant-client is not installed, or the place cannot be used.
    """

    def __init__(self, place: str | Path = ":memory:", collection: str = "flowir") -> None:
        try:
            import qdrant_client
        except ImportError:
            raise missing("qdrant-client", "retrieval") from None
        self._library: Any = qdrant_client
        self._collection = collection
        self._turn = asyncio.Lock()
        try:
            self._client: Any = qdrant_client.QdrantClient(**_options(str(place)))
        except Exception as error:  # Whatever its HTTP and file layers raise.
            raise RetrievalError(f"{place}: Qdrant cannot be used there ({error})") from None

    def __enter__(self) -> QdrantStore:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; one in memory is gone."""
        self._client.close()

    async def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """Ingest entries; one with the index and number of another replaces it.

        Raises:
            RetrievalError: not one vector for each entry, or of another length than those there.
        """
        if vectors.ndim != 2 or len(entries) != len(vectors):
            raise RetrievalError(
                f"{len(entries)} texts with embeddings of shape {vectors.shape}; give one row each"
            )
        if entries:
            await self._run(lambda: self._add(entries, vectors))

    async def search(self, asked: Sequence[Search]) -> list[list[Hit]]:
        """The nearest of each, nearest first; of equals the first by index and number.

        Raises:
            RetrievalError: nothing was ingested, or vectors of another length.
        """
        return await self._run(lambda: self._search(asked)) if asked else []

    async def drop(self, indices: Sequence[str]) -> None:
        """Forget indices and all that is in them."""
        if indices:
            await self._run(lambda: self._drop(indices))

    async def _run(self, work: Callable[[], _T]) -> _T:
        async with self._turn:
            try:
                return await asyncio.to_thread(work)
            except ValueError as error:
                raise RetrievalError(f"vector store: {error}") from None

    def _add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        models = self._library.models
        if not self._client.collection_exists(self._collection):
            self._client.create_collection(
                self._collection,
                vectors_config=models.VectorParams(
                    size=vectors.shape[1], distance=models.Distance.COSINE
                ),
            )
        self._client.upsert(
            self._collection,
            [
                models.PointStruct(
                    id=str(uuid.uuid5(_NAMES, f"{entry.number} {entry.index}")),
                    vector=vector.tolist(),
                    payload={"index": entry.index, "number": entry.number, "text": entry.text},
                )
                for entry, vector in zip(entries, vectors, strict=True)
            ],
        )

    def _search(self, asked: Sequence[Search]) -> list[list[Hit]]:
        models = self._library.models
        if not self._client.collection_exists(self._collection):
            raise ValueError("nothing was ingested")
        requests = [
            models.QueryRequest(
                query=one.vector.tolist(),
                filter=self._within(one.indices),
                limit=one.top + _SPARE,
                with_payload=True,
            )
            for one in asked
        ]
        answers = self._client.query_batch_points(self._collection, requests)
        return [_nearest(answer.points, one) for answer, one in zip(answers, asked, strict=True)]

    def _drop(self, indices: Sequence[str]) -> None:
        if self._client.collection_exists(self._collection):
            self._client.delete(
                self._collection,
                self._library.models.FilterSelector(filter=self._within(indices)),
            )

    def _within(self, indices: Sequence[str]) -> Any:
        models = self._library.models
        there = models.MatchAny(any=list(indices))
        return models.Filter(must=[models.FieldCondition(key="index", match=there)])


def _nearest(points: Sequence[Any], asked: Search) -> list[Hit]:
    place = {name: number for number, name in enumerate(asked.indices)}
    hits = [Hit(Entry(**point.payload), round(float(point.score), _DIGITS)) for point in points]
    return sorted(hits, key=lambda h: (-h.score, place[h.entry.index], h.entry.number))[: asked.top]


def _options(place: str) -> dict[str, Any]:
    if place == ":memory:":
        return {"location": place}
    if "://" in place:
        return {"url": place}
    # Calls come from several threads, one at a time.
    return {"path": place, "force_disable_check_same_thread": True}
