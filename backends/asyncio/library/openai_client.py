"""OpenAI-compatible endpoints as model clients."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from flowir.backends.asyncio.library.calls import LLM, Completion
from flowir.backends.asyncio.library.errors import CallError, WorkflowError
from flowir.backends.asyncio.library.usage import Usage
from flowir.backends.asyncio.library.written import PROVIDERS, REASONING, log


def openai_llm(
    base_url: str | None = None,
    api_key: str | None = None,
    *,
    provider: str | None = None,
    stream: bool = False,
) -> LLM:
    """A client of an OpenAI-compatible endpoint, through the openai package.

    Args:
        base_url: OPENAI_BASE_URL or OpenAI's own if None.
        api_key: OPENAI_API_KEY if None; an endpoint given by `base_url` may need none.
        provider: whose endpoint it is, where its address does not tell.
        stream: read answers as they are written, which measures the time to the first piece.
    """
    try:
        openai: Any = importlib.import_module("openai")
        key = api_key or ("none" if base_url else None)
        client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
    except ImportError as error:
        raise WorkflowError("the openai package is missing: pip install openai") from error
    except openai.OpenAIError as error:
        raise WorkflowError(str(error)) from error
    known = frozenset(inspect.signature(client.chat.completions.create).parameters)
    name = provider or PROVIDERS.get(client.base_url.host, "")
    return Endpoint(openai, client, known, name, stream)


@dataclass(frozen=True)
class Endpoint:
    """A model client; see `openai_llm`."""

    openai: Any
    client: Any
    known: frozenset[str]
    provider: str
    stream: bool

    async def __call__(
        self, node: str, messages: list[dict[str, str]], *, model: str, **params: Any
    ) -> Completion:
        request = self.request(model, messages, params)
        with self.told_apart():
            return await (self.streamed(**request) if self.stream else self.whole(**request))

    # <plans>
    async def pieces(
        self, node: str, messages: list[dict[str, str]], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        """An answer as it is written, then all of it."""
        request = self.request(model, messages, params)
        with self.told_apart():
            async with contextlib.aclosing(self.written(**request)) as written:
                async for piece in written:
                    yield piece

    # </plans>
    def request(
        self, model: str, messages: list[dict[str, str]], params: dict[str, Any]
    ) -> dict[str, Any]:
        """A request as the endpoint takes it."""
        # <budgets>
        if (budget := params.pop("budget", None)) is not None:
            params |= reasoning(self.provider, model, budget)
        # </budgets>
        # What OpenAI has no name for, such as top_k, others take in the body of the request.
        if extra := {name: value for name, value in params.items() if name not in self.known}:
            body = params.get("extra_body", {}) | extra
            params = {n: v for n, v in params.items() if n in self.known} | {"extra_body": body}
        return {"model": model, "messages": messages, **params}

    @contextlib.contextmanager
    def told_apart(self) -> Iterator[None]:
        """Failures that a repeat may mend, as such."""
        try:
            yield
        except self.openai.APIStatusError:
            raise
        except (self.openai.APIError, ValueError) as error:
            raise ConnectionError(f"no complete answer: {error}") from error
        except Exception as error:  # The package lets its HTTP library's errors out of streams.
            if not type(error).__module__.startswith("http"):
                raise
            raise ConnectionError(f"no complete answer: {error!r}") from error

    async def whole(self, **request: Any) -> Completion:
        """An answer in one piece."""
        answer = await self.client.chat.completions.create(**request)
        if isinstance(answer, str):
            raise CallError(f"{self.client.base_url} is no chat completions API: {answer[:60]!r}")
        if not getattr(answer, "choices", None):
            raise ConnectionError("a completion without choices")
        text = answer.choices[0].message.content or ""
        return Completion(text, self.usage(answer.usage), answer.model or request["model"])

    async def streamed(self, **request: Any) -> Completion:
        """An answer that is read as it is written."""
        *_, answer = [piece async for piece in self.written(**request)]
        assert not isinstance(answer, str)
        return answer

    async def written(self, **request: Any) -> AsyncGenerator[str | Completion, None]:
        """The pieces of an answer as they are written, then the answer."""
        clock = asyncio.get_running_loop().time
        start, first = clock(), None
        pieces: list[str] = []
        usage, model, finished = None, request["model"], False
        chunks = await self.client.chat.completions.create(
            **request, stream=True, stream_options={"include_usage": True}
        )
        async with chunks:
            async for chunk in chunks:
                usage, model = chunk.usage or usage, chunk.model or model
                for choice in chunk.choices or ():
                    finished = finished or choice.finish_reason is not None
                    if choice.delta.content:
                        first = clock() - start if first is None else first
                        pieces.append(choice.delta.content)
                        yield choice.delta.content
        if not finished:
            raise ConnectionError("the stream ended before the answer did")
        yield Completion("".join(pieces), self.usage(usage), model, first)

    def usage(self, told: Any) -> Usage:
        """The tokens of a call."""
        if told is None:
            log.warning("%s tells no token usage; it counts as 0", self.client.base_url)
            return Usage(1)
        return Usage(1, told.prompt_tokens or 0, told.completion_tokens or 0)


def reasoning(provider: str, model: str, budget: int | str) -> dict[str, Any]:
    """A reasoning budget as the provider wants it in a request.

    Raises:
        CallError: nobody knows; a budget is never left out in silence.
    """
    if (fields := REASONING.get((provider, model, budget))) is not None:
        return fields
    known = ", ".join(f"{p} takes {b!r} for {m}" for p, m, b in REASONING) or "nothing"
    where = provider or "a provider whose name was not given"
    raise CallError(
        f"how {where} takes the reasoning budget {budget!r} for {model} is not known; known is: "
        f"{known}; name the provider, or add the fields of the request to REASONING"
    )
