"""Keys of providers: found by the names of their variables, and kept out of every message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

KEY = "OPENAI_API_KEY"
SHORTEST_KEY = 8
"""What is shorter may be an ordinary word, as where an endpoint needs no key."""

_KEY_LIKE = re.compile(r"\b(sk-|Bearer\s+)[\w*.-]{6,}")


def keys() -> tuple[str, ...]:
    """The keys of all providers that this process knows."""
    return tuple(
        key
        for name, key in os.environ.items()
        if key and (name == KEY or (name.endswith("_API_KEY") and len(key) >= SHORTEST_KEY))
    )


def without(text: str, secrets: Iterable[str]) -> str:
    """The text without secrets, and without what looks like one."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return _KEY_LIKE.sub(r"\1…", text)
