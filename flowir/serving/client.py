"""Chat completions over HTTP with little between: the client of a server's endpoints.

Behind the same protocol as :class:`flowir.runtime.openai.OpenAIModels`, at a ninth of its CPU time
per call (benchmarks/serving_http.py): a server pays it for every call of every run.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

import aiohttp
from yarl import URL

from flowir.runtime.capabilities import CAPABILITIES, Capability, reasoning
from flowir.runtime.llm import CallError, Completion, Message, Usage
from flowir.runtime.responses import is_transient, retry_after

LARGEST = 32 * 2**20
"""Bytes of an answer that are read."""

LONGEST_LINE = 4 * 2**20
"""Bytes of one event of a stream."""

CONNECT_S = 5.0
LASTING = ("insufficient_quota",)
"""Codes of errors that no repeat mends, whatever their status."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class EndpointModels:
    """The models of one endpoint; see :class:`flowir.runtime.llm.WritingLLM`. Close with `aclose`.

    Messages of its errors have no address and nothing that the endpoint wrote: it may have been
    told a prompt, and repeat it.

    Args:
        url: with its version path.
        key: for the bearer token; empty for none.
        provider: whose endpoint it is, for reasoning budgets.
    """

    def __init__(
        self,
        url: str,
        key: str,
        provider: str = "",
        capabilities: Sequence[Capability] = CAPABILITIES,
    ) -> None:
        self._url = URL(f"{url}/chat/completions")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._capabilities = capabilities
        self._session: aiohttp.ClientSession | None = None
        self.provider = provider

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        """One request, its answer in one piece."""
        body = self._body(model, messages, params)
        with _told_apart(node, model):
            async with self._post(body) as response:
                await _check(node, model, response)
                return _completion(node, model, await _read(response))

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncGenerator[str | Completion, None]:
        """One request, its text as it is written, then the completion."""
        body = self._body(model, messages, params)
        options = {"include_usage": True, **(body.get("stream_options") or {})}
        body |= {"stream": True, "stream_options": options}
        start = asyncio.get_running_loop().time()
        with _told_apart(node, model):
            async with self._post(body) as response:
                await _check(node, model, response)
                reading = _Reading(node, model, start)
                async with aclosing(_events(response)) as events:
                    async for event in events:
                        for piece in reading.pieces(event):
                            yield piece
                yield reading.completion()

    def _body(
        self, model: str, messages: list[Message], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A request. `extra_body`, as the SDK has it, is part of the body."""
        asked = dict(params)
        budget = asked.pop("budget", None)
        if budget is not None:
            asked |= reasoning(self.provider, model, budget, self._capabilities)
        extra = asked.pop("extra_body", {})
        return {"model": model, "messages": messages, **asked, **extra}

    def _post(self, body: Mapping[str, Any]) -> Any:
        if self._session is None:
            # Neither answers nor timeouts by default: the caller has its own. No redirects: a key
            # goes where it was meant to.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                trust_env=any(
                    os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES
                ),
                read_bufsize=2**18,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
            )
        return self._session.post(self._url, json=body, allow_redirects=False)


async def _check(node: str, model: str, response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    try:
        error = json.loads(await _read(response))["error"]
        code = error.get("code") if isinstance(error, dict) else None
    except (ValueError, KeyError, TypeError, RecursionError, aiohttp.ClientError):
        code = None
    raise CallError(
        f"{node}: {model} answered HTTP {status}",
        transient=is_transient(status) and code not in LASTING,
        retry_after_s=retry_after(response.headers),
        status=status,
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """All of an answer that is not too long."""
    if (response.content_length or 0) <= LARGEST:
        parts, size = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                break
        else:
            return b"".join(parts)
    raise ValueError("the answer is too long")


def _completion(node: str, model: str, text: bytes) -> Completion:
    answer = json.loads(text)
    try:
        message = answer["choices"][0]["message"]
        written = message.get("content") or message.get("refusal") or ""
        if not isinstance(written, str):
            raise TypeError
        return Completion(
            written, _usage(answer.get("usage")), None, str(answer.get("model") or model)
        )
    except (LookupError, TypeError, AttributeError):
        raise CallError(
            f"{node}: {model} sent a completion without choices", transient=True
        ) from None


def _usage(told: Any) -> Usage:
    """The tokens of a call, 0 where nothing is told."""
    if not isinstance(told, dict):
        return Usage(0, 0)
    return Usage(int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0))


class _Reading:
    """A stream, event by event."""

    def __init__(self, node: str, model: str, start: float) -> None:
        self._node, self._model, self._start = node, model, start
        self._written: list[str] = []
        self._usage: Any = None
        self._first: float | None = None
        self._finished = False

    def pieces(self, event: Mapping[str, Any]) -> Iterator[str]:
        """The text in an event."""
        if "error" in event:
            raise CallError(f"{self._node}: {self._model} broke off with an error", transient=True)
        self._usage = event.get("usage") or self._usage
        for choice in event.get("choices") or ():
            self._finished = self._finished or choice.get("finish_reason") is not None
            delta = choice.get("delta") or {}
            piece = delta.get("content") or delta.get("refusal")
            if piece:
                if self._first is None:
                    self._first = asyncio.get_running_loop().time() - self._start
                self._written.append(piece)
                yield piece

    def completion(self) -> Completion:
        """What was written, once the stream has ended."""
        if not self._finished:
            raise CallError(
                f"{self._node}: the stream from {self._model} ended before the answer did",
                transient=True,
            )
        return Completion("".join(self._written), _usage(self._usage), self._first, self._model)


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[Mapping[str, Any], None]:
    """The data of server-sent events, one JSON object each; other fields say nothing here."""
    rest = b""
    async for part in response.content.iter_any():
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise ValueError("an event is too long")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or not data:
                continue
            if data == b"[DONE]":
                return
            event = json.loads(data)
            if not isinstance(event, dict):
                raise ValueError("an event is no object")
            yield event


@contextmanager
def _told_apart(node: str, model: str) -> Iterator[None]:
    """Failures as a `CallError` that says whether a repeat can help."""
    try:
        yield
    except aiohttp.ClientError as error:
        raise CallError(
            f"{node}: the connection to {model} broke ({type(error).__name__})", transient=True
        ) from None
    except (ValueError, RecursionError, AttributeError) as error:
        raise CallError(
            f"{node}: {model} sent what is no answer ({type(error).__name__})", transient=True
        ) from None
