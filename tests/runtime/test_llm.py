"""The model protocol is structural: whatever has the attributes will do."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

from flowir.errors import FlowirError
from flowir.runtime.llm import LLM, CallError, Completion, CompletionLike, Message, Usage


@dataclass(frozen=True)
class _Tokens:
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class _Answer:
    """What an emitted file defines for itself."""

    text: str
    usage: _Tokens
    ttft_s: float | None
    model: str


async def _foreign(node: str, messages: list[Message], *, model: str, **params: Any) -> _Answer:
    return _Answer(messages[-1]["content"], _Tokens(1, 2), None, model)


async def _ours(node: str, messages: list[Message], *, model: str, **params: Any) -> Completion:
    return Completion(messages[-1]["content"], Usage(1, 2), None, model)


def test_foreign_and_own_completions_fit_the_protocol() -> None:
    """The assignments are checked by mypy; the run shows that the same attributes are there."""
    clients: list[LLM] = [_foreign, _ours]

    async def ask(client: LLM) -> CompletionLike:
        return await client("draft", [{"role": "user", "content": "hi"}], model="m", temperature=0)

    for client in clients:
        answer = asyncio.run(ask(client))
        usage = (answer.usage.input_tokens, answer.usage.output_tokens)
        assert (answer.text, usage, answer.ttft_s, answer.model) == ("hi", (1, 2), None, "m")


def test_completions_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Completion("a", Usage(1, 2), None, "m").text = "b"  # type: ignore[misc]


def test_a_failed_call_says_whether_and_when_to_try_again() -> None:
    error = CallError("draft: busy", transient=True, retry_after_s=2.0, status=429)
    assert (error.transient, error.retry_after_s, error.status) == (True, 2.0, 429)
    assert str(error) == "draft: busy"
    assert isinstance(error, FlowirError)


def test_without_the_sdk_the_adapter_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from flowir.runtime.openai import OpenAIModels

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(CallError, match=r"pip install 'flowir\[openai\]'"):
        OpenAIModels()
