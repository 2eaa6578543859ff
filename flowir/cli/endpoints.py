"""The model client of a command line, checked before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from flowir.configuration import Configuration
from flowir.errors import ProfilerError
from flowir.runtime.capabilities import CAPABILITIES, HOSTS, Capability, reasoning
from flowir.runtime.llm import LLM, CallError
from flowir.runtime.secrets import KEY
from flowir.runtime.wire import budget_field

LITELLM = "litellm"


@dataclass(frozen=True)
class Client:
    """Makes the client of a command line (see :func:`client`) where it is called: this can be
    pickled, and holds no key."""

    endpoint: str | None
    configurations: tuple[Configuration, ...]
    provider: str | None
    field: str | None
    timeout_s: float
    stream: bool = False

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[LLM]:
        """The client, closed at the end."""
        async with AsyncExitStack() as stack:
            yield await client(
                stack,
                self.endpoint,
                self.configurations,
                provider=self.provider,
                field=self.field,
                timeout_s=self.timeout_s,
                stream=self.stream,
            )


async def client(
    stack: AsyncExitStack,
    endpoint: str | None,
    configurations: Iterable[Configuration],
    *,
    provider: str | None = None,
    field: str | None = None,
    timeout_s: float,
    stream: bool,
) -> LLM:
    """A client that can ask for all of the configurations; the stack closes it.

    Args:
        endpoint: an address, OpenAI's where it is None, or `litellm`.
        field: where in a request budgets go, where no table knows.

    Raises:
        ProfilerError: no key, no SDK, an address that is none, a model whose provider LiteLLM does
            not know, or a budget nobody knows how to ask.
    """
    if endpoint == LITELLM:
        for option, given in (("--provider", provider), ("--budget-field", field)):
            if given is not None:
                raise ProfilerError(
                    f"{option} is of no use with --endpoint {LITELLM}, where models are named "
                    "provider/name; leave it out"
                )
        return _litellm(configurations, timeout_s, stream)
    try:
        provider = provider or HOSTS.get(_host(endpoint), "")
        rows = _rows(provider, field, list(configurations))
        from flowir.runtime.openai import OpenAIModels

        return await stack.enter_async_context(
            OpenAIModels(
                base_url=endpoint,
                provider=provider,
                capabilities=rows,
                timeout_s=timeout_s,
                stream=stream,
            )
        )
    except CallError as error:
        hint = "; or --budget-field FIELD" if "Capability" in str(error) else ""
        raise ProfilerError(f"{error}{hint}") from None


def _litellm(configurations: Iterable[Configuration], timeout_s: float, stream: bool) -> LLM:
    from flowir.runtime.litellm import LiteLLMModels

    try:
        llm = LiteLLMModels(timeout_s=timeout_s, stream=stream)
        for one in configurations:
            llm.fields(one.model, one.budget)
    except CallError as error:
        raise ProfilerError(str(error)) from None
    return llm


def _rows(
    provider: str, field: str | None, configurations: list[Configuration]
) -> tuple[Capability, ...]:
    own = (
        ()
        if field is None
        else (budget_field(provider, field, (c.budget for c in configurations)),)
    )
    for one in configurations:
        if one.budget is not None:
            reasoning(provider, one.model, one.budget, (*own, *CAPABILITIES))
    return (*own, *CAPABILITIES)


def _host(endpoint: str | None) -> str:
    if endpoint is None:
        return "api.openai.com"
    parts = urlsplit(endpoint)
    if parts.password or parts.username:
        raise ProfilerError(
            f"--endpoint holds a name or a password, which would be shown; set {KEY}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ProfilerError(
            f"--endpoint {endpoint} is no address; write https://HOST/v1, or {LITELLM}"
        )
    return parts.hostname
