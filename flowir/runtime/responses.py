"""What clients of chat completions share: reading answers and streams, telling failures apart."""

from __future__ import annotations

import asyncio
import math
import warnings
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from flowir.runtime.llm import CallError, Completion, Usage

_TRANSIENT = {408, 409, 425, 429}


class UsageReader:
    """Reads token counts; says once where an endpoint tells none."""

    def __init__(self) -> None:
        self._warned = False

    def read(self, model: str, usage: Any) -> Usage:
        """The tokens of one call, 0 where nothing is told."""
        if usage is not None:
            return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the endpoint of {model} reports no token usage: it is counted as 0 tokens, and "
                "costs are too low",
                stacklevel=2,
            )
        return Usage(0, 0)


def read_answer(answer: Any, model: str, usage: UsageReader) -> Completion | None:
    """A completion in one piece; None where it has no choices."""
    choices = getattr(answer, "choices", None)
    if not choices:
        return None
    message = choices[0].message
    text = message.content or getattr(message, "refusal", None) or ""
    told = usage.read(model, getattr(answer, "usage", None))
    return Completion(text, told, None, answer.model or model)


async def read_pieces(
    node: str, chunks: AsyncIterator[Any], start: float, model: str, usage: UsageReader
) -> AsyncIterator[str | Completion]:
    """The text of a completion as its chunks bring it, then the completion.

    Args:
        start: when the request was made, on the clock of the event loop.

    Raises:
        CallError: the stream ended before the answer did.
    """
    clock = asyncio.get_running_loop().time
    pieces: list[str] = []
    first: float | None = None
    finished = False
    told = None
    answering = model
    async for chunk in chunks:
        answering = getattr(chunk, "model", None) or answering
        told = getattr(chunk, "usage", None) or told
        for choice in getattr(chunk, "choices", None) or ():
            finished = finished or choice.finish_reason is not None
            piece = choice.delta.content or getattr(choice.delta, "refusal", None)
            if piece:
                first = clock() - start if first is None else first
                pieces.append(piece)
                yield piece
    if not finished:
        raise CallError(
            f"{node}: the stream from {model} ended before the answer did", transient=True
        )
    yield Completion("".join(pieces), usage.read(model, told), first, answering)


async def completed(pieces: AsyncIterator[str | Completion]) -> Completion:
    """The completion behind the pieces of its text."""
    *_, completion = [piece async for piece in pieces]
    assert not isinstance(completion, str)
    return completion


def is_transient(status: int) -> bool:
    """Whether a request with this HTTP status may succeed later."""
    return status in _TRANSIENT or status >= 500


def words(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After` (RFC 9110: seconds or a date)."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
