"""Answers of a language model while they are written, and prompts read ahead of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from flowir.dialects import flow
from flowir.runtime.llm import LLM, Usage, UsageLike, answered
from flowir.runtime.pieces import JsonReader, LineReader, PieceReader
from flowir.runtime.primitives.program import Agent, Decode
from flowir.runtime.primitives.repeats import repeated, wait_s
from flowir.runtime.primitives.values import Prompt, flow_type
from flowir.runtime.values import parse

_T = TypeVar("_T")


@dataclass(frozen=True)
class LanguageModel:
    """A language model behind an endpoint.

    Attributes:
        retries: how often one request is repeated.
        timeout_s: seconds for one request; None for any time.
        warms: a prompt's beginning that is known early is sent ahead, for the endpoint to have it
            in its prefix cache. It costs its input tokens and one output token.
        model: asked instead of the models that agents name.
        length: the request's parameter for the most tokens of an answer.
    """

    llm: LLM
    retries: int = 3
    timeout_s: float | None = None
    warms: bool = True
    model: str | None = None
    length: str = "max_tokens"

    async def warm(self, site: str, agent: Agent, prompt: Prompt) -> UsageLike:
        """Have a prompt's beginning read.

        Raises:
            Exception: whatever the client raised, all repeats done.
        """
        params = {**agent.params, self.length: 1}
        params.pop("budget", None)

        async def attempt() -> UsageLike:
            async with asyncio.timeout(self.timeout_s):
                answer = await self.llm(
                    site, prompt.chat, model=self.model or agent.model, **params
                )
            return answer.usage

        return await repeated(attempt, self.retries)


class LiveAnswer:
    """One answer while it is written: made when its request is sent.

    Items of a list can be had before the rest is written. An answer that breaks off is asked for
    again, unless an item of it has gone on already: another answer could have others.

    Attributes:
        usage: tokens; 0 until all of it is there.
    """

    def __init__(self, model: LanguageModel, step: Decode, site: str, prompt: Prompt) -> None:
        self.usage: UsageLike = Usage(0, 0)
        self._model, self._step, self._site, self._prompt = model, step, site, prompt
        self._items: list[Any] = []
        self._value: Any = None
        self._begun = False
        self._handed_on = False
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._write())

    async def begun(self) -> None:
        """Wait for the first piece: its prompt has been read.

        Raises:
            Exception: what became of the request, here and in the other methods.
        """
        await self._until(lambda: self._begun)

    async def item(self, place: int) -> list[Any]:
        """The item at a place in a list of its own; an empty list where there is none."""
        await self._until(lambda: len(self._items) > place)
        self._handed_on = True
        return self._items[place : place + 1]

    async def rest(self, place: int) -> list[Any]:
        """All items from a place on, once all of it is written."""
        await self._ended()
        return list(self._value[place:])

    async def whole(self) -> Any:
        """What all of it gives."""
        await self._ended()
        return self._value

    async def aclose(self) -> None:
        """End the request if it still runs."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # Whoever asked has been told.

    async def _ended(self) -> None:
        await asyncio.shield(self._task)

    async def _until(self, there: Callable[[], bool]) -> None:
        while not there() and not self._task.done():
            self._changed.clear()
            waiting = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait([waiting, self._task], return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
        if not there():
            await self._ended()

    async def _write(self) -> None:
        for failures in range(self._model.retries + 1):
            self._items = []
            try:
                await self._attempt()
                return
            except Exception as error:
                wait = wait_s(error, failures)
                if wait is None or failures == self._model.retries or self._handed_on:
                    raise
                await asyncio.sleep(wait)

    async def _attempt(self) -> None:
        agent = self._step.agent
        reader = _reader(self._step)
        text = ""
        model = self._model.model or agent.model
        pieces: Any = answered(
            self._model.llm, self._site, self._prompt.chat, model=model, **agent.params
        )
        async with asyncio.timeout(self._model.timeout_s), aclosing(pieces) as written:
            async for piece in written:
                if not isinstance(piece, str):
                    text, self.usage = piece.text, piece.usage
                    continue
                if reader is not None:
                    self._items += reader.feed(piece)
                self._begun = True
                self._changed.set()
        kind = flow_type(agent.gives)
        self._value = parse(agent.parser, kind, text, self._step.labels, self._site)
        if reader is not None:
            self._items += reader.close()
        self._begun = True


def _reader(step: Decode) -> PieceReader | None:
    """What finds the items of an answer that goes on in parts."""
    if step.part is None:
        return None
    if step.agent.parser == "lines":
        return LineReader()
    kind = flow_type(step.agent.gives)
    return JsonReader(kind.element if isinstance(kind, flow.ListType) else None)


async def quietly(work: Awaitable[_T]) -> _T | Exception:
    """What work gives, or the error it raised: for what nobody depends on."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - The caller looks at it.
        return error
