"""Embeddings of an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowir.runtime.llm import CallError
from flowir.runtime.openai_endpoint import OpenAIEndpoint
from flowir.runtime.retrieval.values import Vectors, normalized


class OpenAIEmbedder(OpenAIEndpoint):
    """Vectors of one model. One request for each batch, without repeats of its own.

    Args:
        model: the provider's name of it.
        dimensions: asked for, where the model can be asked; its own if None.

    Raises:
        CallError: no SDK, no key, or a request that failed.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float | None = None,
        dimensions: int | None = None,
    ) -> None:
        super().__init__(base_url=base_url, api_key=api_key, timeout_s=timeout_s)
        self._model = model
        self._options = {} if dimensions is None else {"dimensions": dimensions}

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        with self._told_apart("embedding", self._model):
            answer = await self._client.embeddings.create(
                model=self._model, input=list(texts), encoding_format="float", **self._options
            )
            found = {row.index: row.embedding for row in answer.data or ()}
        if sorted(found) != list(range(len(texts))):
            raise CallError(
                f"embedding: {self._model} gave {len(found)} vectors for {len(texts)} texts",
                transient=True,
            )
        return normalized([found[place] for place in range(len(texts))])
