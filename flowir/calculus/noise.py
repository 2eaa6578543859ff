"""Common random numbers: what chance decides at a site is the same for every setting compared."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from flowir.calculus.rows import Array

Path = tuple[int, ...]
"""Which repetition of the enclosing tiers, bodies and items this is."""


class Noise:
    """[S] draws that depend on nothing but the seed, what is drawn, the site and the repetition."""

    def __init__(self, seed: int, size: int) -> None:
        self._seed = seed
        self._size = size
        self._drawn: dict[tuple[str, str, Path], Array] = {}

    def uniform(self, what: str, site: str, path: Path) -> Array:
        """[S] uniform on [0, 1)."""
        return self._draw(what, site, path, lambda generator: generator.random(self._size))

    def normal(self, what: str, site: str, path: Path) -> Array:
        """[S] standard normal."""
        return self._draw(what, site, path, lambda generator: generator.standard_normal(self._size))

    def _draw(
        self, what: str, site: str, path: Path, draw: Callable[[np.random.Generator], Array]
    ) -> Array:
        key = (what, site, path)
        if key not in self._drawn:
            text = repr((self._seed, what, site, path))
            bits = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "little")
            self._drawn[key] = draw(np.random.Generator(np.random.Philox(key=bits)))
        return self._drawn[key]
