"""The code of the four workflows: what they declare as primitives, and what is no primitive.

Lowered to primitives, embedding, ingestion, search and reranking are done by engines, and only
`search`, `windows` and `prefixed` are called. In `flow` all of it is: with the same parts, but
text by text and without a store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from flowir.prim.values import texts
from flowir.runtime.retrieval.bm25 import Bm25Reranker
from flowir.runtime.retrieval.chunking import chunked
from flowir.runtime.retrieval.corpus import read_corpus
from flowir.runtime.retrieval.hashing import HashingEmbedder
from flowir.runtime.retrieval.values import best

CORPUS = Path(str(files("flowir.examples.teola") / "corpus"))
"""Twenty short texts about the Solar System."""

NEIGHBOURS = 4
"""On each side of a chunk, in its window."""

MARK = ">>> "

Embedded = list[tuple[str, list[float]]]


async def embed(given: str | Sequence[str]) -> Embedded:
    """Texts, each with its vector."""
    wanted = texts(given)
    vectors = await HashingEmbedder()(wanted)
    return [(text, vector.tolist()) for text, vector in zip(wanted, vectors, strict=True)]


def ingest(embedded: Embedded) -> Embedded:
    """The index is what is in it."""
    return embedded


def nearest(top: int) -> Callable[[Embedded, Embedded], list[str]]:
    """Search: for each query the `top` nearest texts."""

    def search(index: Embedded, queries: Embedded) -> list[str]:
        there = np.array([vector for _, vector in index], dtype=np.float32)
        found = []
        for _, vector in queries:
            scores = np.round(there @ np.array(vector, dtype=np.float32), 5)
            found += [index[place][0] for place in best(scores.tolist(), top)]
        return found

    return search


nearest_3, nearest_16, nearest_32 = nearest(3), nearest(16), nearest(32)


async def best_3(question: str, found: Sequence[str]) -> list[str]:
    """Reranking: the three texts with the words that the question has."""
    scores = (await Bm25Reranker()([(question, found)]))[0]
    return [found[place] for place in best(scores, 3)]


def first(items: Sequence[Any]) -> Any:
    """The first item."""
    return items[0]


def second(items: Sequence[Any]) -> Any:
    """The second item."""
    return items[1]


def third(items: Sequence[Any]) -> Any:
    """The third item."""
    return items[2]


def windows(chunks: Sequence[str]) -> list[str]:
    """Around each chunk its neighbours; the chunk itself is marked."""
    found = []
    for place, chunk in enumerate(chunks):
        before = chunks[max(0, place - NEIGHBOURS) : place]
        behind = chunks[place + 1 : place + 1 + NEIGHBOURS]
        found.append("\n".join([*before, MARK + " ".join(chunk.split()), *behind]))
    return found


def prefixed(window: str, place: str) -> str:
    """The marked chunk of a window behind the sentence that places it."""
    marked = [line for line in window.splitlines() if line.startswith(MARK)]
    return f"{place}\n{marked[0].removeprefix(MARK)}"


async def search(question: str) -> str:
    """What stands in for a search of the web: the three passages of the corpus that suit best."""
    passages, vectors = _passages()
    probe = (await HashingEmbedder()([question]))[0]
    near = [passages[place] for place in best(np.round(vectors @ probe, 5).tolist(), 16)]
    return "\n".join(await best_3(question, near))


@cache
def _passages() -> tuple[list[str], Any]:
    passages = [" ".join(chunk.text.split()) for chunk in chunked(read_corpus(CORPUS))]
    return passages, _run(passages)


def _run(passages: list[str]) -> Any:
    """Vectors, from within a running event loop or without: nothing here waits."""
    coroutine = HashingEmbedder()(passages)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("an embedder without a model does not wait")
