"""Embeddings without a model: words and parts of words, hashed."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from flowir.errors import RetrievalError
from flowir.runtime.retrieval.values import Vectors, normalized

SHORT, SHORT_WEIGHT = 3, 0.25
"""Words of so few letters are mostly such as `the` and `of`: they count for less."""

PART = 4
"""Letters of a part of a word: what `planet`, `planets` and `planetary` have in common."""


class HashingEmbedder:
    """Signed feature hashing (Weinberger et al., arXiv 0902.2206) of words and parts of words.

    It sees which words two texts share, and nothing of what they mean: enough for examples and
    tests that must run without a model. The same text has the same vector everywhere.

    Args:
        dimensions: of the vectors.
    """

    def __init__(self, dimensions: int = 512) -> None:
        if dimensions < 1:
            raise RetrievalError(f"vectors of {dimensions} dimensions; give at least 1")
        self.dimensions = dimensions

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        return normalized(
            np.stack([self._vector(text) for text in texts])
            if texts
            else np.zeros((0, self.dimensions))
        )

    def _vector(self, text: str) -> Vectors:
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for feature, count in Counter(_features(text)).items():
            digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
            place = int.from_bytes(digest[:7], "big") % self.dimensions
            weight = SHORT_WEIGHT if len(feature) <= SHORT else 1.0
            vector[place] += (1 if digest[7] & 1 else -1) * weight * (1 + math.log(count))
        return vector


def _features(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", text.lower()):
        yield word
        for begin in range(len(word) - PART + 1):
            yield f"#{word[begin : begin + PART]}"
