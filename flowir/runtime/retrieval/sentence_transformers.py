"""Embeddings and reranking by local models, through sentence-transformers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowir.errors import RetrievalError
from flowir.runtime.retrieval.missing import missing
from flowir.runtime.retrieval.values import Vectors, normalized

EXTRA = "sentence-transformers"


class SentenceTransformerEmbedder:
    """A bi-encoder.

    Args:
        model: a folder, or the name of a model on the hub, which is then downloaded.
        batch: texts that go through the model at a time.
        options: of `SentenceTransformer`, such as `device`.

    Raises:
        RetrievalError: sentence-transformers is not installed, or the model cannot be loaded.
    """

    def __init__(self, model: str, *, batch: int = 32, **options: Any) -> None:
        self._model = _loaded("SentenceTransformer", model, options)
        self._batch = batch
        self._turn = asyncio.Lock()

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        async with self._turn:
            return await asyncio.to_thread(self._encode, list(texts))

    def _encode(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._model.get_embedding_dimension()), dtype=np.float32)
        return normalized(
            self._model.encode(
                texts,
                batch_size=self._batch,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        )


class CrossEncoderReranker:
    """A cross-encoder, which reads query and passage together.

    Args: as of :class:`SentenceTransformerEmbedder`, of `CrossEncoder`.

    Raises:
        RetrievalError: sentence-transformers is not installed, or the model cannot be loaded.
    """

    pairwise = True

    def __init__(self, model: str, *, batch: int = 32, **options: Any) -> None:
        self._model = _loaded("CrossEncoder", model, options)
        self._batch = batch
        self._turn = asyncio.Lock()

    async def __call__(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        pairs = [(query, passage) for query, passages in asked for passage in passages]
        async with self._turn:
            scores = await asyncio.to_thread(self._predict, pairs)
        flat = iter(scores)
        return [[next(flat) for _ in passages] for _, passages in asked]

    def _predict(self, pairs: list[tuple[str, str]]) -> list[float]:
        if not pairs:
            return []
        found = self._model.predict(pairs, batch_size=self._batch, show_progress_bar=False)
        scores = np.asarray(found, dtype=np.float64)
        if scores.ndim != 1:
            raise RetrievalError(
                f"the cross-encoder gives {scores.shape[1]} numbers a pair; take one with one label"
            )
        return [float(score) for score in scores]


def _loaded(kind: str, model: str, options: dict[str, Any]) -> Any:
    try:
        import sentence_transformers
    except ImportError:
        raise missing("sentence-transformers", EXTRA) from None
    try:
        return getattr(sentence_transformers, kind)(model, **options)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise RetrievalError(f"{model}: no model that {kind} can load ({why})") from None
