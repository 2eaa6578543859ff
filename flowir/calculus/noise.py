"""Common random numbers: what chance decides at a site is the same for every setting compared."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from flowir.calculus.rows import Array
from flowir.calculus.scenarios import CallModel

Integers = npt.NDArray[np.intp]
Path = tuple[int, ...]
"""Which repetition of the enclosing tiers, bodies and items this is."""


class Noise:
    """[S] draws that depend on nothing but the seed, what is drawn, the site and the repetition."""

    def __init__(self, seed: int, size: int) -> None:
        self._seed = seed
        self._size = size
        self._drawn: dict[tuple[str, str, Path], Array] = {}
        self._seconds: dict[tuple[int, str, Path], tuple[Array, npt.NDArray[np.bool_]]] = {}

    def uniform(self, what: str, site: str, path: Path) -> Array:
        """[S] uniform on [0, 1)."""
        return self._draw(what, site, path, lambda generator: generator.random(self._size))

    def normal(self, what: str, site: str, path: Path) -> Array:
        """[S] standard normal."""
        return self._draw(what, site, path, lambda generator: generator.standard_normal(self._size))

    def latency(
        self, decision: int, site: str, path: Path, call: CallModel, settings: Integers
    ) -> Array:
        """[C, S] log-normal seconds of one call instance, of the configurations in `settings`.

        A configuration's latency is worked out once for all the rows that choose it.
        """
        key = (decision, site, path)
        if key not in self._seconds:
            known = np.zeros(len(call.success), dtype=bool)
            self._seconds[key] = (np.empty_like(call.log_latency), known)
        seconds, known = self._seconds[key]
        wanted = np.unique(settings)
        new = wanted[~known[wanted]]
        if len(new):
            drawn = self.normal("latency", site, path)
            seconds[new] = np.exp(call.log_latency[new] + call.latency_scale[new] * drawn)
            known[new] = True
        return seconds

    def _draw(
        self, what: str, site: str, path: Path, draw: Callable[[np.random.Generator], Array]
    ) -> Array:
        key = (what, site, path)
        if key not in self._drawn:
            text = repr((self._seed, what, site, path))
            bits = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "little")
            self._drawn[key] = draw(np.random.Generator(np.random.Philox(key=bits)))
        return self._drawn[key]
