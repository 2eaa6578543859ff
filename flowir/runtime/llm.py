"""The model protocol: what emitted code calls, and what an adapter or a simulation provides.

Emitted files are standard library only. They define a `Completion` of their own with the same
attributes, so everything here is structural: never test with `isinstance` what crosses the border.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from flowir.errors import FlowirError

Message = dict[str, str]
"""A chat message: `role` (system, user or assistant) and `content`."""

Tool = Callable[..., Any]
"""Code a workflow calls with the values of its operands; an awaitable it returns is awaited."""

Tools = Mapping[str, Tool]
"""Tools by symbol."""


class UsageLike(Protocol):
    """Tokens of one call; both counts include what the provider served from a cache or hid."""

    @property
    def input_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int: ...


class CompletionLike(Protocol):
    """What a model answered.

    `ttft_s` is the time to first token in seconds, None where it was not measured; `model` is the
    name the provider gives the model that answered.
    """

    @property
    def text(self) -> str: ...

    @property
    def usage(self) -> UsageLike: ...

    @property
    def ttft_s(self) -> float | None: ...

    @property
    def model(self) -> str: ...


class LLM(Protocol):
    """A model client: one request per call, no retries of its own, cancellation ends the request.

    `node` is the site of the call in the workflow, for traces and simulations; `params` are the
    reasoning budget as `budget`, if there is one, and the sampling parameters in the provider's own
    words. A client may have an attribute `provider`: who answers, for traces. It may have a method
    `pieces`, see :class:`WritingLLM`.

    Raises:
        Exception: the request failed. Retry exactly where the exception's attribute `transient` is
            true, no sooner than its `retry_after_s` seconds where that is a number;
            :class:`CallError` has both.
    """

    def __call__(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> Awaitable[CompletionLike]: ...


class WritingLLM(LLM, Protocol):
    """A model client whose answers can be read while they are written."""

    def pieces(
        self, node: str, messages: list[Message], *, model: str, **params: Any
    ) -> AsyncIterator[str | CompletionLike]:
        """The text of an answer in pieces, then the completion as a call would have given it.

        Closing or cancelling it before ends the request. Raises what a call raises.
        """
        ...


async def answered(
    llm: LLM, node: str, messages: list[Message], *, model: str, **params: Any
) -> AsyncIterator[str | CompletionLike]:
    """What `pieces` of a client gives; of one that has none, the whole text as one piece."""
    pieces = getattr(llm, "pieces", None)
    if pieces is None:
        completion = await llm(node, messages, model=model, **params)
        yield completion.text
        yield completion
        return
    async with aclosing(pieces(node, messages, model=model, **params)) as written:
        async for piece in written:
            yield piece


@dataclass(frozen=True)
class Usage:
    """Tokens of one call."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Completion:
    """What a model answered; see :class:`CompletionLike`."""

    text: str
    usage: Usage
    ttft_s: float | None
    model: str


class CallError(FlowirError):
    """A request that failed for reasons of infrastructure: missing data, never a wrong answer.

    Attributes:
        transient: whether the same request may succeed later.
        retry_after_s: seconds the provider asked to wait, None where it said nothing.
        status: HTTP status, None where no response arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after_s = retry_after_s
        self.status = status
