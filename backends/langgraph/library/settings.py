"""The context of a graph: what LangGraph's tools set, and what the nodes make of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from langgraph.config import get_config, get_stream_writer
from langgraph.runtime import Runtime

from flowir.backends.asyncio.library.calls import LLM, Context
from flowir.backends.asyncio.library.errors import InputError
from flowir.backends.asyncio.library.selection import point_of
from flowir.backends.asyncio.library.written import Point
from flowir.backends.langgraph.library.chat_models import chat_model_llm


@dataclass
class Settings:
    """How to run the workflow: the graph's context, as LangGraph's own tools give it in JSON.

    Attributes:
        point: the number of a point; today's if None.
        provider: of all models, where their names do not tell; `chat_model_llm` says more.
        call_timeout: seconds for one request.
        retries: how often a request that fails for a passing reason is repeated.
    """

    point: int | None = None
    provider: str | None = None
    call_timeout: float | None = None
    retries: int = 3

    @cached_property
    def context(self) -> Context:
        """What a run with these settings works with."""
        return new_context(
            point=self.point,
            llm=chat_model_llm(provider=self.provider),
            call_timeout=self.call_timeout,
            max_concurrency=get_config().get("max_concurrency"),
            retries=self.retries,
        )


def context_of(runtime: Runtime[Any]) -> Context:
    """What the run of a node works with: a Context given as such, or what Settings say."""
    given = Settings() if runtime.context is None else runtime.context
    return given if isinstance(given, Context) else given.context


def new_context(
    *,
    point: Point | int | None = None,
    llm: LLM | None = None,
    tools: Mapping[str, Callable[..., Any]] | None = None,
    call_timeout: float | None = None,
    max_concurrency: int | asyncio.Semaphore | None = None,
    retries: int = 3,
) -> Context:
    """A context for one run of the graph, from Python; `run` says what the arguments are.

    Raises:
        WorkflowError: one of them is not what `run` takes.
    """
    slots = contextlib.nullcontext() if max_concurrency is None else max_concurrency
    if isinstance(slots, int):
        if slots < 1:
            raise InputError(f"max_concurrency must be 1 or more, and is {slots}")
        slots = asyncio.Semaphore(slots)
    client = Reported(chat_model_llm() if llm is None else llm)
    return Context(point_of(point), client, tools or {}, call_timeout, retries, slots)


@dataclass(frozen=True)
class Reported:
    """A client that tells the stream `custom` of every answer: where, which model, how much."""

    llm: LLM

    @property
    def provider(self) -> str | None:
        """Whose models they are, if the client knows."""
        found: str | None = getattr(self.llm, "provider", None)
        return found

    async def __call__(
        self, node: str, messages: list[dict[str, str]], *, model: str, **params: Any
    ) -> Any:
        answer = await self.llm(node, messages, model=model, **params)
        tell(node, answer)
        return answer

    # <plans>
    @property
    def pieces(self) -> Callable[..., AsyncIterator[Any]] | None:
        """An answer as it is written, if the client can tell."""
        written: Any = getattr(self.llm, "pieces", None)

        async def told(node: str, *messages: Any, **params: Any) -> AsyncIterator[Any]:
            async with contextlib.aclosing(written(node, *messages, **params)) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, str):
                        tell(node, piece)
                    yield piece

        return None if written is None else told

    # </plans>


def tell(node: str, answer: Any) -> None:
    """Tell the stream `custom` of an answer."""
    get_stream_writer()(
        {
            "site": node,
            "model": answer.model,
            "input_tokens": answer.usage.input_tokens,
            "output_tokens": answer.usage.output_tokens,
        }
    )
