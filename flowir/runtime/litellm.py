"""Every provider that LiteLLM speaks to, behind the model protocol.

Install it with `pip install 'flowir[litellm]'`. Importing LiteLLM takes seconds. Its retries are
off, because emitted code retries, and it may drop no parameter: what a provider does not take is an
error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from flowir.runtime.capabilities import Capability, for_litellm, reasoning
from flowir.runtime.llm import CallError, Completion, Message
from flowir.runtime.responses import (
    UsageReader,
    completed,
    is_transient,
    read_answer,
    read_pieces,
    retry_after,
    words,
)


class LiteLLMModels:
    """A model client (see :class:`flowir.runtime.llm.WritingLLM`), models named as LiteLLM does.

    A model is `provider/name`, such as `anthropic/claude-sonnet-4-5`; keys come from the variables
    that LiteLLM reads, such as `ANTHROPIC_API_KEY`. A `budget` is translated as the capability
    table has it for the provider and the model; what it does not cover is refused. LiteLLM keeps
    connections for all of a process, and closes them at its end.

    Args:
        capabilities: how reasoning budgets are asked for.
        timeout_s: seconds until a request is given up; LiteLLM's default (minutes) if None.
        stream: read answers as they are written, which measures the time to first token;
            `pieces` does so anyhow.
        options: what every call of `litellm.acompletion` gets as well, such as `api_base`.

    Raises:
        CallError: LiteLLM is not installed; calls raise it as well.
    """

    provider = "litellm"

    def __init__(
        self,
        *,
        capabilities: Sequence[Capability] | None = None,
        timeout_s: float | None = None,
        stream: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        # The import would ask the network for a map of models, and wait where there is none.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        try:
            import litellm
        except ImportError as error:
            raise CallError(
                "LiteLLM is not installed; run: pip install 'flowir[litellm]'", transient=False
            ) from error
        litellm.suppress_debug_info = True  # It would print advice among what a program prints.
        self._sdk: Any = litellm
        self._capabilities = for_litellm() if capabilities is None else capabilities
        self._stream = stream
        self._usage = UsageReader()
        self._options = {
            **({} if timeout_s is None else {"timeout": timeout_s}),
            **(options or {}),
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,
        }

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Completion:
        """One request; `node` only names the call in errors."""
        with _told_apart(node, model):
            request = self._request(model, messages, params)
            if self._stream:
                return await completed(self._written(node, request))
            return await self._whole(node, request)

    async def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        """One request, its text as it is written, then the completion."""
        with _told_apart(node, model):
            request = self._request(model, messages, params)
            async with contextlib.aclosing(self._written(node, request)) as written:
                async for piece in written:
                    yield piece

    def fields(self, model: str, budget: int | str | None) -> Mapping[str, Any]:
        """What asks a model for a reasoning budget.

        Raises:
            CallError: nobody is known who has the model, or not how it takes the budget.
        """
        try:
            name, provider, *_ = self._sdk.get_llm_provider(model)
        except self._sdk.BadRequestError as error:
            raise CallError(
                f"LiteLLM does not know whose model {model} is; write provider/name, such as "
                f"openai/{model}",
                transient=False,
            ) from error
        return {} if budget is None else reasoning(provider, name, budget, self._capabilities)

    def _request(
        self, model: str, messages: list[Message], params: dict[str, Any]
    ) -> dict[str, Any]:
        if (budget := params.pop("budget", None)) is not None:
            params |= self.fields(model, budget)
        return {"model": model, "messages": messages, **params, **self._options}

    async def _whole(self, node: str, request: dict[str, Any]) -> Completion:
        model: str = request["model"]
        answer = await self._sdk.acompletion(**request)
        completion = read_answer(answer, model, self._usage)
        if completion is None:
            raise CallError(f"{node}: {model} sent a completion without choices", transient=True)
        return completion

    async def _written(
        self, node: str, request: dict[str, Any]
    ) -> AsyncGenerator[str | Completion, None]:
        start = asyncio.get_running_loop().time()
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = await self._sdk.acompletion(**{**request, **asked})
        async with contextlib.aclosing(chunks):
            async for piece in read_pieces(node, chunks, start, request["model"], self._usage):
                yield piece


@contextlib.contextmanager
def _told_apart(node: str, model: str) -> Iterator[None]:
    """Failures as a `CallError` that says whether a repeat can help."""
    try:
        yield
    except (CallError, TypeError):
        raise
    except Exception as error:
        status = getattr(error, "status_code", None)
        if not isinstance(status, int):
            if not type(error).__module__.startswith(("http", "litellm", "openai", "aiohttp")):
                raise
            raise CallError(f"{node}: {model}: {words(error)}", transient=True) from error
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        raise CallError(
            f"{node}: {model}: {words(error)}",
            transient=is_transient(status),
            retry_after_s=retry_after(headers),
            status=status,
        ) from error
