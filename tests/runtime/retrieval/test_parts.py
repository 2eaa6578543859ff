"""The parts of retrieval: what each gives, and that it does not depend on the batch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowir.errors import RetrievalError
from flowir.runtime.retrieval.bm25 import Bm25Reranker
from flowir.runtime.retrieval.chunking import chunked
from flowir.runtime.retrieval.corpus import read_corpus
from flowir.runtime.retrieval.hashing import HashingEmbedder
from flowir.runtime.retrieval.qdrant import QdrantStore
from flowir.runtime.retrieval.values import (
    Document,
    Entry,
    Search,
    Vectors,
    best,
    normalized,
)
from tests.budget import some

WORDS = st.lists(
    st.sampled_from(["moon", "planet", "planets", "orbit", "tide", "sea", "star"]), max_size=6
).map(" ".join)
PLANETS = {
    "mars": "Mars has two moons, Phobos and Deimos.",
    "venus": "Venus turns backwards and has no moon.",
    "tides": "The Moon raises the tides of the sea.",
}


def embed(texts: list[str]) -> Vectors:
    return asyncio.run(HashingEmbedder()(texts))


@settings(max_examples=some(20))
@given(st.lists(WORDS | st.text(), max_size=5))
def test_an_embedding_does_not_depend_on_its_batch(texts: list[str]) -> None:
    together = embed(texts)
    assert together.shape == (len(texts), 512)
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal(embed([text])[0], vector)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5) or not np.any(vector)


def test_texts_that_share_words_are_nearer() -> None:
    asked, near, part, far = embed(["moons of Mars", "Mars has moons", "a martial moon", "tides"])
    assert asked @ near > asked @ part > asked @ far


def test_embeddings_are_checked() -> None:
    with pytest.raises(ValueError, match="no matrix"):
        normalized([1.0, 2.0])
    with pytest.raises(ValueError, match="finite"):
        normalized([[float("nan")]])
    with pytest.raises(RetrievalError, match="at least 1"):
        HashingEmbedder(0)


@settings(max_examples=some(50))
@given(st.text(alphabet="ab. \n", max_size=300), st.integers(5, 40))
def test_chunks_fit_and_lose_nothing_but_space(text: str, size: int) -> None:
    chunks = chunked([Document("d", text)], size)
    assert all(0 < len(chunk.text) <= size for chunk in chunks)
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))


def test_chunks_of_no_size_are_refused() -> None:
    for size, overlap in ((0, 0), (5, 5), (5, -1)):
        with pytest.raises(RetrievalError, match="characters"):
            chunked([Document("d", "text")], size, overlap)


@settings(max_examples=some(15))
@given(st.lists(WORDS, min_size=1, max_size=8), st.lists(WORDS, min_size=1, max_size=3))
def test_the_store_finds_what_comparing_all_finds(texts: list[str], asked: list[str]) -> None:
    """Against the scalar products of all pairs; in two indices, ingested in either order."""
    vectors, queries = embed(texts), embed(asked)
    half = len(texts) // 2
    entries = [
        Entry("a" if number < half else "b", number, text) for number, text in enumerate(texts)
    ]
    other = Entry("another", 0, asked[0])
    parts = [
        (entries[:half], vectors[:half]),
        (entries[half:], vectors[half:]),
        ([other], queries[:1]),
    ]

    async def found(order: list[int]) -> list[list[tuple[int, float]]]:
        with QdrantStore() as store:
            for place in order:
                await store.add(*parts[place])
            hits = await store.search([Search(query, ("a", "b"), 4) for query in queries])
        return [[(hit.entry.number, hit.score) for hit in of_one] for of_one in hits]

    forwards, backwards = asyncio.run(found([0, 1, 2])), asyncio.run(found([2, 1, 0]))
    assert forwards == backwards
    for query, hits in zip(queries, forwards, strict=True):
        exact = [float(score) for score in vectors @ query]
        assert [score for _, score in hits] == pytest.approx(
            sorted(exact, reverse=True)[:4], abs=2e-5
        )
        assert all(score == pytest.approx(exact[number], abs=2e-5) for number, score in hits)


def test_of_equal_texts_the_first_is_found_first() -> None:
    moons = embed(["moons"] * 4)

    async def run() -> list[tuple[str, int]]:
        with QdrantStore() as store:
            for index, number in (("b", 1), ("a", 1), ("b", 0), ("a", 0)):
                await store.add([Entry(index, number, "moons")], moons[:1])
            hits = await store.search([Search(moons[0], ("b", "a"), 3)])
        return [(hit.entry.index, hit.entry.number) for hit in hits[0]]

    assert asyncio.run(run()) == [("b", 0), ("b", 1), ("a", 0)]


def test_an_entry_that_comes_again_is_replaced_and_what_is_dropped_is_gone(tmp_path: Path) -> None:
    tides, moons = embed(["tides"]), embed(["moons"])
    asked = [Search(moons[0], ("a", "b"), 5)]

    async def run() -> tuple[list[str], list[str]]:
        with QdrantStore(tmp_path / "store") as store:
            await store.add([Entry("a", 0, "tides")], tides)
            await store.add([Entry("a", 0, "moons")], moons)
            await store.add([Entry("b", 0, "sea")], tides)
        with QdrantStore(tmp_path / "store") as store:  # It was kept in the folder.
            before = await store.search(asked)
            await store.drop(["b"])
            after = await store.search(asked)
        return [hit.entry.text for hit in before[0]], [hit.entry.text for hit in after[0]]

    assert asyncio.run(run()) == (["moons", "sea"], ["moons"])


def test_what_a_store_cannot_take_is_an_error() -> None:
    moon = embed(["moon"])

    async def run() -> None:
        with QdrantStore() as store:
            await store.drop(["a"])
            with pytest.raises(RetrievalError, match="nothing was ingested"):
                await store.search([Search(moon[0], ("a",), 1)])
            with pytest.raises(RetrievalError, match="one row each"):
                await store.add([Entry("a", 0, "moon")], moon[:0])
            await store.add([Entry("a", 0, "moon")], moon)
            with pytest.raises(RetrievalError, match="vector store"):
                await store.search([Search(moon[0][:3], ("a",), 1)])

    asyncio.run(run())


@settings(max_examples=some(40))
@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=5)), max_size=3))
def test_reranking_does_not_depend_on_the_batch(asked: list[tuple[str, list[str]]]) -> None:
    rerank = Bm25Reranker()
    together = asyncio.run(rerank(asked))
    alone = [asyncio.run(rerank([one]))[0] for one in asked]
    assert together == alone
    assert [len(scores) for scores in together] == [len(passages) for _, passages in asked]


def test_reranking_puts_what_answers_first() -> None:
    passages = list(PLANETS.values())
    scores = asyncio.run(Bm25Reranker()([("What raises the tides?", passages)]))[0]
    assert best(scores, 1) == [2]
    assert best([1.0, 2.0, 2.0], 2) == [1, 2]


def test_a_corpus_is_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.md").write_text(" Moons ")
    (tmp_path / "a.txt").write_text("Tides")
    (tmp_path / "a.csv").write_text("1,2")
    assert read_corpus(tmp_path) == [Document("a.txt", "Tides"), Document("b/x.md", "Moons")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [(None, b"", "no document"), ("a.txt", b"  ", "empty"), ("a.txt", b"\xff\xfe", "UTF-8")],
)
def test_a_corpus_that_is_none_is_an_error(
    tmp_path: Path, name: str | None, content: bytes, said: str
) -> None:
    if name is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RetrievalError, match=said):
        read_corpus(tmp_path)
    with pytest.raises(RetrievalError, match="no such folder"):
        read_corpus(tmp_path / "nowhere")
