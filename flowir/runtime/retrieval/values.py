"""What the parts of retrieval take and give, and the protocols that they follow.

Every part takes a batch and gives one result for each of its items, in their order. What an item
gets never depends on the others of its batch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
"""Embeddings, shape [texts, dimensions]."""


@dataclass(frozen=True)
class Document:
    """A text and what it is known by, such as its file in a corpus."""

    name: str
    text: str


@dataclass(frozen=True, order=True)
class Chunk:
    """A part of a document.

    Attributes:
        document: name of the document.
        number: its place among the chunks of the document, from 0.
    """

    document: str
    number: int
    text: str

    @property
    def name(self) -> str:
        """What tells it apart from all others of a corpus."""
        return f"{self.document}#{self.number}"


@dataclass(frozen=True)
class Entry:
    """A text in a store.

    Attributes:
        index: which index it is in; a store holds many.
        number: its place there.
    """

    index: str
    number: int
    text: str


@dataclass(frozen=True)
class Search:
    """What is asked of a store.

    Attributes:
        vector: shape [dimensions].
        indices: where to look; of equals the one in the earlier index comes first.
        top: how many are wanted.
    """

    vector: NDArray[np.float32]
    indices: tuple[str, ...]
    top: int


@dataclass(frozen=True)
class Hit:
    """An entry that was found. Of two hits the one with the higher score is the nearer."""

    entry: Entry
    score: float


class Embedder(Protocol):
    """Texts as vectors of length 1, so that a scalar product is a cosine."""

    def __call__(self, texts: Sequence[str]) -> Awaitable[Vectors]: ...


class VectorStore(Protocol):
    """Texts that are found by their vectors, in indices that know nothing of each other."""

    async def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """Ingest entries; one with the index and number of another replaces it."""
        ...

    async def search(self, asked: Sequence[Search]) -> list[list[Hit]]:
        """The nearest of each, nearest first; of equals the first by index and number."""
        ...

    async def drop(self, indices: Sequence[str]) -> None:
        """Forget indices and all that is in them."""
        ...


class Reranker(Protocol):
    """How well passages answer a query: higher is better, comparable within one query only.

    Takes (query, passages) pairs, and gives a score for every passage of each.
    """

    @property
    def pairwise(self) -> bool:
        """Whether the score of a passage is the same whatever other passages there are."""
        ...

    def __call__(
        self, asked: Sequence[tuple[str, Sequence[str]]]
    ) -> Awaitable[list[list[float]]]: ...


def normalized(vectors: Any) -> Vectors:
    """Rows scaled to length 1; a row of zeros stays one.

    Raises:
        ValueError: no matrix of finite numbers.
    """
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ValueError(f"embeddings of shape {found.shape} that are no matrix of finite numbers")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return (found / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def best(scores: Sequence[float], top: int) -> list[int]:
    """Places of the highest scores, highest first; of equals the earliest."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:top]
