"""LangChain chat models as model clients."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from langchain_core.messages import convert_to_messages
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from flowir.backends.asyncio.library.calls import LLM, Completion
from flowir.backends.asyncio.library.errors import CallError, WorkflowError
from flowir.backends.asyncio.library.openai_client import reasoning
from flowir.backends.asyncio.library.usage import Usage
from flowir.backends.asyncio.library.written import PROVIDERS, REASONING, log


def chat_model_llm(
    base_url: str | None = None,
    api_key: str | None = None,
    *,
    provider: str | None = None,
    stream: bool = False,
) -> LLM:
    """Chat models of any provider, by `init_chat_model` of the langchain package.

    Args:
        base_url: an OpenAI-compatible endpoint for all models; by default each has its provider's.
        api_key: by default a variable of the environment has it.
        provider: of all models, where neither their names nor the address tell.
        stream: read answers as they are written, which measures the time to the first piece.
    """
    given: dict[str, Any] = {}
    if base_url is not None:
        given = {"model_provider": "openai", "base_url": base_url, "api_key": "none"}
        provider = provider or PROVIDERS.get(urlsplit(base_url).hostname or "", "")
    elif provider is not None:
        given = {"model_provider": {"gemini": "google_genai"}.get(provider, provider)}
    if api_key is not None:
        given["api_key"] = api_key
    return ChatModels(given, provider or "", stream)


@dataclass(frozen=True)
class ChatModels:
    """A model client; see `chat_model_llm`. Every node has its own client per configuration."""

    given: dict[str, Any]
    provider: str
    stream: bool
    clients: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    async def __call__(
        self, node: str, messages: list[dict[str, str]], *, model: str, **params: Any
    ) -> Completion:
        client = self.client(node, model, params)
        config = at_site(node)
        ask = self.streamed if self.stream else self.whole
        with complete():
            return await ask(client, messages, model, config)

    # <plans>
    async def pieces(
        self, node: str, messages: list[dict[str, str]], *, model: str, **params: Any
    ) -> AsyncIterator[str | Completion]:
        """An answer as it is written, then all of it."""
        client = self.client(node, model, params)
        with complete():
            answer = self.written(client, messages, model, at_site(node))
            async with contextlib.aclosing(answer) as written:
                async for piece in written:
                    yield piece

    # </plans>
    def client(self, node: str, model: str, params: dict[str, Any]) -> Any:
        """The client of a node and configuration; it never repeats a request by itself.

        Raises:
            WorkflowError: a package or a key is missing, or nobody knows the model.
        """
        # Connections belong to the event loop that opened them.
        loop = asyncio.get_running_loop()
        key = (loop, node, model, repr(sorted(params.items())))
        if key in self.clients:
            return self.clients[key]
        options = {"max_retries": 0, **self.given, **params}
        provider = self.provider or model.partition(":")[0] * (":" in model)
        # <budgets>
        if (budget := options.pop("budget", None)) is not None:
            name = model.partition(":")[2] or model
            options |= self.thinking(provider, name, budget)
        # </budgets>
        if "base_url" in self.given or provider in ("", "openai", "anthropic"):
            options["stream_usage"] = True  # Without it, streams tell no usage.
        try:
            chat_models: Any = importlib.import_module("langchain.chat_models")
            if "base_url" in self.given:
                options = in_body(options)
            client = chat_models.init_chat_model(model, **options)
            if "http_async_client" in (fields := getattr(type(client), "model_fields", ())):
                # Its own would be shared by all event loops of the process.
                http: Any = importlib.import_module("openai").DefaultAsyncHttpxClient()
                options["http_async_client"] = http
                if "stream_chunk_timeout" in fields:
                    # It waits by `asyncio.wait_for`, which in Python 3.11 may lose a cancellation.
                    options["stream_chunk_timeout"] = None
                client = chat_models.init_chat_model(model, **options)
            self.clients[key] = client
            return client
        except ImportError as error:
            raise WorkflowError(f"{error}: pip install langchain langchain-openai") from error
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise WorkflowError(f"{node}: no client for the model {model}: {reason}") from error

    # <budgets>
    def thinking(self, provider: str, model: str, budget: int | str) -> dict[str, Any]:
        """A reasoning budget as the client of a provider takes it.

        Raises:
            CallError: nobody knows; a budget is never left out in silence.
        """
        known = {p for p, m, b in REASONING if (m, b) == (model, budget)}
        if not provider and len(known) == 1:
            (provider,) = known
        fields = reasoning(provider, model, budget)
        if "base_url" in self.given or "extra_body" not in fields:
            return fields
        if provider == "anthropic":
            body: dict[str, Any] = fields["extra_body"]
            return body
        raise CallError(
            f"how the chat model of {provider} takes the reasoning budget {budget!r} is not known; "
            "give the base_url of its OpenAI-compatible endpoint"
        )

    # </budgets>
    async def whole(
        self, client: Any, messages: list[dict[str, str]], model: str, config: RunnableConfig
    ) -> Completion:
        """An answer in one piece; LangChain streams it if anybody listens to its pieces."""
        found = await client.agenerate(
            [convert_to_messages(messages)],
            callbacks=config.get("callbacks"),
            tags=config.get("tags"),
            metadata=config["metadata"],
        )
        ((*answers,),) = found.generations
        if not answers:
            raise ConnectionError("a completion without choices")
        answer = answers[0].message
        # A client that tells anything of an answer tells why it ended.
        if answer.response_metadata and not ended(answer):
            raise ConnectionError("the stream ended before the answer did")
        return self.completion(answer, model)

    async def streamed(
        self, client: Any, messages: list[dict[str, str]], model: str, config: RunnableConfig
    ) -> Completion:
        """An answer that is read as it is written."""
        *_, answer = [piece async for piece in self.written(client, messages, model, config)]
        assert not isinstance(answer, str)
        return answer

    async def written(
        self, client: Any, messages: list[dict[str, str]], model: str, config: RunnableConfig
    ) -> AsyncGenerator[str | Completion, None]:
        """The pieces of an answer as they are written, then the answer."""
        clock = asyncio.get_running_loop().time
        start, first, answer = clock(), None, None
        async for piece in client.astream(messages, config):
            if piece.text and first is None:
                first = clock() - start
            answer = piece if answer is None else answer + piece
            if piece.text:
                yield str(piece.text)
        if answer is None or not ended(answer):
            raise ConnectionError("the stream ended before the answer did")
        yield self.completion(answer, model, first)

    def completion(self, answer: Any, model: str, first: float | None = None) -> Completion:
        """What a message says, and what it took."""
        told = answer.usage_metadata
        if told is None:
            log.warning("%s tells no token usage; it counts as 0", model)
            told = {}
        used = Usage(1, told.get("input_tokens", 0), told.get("output_tokens", 0))
        return Completion(
            str(answer.text), used, answer.response_metadata.get("model_name") or model, first
        )


def in_body(options: dict[str, Any]) -> dict[str, Any]:
    """Options where those that OpenAI has no name for, such as top_k, go in the request's body."""
    chat: Any = importlib.import_module("langchain_openai").ChatOpenAI
    fields = {name for field, about in chat.model_fields.items() for name in (field, about.alias)}
    known = {name: options[name] for name in options if name in {*fields, "model_provider"}}
    if other := {name: options[name] for name in options if name not in known}:
        known["extra_body"] = known.get("extra_body", {}) | other
    return known


def at_site(node: str) -> RunnableConfig:
    """What LangChain tells whoever listens to a call: its site among the rest."""
    config = ensure_config()
    config["metadata"] = {**config.get("metadata", {}), "flowir.site": node}
    return config


@contextlib.contextmanager
def complete() -> Iterator[None]:
    """Failures that a repeat may mend, as such."""
    try:
        yield
    except Exception as error:
        if incomplete(error):
            raise ConnectionError(f"no complete answer: {error!r}") from error
        raise


def ended(answer: Any) -> bool:
    """Whether a message says why it ends."""
    reasons = {"finish_reason", "stop_reason", "done_reason", "stopReason"}
    return not reasons.isdisjoint(answer.response_metadata)


def incomplete(error: Exception) -> bool:
    """Whether no answer came, or one that stops or that LangChain cannot read."""
    names = {base.__name__ for base in type(error).__mro__}
    if "APIStatusError" in names:
        return False
    # LangChain has no type of its own for `choices` that are null, and raises ValueError for more
    # than JSON that is none: for an answer that is an error, and a stream without any answer.
    unreadable = isinstance(error, ValueError) or "'choices'" in str(error)
    return unreadable or "APIError" in names or type(error).__module__.startswith("http")
