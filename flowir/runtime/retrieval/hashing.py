"""Embeddings without a model: words and parts of words, hashed."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

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
        return self.vectors(texts)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The same at once: there is nobody to wait for."""
        return normalized(
            np.stack([self._vector(text) for text in texts])
            if texts
            else np.zeros((0, self.dimensions))
        )

    def _vector(self, text: str) -> Vectors:
        words = re.findall(r"\w+", text.lower())
        counts = Counter(chain.from_iterable(map(_features, words)))
        if not counts:
            return np.zeros(self.dimensions, dtype=np.float32)
        hashed = [_hashed(feature) for feature in counts]
        places = np.array([place for place, _ in hashed], dtype=np.int64) % self.dimensions
        signed = np.array([weight for _, weight in hashed])
        weights = signed * (1 + np.log(list(counts.values())))
        found = np.bincount(places, weights, self.dimensions)
        return found.astype(np.float32)


@lru_cache(1 << 16)
def _hashed(feature: str) -> tuple[int, float]:
    """56 bits that say where a feature goes, and its weight with a sign."""
    digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
    weight = SHORT_WEIGHT if len(feature) <= SHORT else 1.0
    return int.from_bytes(digest[:7], "big"), weight if digest[7] & 1 else -weight


@lru_cache(1 << 15)
def _features(word: str) -> tuple[str, ...]:
    """A word and its parts."""
    parts = (f"#{word[begin : begin + PART]}" for begin in range(len(word) - PART + 1))
    return word, *parts
