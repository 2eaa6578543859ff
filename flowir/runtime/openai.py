"""OpenAI-compatible endpoints behind the model protocol, through the `openai` SDK.

Install it with `pip install 'flowir[openai]'`. The SDK's own retries are off: emitted code retries,
and two layers would multiply.
"""

from __future__ import annotations

import asyncio
import math
import os
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

from flowir.runtime.llm import CallError, Completion, Message, Usage

_TRANSIENT = {408, 409, 425, 429}


class OpenAIModels:
    """A model client (see :class:`flowir.runtime.llm.LLM`) for one endpoint.

    Use it as an async context manager, or call `aclose` when done. A `budget` that is a label is
    sent as `reasoning_effort`; one in tokens as `thinking`, the form of Anthropic and LiteLLM
    (OpenAI's own endpoint refuses it). Sampling parameters go to `chat.completions.create` as they
    are.

    Args:
        base_url: the endpoint, with its version path; `OPENAI_BASE_URL` or OpenAI's own if None.
        api_key: `OPENAI_API_KEY` if None. An endpoint given by `base_url` may need none.
        timeout_s: seconds until a request is given up; the SDK's default (minutes) if None.
        stream: read answers as they are written, which measures the time to first token.

    Raises:
        CallError: the SDK is not installed or no key was given; calls raise it as well.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float | None = None,
        stream: bool = False,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise CallError(
                "the openai package is not installed; run: pip install 'flowir[openai]'",
                transient=False,
            ) from error
        key = api_key or os.environ.get("OPENAI_API_KEY") or ("none" if base_url else None)
        if key is None:
            raise CallError(
                "no key for the OpenAI endpoint; set OPENAI_API_KEY or give api_key",
                transient=False,
            )
        limits: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        self._sdk: Any = openai
        self._client: Any = openai.AsyncOpenAI(
            base_url=base_url, api_key=key, max_retries=0, **limits
        )
        self._stream = stream
        self._warned = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        """One request; `node` only names the call in errors."""
        request = {"model": model, "messages": messages, **_translated(params)}
        try:
            if self._stream:
                return await self._streamed(node, request)
            return await self._whole(node, request)
        except (CallError, TypeError):
            raise
        except self._sdk.APIError as error:
            raise self._call_error(node, model, error) from error
        except ValueError as error:
            raise CallError(
                f"{node}: {model} sent an answer that is not JSON ({error})", transient=True
            ) from error
        except Exception as error:
            # Some versions of the SDK let the HTTP library's errors out of a broken stream.
            if not type(error).__module__.startswith(("httpx", "httpcore")):
                raise
            raise CallError(
                f"{node}: the connection to {model} broke ({_words(error)})", transient=True
            ) from error

    async def _whole(self, node: str, request: dict[str, Any]) -> Completion:
        answer = await self._client.chat.completions.create(**request)
        choices = getattr(answer, "choices", None)
        if not choices:
            raise self._no_completion(node, request["model"], answer)
        message = choices[0].message
        text = message.content or getattr(message, "refusal", None) or ""
        return Completion(
            text,
            self._usage(request["model"], answer.usage),
            None,
            answer.model or request["model"],
        )

    async def _streamed(self, node: str, request: dict[str, Any]) -> Completion:
        loop = asyncio.get_running_loop()
        start = loop.time()
        options = {"include_usage": True, **(request.get("stream_options") or {})}
        stream = await self._client.chat.completions.create(
            **{**request, "stream": True, "stream_options": options}
        )
        pieces: list[str] = []
        first: float | None = None
        finished = False
        usage = None
        model = request["model"]
        async with stream:
            async for chunk in stream:
                model = getattr(chunk, "model", None) or model
                usage = getattr(chunk, "usage", None) or usage
                for choice in getattr(chunk, "choices", None) or ():
                    finished = finished or choice.finish_reason is not None
                    delta = choice.delta
                    piece = delta.content or getattr(delta, "refusal", None)
                    if piece:
                        first = loop.time() - start if first is None else first
                        pieces.append(piece)
        if not finished:
            raise CallError(
                f"{node}: the stream from {request['model']} ended before the answer did",
                transient=True,
            )
        return Completion("".join(pieces), self._usage(request["model"], usage), first, model)

    def _usage(self, model: str, usage: Any) -> Usage:
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

    def _no_completion(self, node: str, model: str, answer: object) -> CallError:
        if isinstance(answer, str):  # what the SDK makes of a page that is not JSON
            return CallError(
                f"{node}: {self._client.base_url} does not speak the chat completions API (it "
                f"answered {answer[:60]!r}); check base_url",
                transient=False,
            )
        return CallError(f"{node}: {model} sent a completion without choices", transient=True)

    def _call_error(self, node: str, model: str, error: Any) -> CallError:
        status: int | None = getattr(error, "status_code", None)
        words = f"{node}: {model} at {self._client.base_url}: {_words(error)}"
        if status is None:  # no connection, a timeout, or an error event inside a stream
            return CallError(words, transient=True)
        transient = (status in _TRANSIENT or status >= 500) and error.code != "insufficient_quota"
        return CallError(
            words,
            transient=transient,
            retry_after_s=_retry_after(error.response.headers),
            status=status,
        )


def _translated(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the reasoning budget as it goes over the wire."""
    budget = params.pop("budget", None)
    if isinstance(budget, str):
        params["reasoning_effort"] = budget
    elif budget is not None:
        thinking = {"type": "enabled", "budget_tokens": budget}
        params["extra_body"] = {**(params.get("extra_body") or {}), "thinking": thinking}
    return params


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _retry_after(headers: Mapping[str, str]) -> float | None:
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
