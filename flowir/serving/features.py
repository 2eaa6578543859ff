"""Cheap features of a request: how long it is, and what it is about.

The first feature is the logarithm of the number of characters; the others are the first principal
components, over the known requests, of an embedding. Of each further component it is the classifier
who has to learn what it is good for: a few go a long way, and which number of them predicts best is
found on the known requests (see `smoothing`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowir.runtime.retrieval.hashing import HashingEmbedder
from flowir.runtime.retrieval.values import Vectors

Floats = npt.NDArray[np.float64]

Embed = Callable[[Sequence[str]], Vectors]
"""[N, D] vectors of N texts, at once. It is called in a thread."""

CHARACTERS = 512
"""Of a request that are embedded at most: half of its beginning, half of its end."""

COMPONENTS = (0, 1, 2, 4, 8)
"""Numbers of components that are tried."""


def hashing(texts: Sequence[str]) -> Vectors:
    """Words and parts of words, hashed."""
    return _HASHING.vectors(texts)


_HASHING = HashingEmbedder(256)

EMBEDDINGS: Mapping[str, Embed | None] = {"hashing": hashing, "length": None}
"""By the names that the command line has for features; the first is the default."""


def waited_for(embedder: Callable[[Sequence[str]], Awaitable[Vectors]]) -> Embed:
    """An embedder of `flowir.runtime.retrieval`, for threads without an event loop."""

    async def asked(texts: Sequence[str]) -> Vectors:
        return await embedder(texts)

    return lambda texts: asyncio.run(asked(texts))


def text_of(inputs: Mapping[str, Any], names: Iterable[str]) -> str:
    """What a request says: its text inputs as they are, others as JSON, in the workflow's order."""
    return "\n".join(
        value if isinstance(value := inputs[name], str) else json.dumps(value, sort_keys=True)
        for name in names
    )


@dataclass(frozen=True, eq=False)
class Features:
    """What is seen of a request.

    Attributes:
        embed: None for the length alone.
        centre: [D] mean of the vectors of the known requests.
        axes: [D, K] their principal directions.
    """

    embed: Embed | None
    centre: Floats
    axes: Floats

    def of(self, texts: Sequence[str]) -> Floats:
        """[N, 1 + K] features."""
        length = np.log1p([[float(len(text))] for text in texts])
        if self.embed is None or not self.axes.shape[1]:
            return length
        vectors = np.asarray(self.embed([_clipped(text) for text in texts]), dtype=np.float64)
        return np.hstack([length, (vectors - self.centre) @ self.axes])

    def first(self, components: int) -> Features:
        """The same with fewer components."""
        return Features(self.embed, self.centre, np.ascontiguousarray(self.axes[:, :components]))


def features_of(embed: Embed | None, known: Sequence[str]) -> Features:
    """Features with as many components as are tried at most, by the texts of known requests."""
    if embed is None:
        return Features(None, np.zeros(0), np.zeros((0, 0)))
    vectors = np.asarray(embed([_clipped(text) for text in known]), dtype=np.float64)
    centre = vectors.mean(axis=0)
    _, spread, directions = np.linalg.svd(vectors - centre, full_matrices=False)
    kept = min(max(COMPONENTS), int((spread > 1e-9).sum()))
    axes = directions[:kept].T
    # The sign of a direction is arbitrary: the largest entry is made positive, everywhere.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])
    return Features(embed, centre, np.ascontiguousarray(axes * signs))


def _clipped(text: str) -> str:
    if len(text) <= CHARACTERS:
        return text
    half = CHARACTERS // 2
    return f"{text[:half]} {text[-half:]}"
