"""Random numbers that depend on what is drawn, never on when.

Every draw is a hash of (seed, sample, scenario), the site, what the call was given, and how often
it was given the same before: the order in which concurrent calls happen to run changes nothing.
"""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist
from struct import Struct

_WORDS = Struct("<5Q")
_NORMAL = NormalDist()


class Draw:
    """The random numbers of one call: independent, one per slot."""

    __slots__ = ("_words",)

    CORRECT, LATENCY, AGREES, CHOICE, SERIAL = range(5)

    def __init__(self, digest: bytes) -> None:
        self._words = _WORDS.unpack(digest)

    def uniform(self, slot: int) -> float:
        """In (0, 1), one of 2^52 equally likely midpoints."""
        word: int = self._words[slot]
        return ((word >> 12) + 0.5) * 2.0**-52

    def normal(self, slot: int) -> float:
        """Standard normal."""
        return _NORMAL.inv_cdf(self.uniform(slot))

    @property
    def serial(self) -> str:
        """Ten hexadecimal digits."""
        return f"{self._words[self.SERIAL] >> 24:010x}"


class Draws:
    """The draws of one run."""

    def __init__(self, seed: int, sample: int, scenario: int) -> None:
        key = f"{seed} {sample} {scenario}\0".encode()
        self._run = blake2b(key, digest_size=_WORDS.size)
        self._seen: dict[bytes, int] = {}

    def next(self, site: str, given: str) -> Draw:
        """The draw of the next call of a site that is given this text."""
        state = self._run.copy()
        state.update(f"{site}\0{given}".encode())
        digest = state.digest()
        before = self._seen.get(digest, 0)
        self._seen[digest] = before + 1
        if before:
            state.update(f"\0{before}".encode())
            digest = state.digest()
        return Draw(digest)
