"""The one layer that repeats requests, of models and of other engines."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")

BACKOFF_S = 0.5
"""The longest random wait before the first repeat; it doubles from then on."""

LONGEST_WAIT_S = 60.0
"""A provider that asks for more is not asked again."""


async def repeated(attempt: Callable[[], Awaitable[_T]], retries: int) -> _T:
    """What an attempt gives; made again where its error says that this may help.

    Raises:
        Exception: what the last attempt raised.
    """
    for failures in range(retries + 1):
        try:
            return await attempt()
        except Exception as error:
            wait = wait_s(error, failures)
            if failures == retries or wait is None:
                raise
            await asyncio.sleep(wait)
    raise AssertionError("unreachable")


def wait_s(error: BaseException, failures: int) -> float | None:
    """Seconds until the next attempt after so many failures before this one; None: none is due."""
    passing = isinstance(error, TimeoutError | ConnectionError)
    if not getattr(error, "transient", passing):
        return None
    asked = getattr(error, "retry_after_s", None) or 0.0
    if asked > LONGEST_WAIT_S:
        return None
    return float(min(LONGEST_WAIT_S, asked + random.uniform(0, BACKOFF_S * 2**failures)))
