"""OpenAI-compatible endpoints behind the model protocol, through the `openai` SDK.

Install it with `pip install 'flowir[openai]'`. The SDK's own retries are off: emitted code retries,
and two layers would multiply.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from flowir.runtime.capabilities import CAPABILITIES, HOSTS, Capability, reasoning
from flowir.runtime.llm import CallError, Completion, Message
from flowir.runtime.openai_endpoint import OpenAIEndpoint
from flowir.runtime.responses import UsageReader, completed, read_answer, read_pieces


class OpenAIModels(OpenAIEndpoint):
    """A model client (see :class:`flowir.runtime.llm.WritingLLM`) for one endpoint.

    Use it as an async context manager, or call `aclose` when done. A `budget` goes over the wire as
    the capability table has it for the provider and the model. Sampling parameters go to
    `chat.completions.create` as they are; those it has no name for, such as `top_k`, into the body
    of the request, where endpoints of others find them.

    Args:
        base_url: the endpoint, with its version path; `OPENAI_BASE_URL` or OpenAI's own if None.
        api_key: `OPENAI_API_KEY` if None. An endpoint given by `base_url` may need none.
        provider: whose endpoint it is, by the names of the capability table; told by the host of
            the address where it is one of those known.
        capabilities: how reasoning budgets are asked for.
        timeout_s: seconds until a request is given up; the SDK's default (minutes) if None.
        stream: read answers as they are written, which measures the time to first token;
            `pieces` does so anyhow.

    Raises:
        CallError: the SDK is not installed or no key was given; calls raise it as well.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        provider: str | None = None,
        capabilities: Sequence[Capability] = CAPABILITIES,
        timeout_s: float | None = None,
        stream: bool = False,
    ) -> None:
        super().__init__(base_url=base_url, api_key=api_key, timeout_s=timeout_s)
        self._known = inspect.signature(self._client.chat.completions.create).parameters
        self._stream = stream
        self._usage = UsageReader()
        self._capabilities = capabilities
        self.provider: str = provider or HOSTS.get(self._client.base_url.host, "")

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        """One request; `node` only names the call in errors."""
        request = self._request(model, messages, params)
        with self._told_apart(node, model):
            if self._stream:
                return await completed(self._written(node, request))
            return await self._whole(node, request)

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        """One request, its text as it is written, then the completion."""
        request = self._request(model, messages, params)
        with self._told_apart(node, model):
            async with contextlib.aclosing(self._written(node, request)) as written:
                async for piece in written:
                    yield piece

    def _request(
        self, model: str, messages: list[Message], params: dict[str, Any]
    ) -> dict[str, Any]:
        budget = params.pop("budget", None)
        if budget is not None:
            params |= reasoning(self.provider, model, budget, self._capabilities)
        extra = {name: value for name, value in params.items() if name not in self._known}
        if extra:
            body = {**params.get("extra_body", {}), **extra}
            params = {n: v for n, v in params.items() if n in self._known} | {"extra_body": body}
        return {"model": model, "messages": messages, **params}

    async def _whole(self, node: str, request: dict[str, Any]) -> Completion:
        answer = await self._client.chat.completions.create(**request)
        completion = read_answer(answer, request["model"], self._usage)
        if completion is None:
            raise self._no_completion(node, request["model"], answer)
        return completion

    async def _written(
        self, node: str, request: dict[str, Any]
    ) -> AsyncGenerator[str | Completion, None]:
        start = asyncio.get_running_loop().time()
        options = {"include_usage": True, **(request.get("stream_options") or {})}
        stream = await self._client.chat.completions.create(
            **{**request, "stream": True, "stream_options": options}
        )
        async with stream:
            async for piece in read_pieces(node, stream, start, request["model"], self._usage):
                yield piece

    def _no_completion(self, node: str, model: str, answer: object) -> CallError:
        if isinstance(answer, str):  # what the SDK makes of a page that is not JSON
            return CallError(
                f"{node}: {self._client.base_url} does not speak the chat completions API (it "
                f"answered {answer[:60]!r}); check base_url",
                transient=False,
            )
        return CallError(f"{node}: {model} sent a completion without choices", transient=True)
