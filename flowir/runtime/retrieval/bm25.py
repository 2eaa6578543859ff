"""Reranking by words, without a model, through bm25s."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from flowir.runtime.retrieval.missing import missing


class Bm25Reranker:
    """BM25 (Lucene's variant) of the passages, with their own words as statistics.

    Raises:
        RetrievalError: bm25s is not installed.
    """

    pairwise = False

    def __init__(self) -> None:
        try:
            import bm25s
        except ImportError:
            raise missing("bm25s", "retrieval") from None
        self._library: Any = bm25s

    async def __call__(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        return await asyncio.to_thread(
            lambda: [self._scores(query, passages) for query, passages in asked]
        )

    def _scores(self, query: str, passages: Sequence[str]) -> list[float]:
        words = [_words(passage) for passage in passages]
        known = {word for passage in words for word in passage}
        # The library has no index of no words, and no score of a query of none of them.
        wanted = [word for word in _words(query) if word in known]
        if not wanted:
            return [0.0] * len(passages)
        index = self._library.BM25()
        index.index(words, show_progress=False)
        return [float(score) for score in index.get_scores(wanted)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
