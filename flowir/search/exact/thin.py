"""How many options of a part are kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a merge may take.

    Attributes:
        width: most pairs of options × joint states of open events that it works out.
    """

    width: int
