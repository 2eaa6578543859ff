"""Requests as jobs: who asks a model may be another process than who decides what is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from flowir.executors.executor import Service
from flowir.runtime.llm import LLM, Message, Usage

Client = Callable[[], AbstractAsyncContextManager[LLM]]
"""Makes a model client where it is called, and closes it; a value that can be pickled. Keys are no
part of it: they come from the environment."""


@dataclass(frozen=True)
class Question:
    """One request; see :class:`flowir.runtime.llm.LLM`."""

    node: str
    messages: list[Message]
    model: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """A completion.

    Attributes:
        seconds: the request took, measured where it was made: the way of the job to a worker and
            back is not in them.
    """

    text: str
    usage: Usage
    ttft_s: float | None
    model: str
    seconds: float


@dataclass(frozen=True)
class Asking:
    """The recipe of a service that answers questions."""

    client: Client

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Service[Question, Answered]]:
        """The service; its client lives as long as the context."""
        async with self.client() as llm:

            async def answer(question: Question) -> Answered:
                return await answered(llm, question)

            yield answer


async def answered(llm: LLM, question: Question) -> Answered:
    """Ask a client, and take the time."""
    clock = asyncio.get_running_loop().time
    start = clock()
    answer = await llm(question.node, question.messages, model=question.model, **question.params)
    usage = Usage(answer.usage.input_tokens, answer.usage.output_tokens)
    ttft = getattr(answer, "ttft_s", None)
    return Answered(answer.text, usage, ttft, answer.model, clock() - start)


@dataclass(frozen=True)
class ServedModels:
    """A model client (see :class:`flowir.runtime.llm.LLM`) whose requests are jobs of a service."""

    service: Service[Question, Answered]

    async def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Answered:
        """One request."""
        return await self.service(Question(node, messages, model, params))
