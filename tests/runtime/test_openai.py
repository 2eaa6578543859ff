"""The OpenAI adapter against a server on loopback that follows a script."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any, TypeVar

import pytest

from flowir.runtime.llm import CallError, Completion, Message, Usage
from flowir.runtime.openai import OpenAIModels

pytest.importorskip("openai", reason="the openai SDK is not installed")

_T = TypeVar("_T")
_MESSAGES: list[Message] = [{"role": "user", "content": "hi"}]


class Server:
    """Answers every request with the same bytes, then closes; remembers what was asked."""

    def __init__(self, response: bytes, delay_s: float = 0.0) -> None:
        self.response = response
        self.delay_s = delay_s
        self.requests: list[dict[str, Any]] = []
        self.hung_up = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        self.requests.append(json.loads(await reader.readexactly(length)))
        sleeping = asyncio.create_task(asyncio.sleep(self.delay_s))
        closing = asyncio.create_task(reader.read())
        await asyncio.wait([sleeping, closing], return_when=asyncio.FIRST_COMPLETED)
        if closing.done():
            self.hung_up.set()
        else:
            writer.write(self.response)
            await writer.drain()
        sleeping.cancel()
        closing.cancel()
        writer.close()


def _response(
    body: object, *, status: str = "200 OK", headers: dict[str, str] | None = None
) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    fields = {"content-type": "application/json", "content-length": str(len(text.encode()))}
    lines = [f"{name}: {value}\r\n" for name, value in {**fields, **(headers or {})}.items()]
    return f"HTTP/1.1 {status}\r\nconnection: close\r\n{''.join(lines)}\r\n{text}".encode()


def _completion(content: str | None, **message: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2024",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def _stream(*chunks: dict[str, Any], done: bool = True) -> bytes:
    events = [f"data: {json.dumps({**_CHUNK, **chunk})}\n\n" for chunk in chunks]
    text = "".join(events) + ("data: [DONE]\n\n" if done else "")
    return _response(text, headers={"content-type": "text/event-stream"})


_CHUNK = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m-2024"}


def _delta(content: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}


_USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}


def _serve(
    response: bytes,
    use: Callable[[OpenAIModels, Server], Awaitable[_T]],
    *,
    delay_s: float = 0.0,
    **options: Any,
) -> tuple[_T, Server]:
    async def main() -> tuple[_T, Server]:
        server = Server(response, delay_s)
        listener = await asyncio.start_server(server.answer, "127.0.0.1", 0)
        host, port = listener.sockets[0].getsockname()
        async with listener, OpenAIModels(base_url=f"http://{host}:{port}/v1", **options) as llm:
            return await use(llm, server), server

    return asyncio.run(asyncio.wait_for(main(), 30))


async def _ask(llm: OpenAIModels, _: Server) -> Completion:
    return await llm("draft", _MESSAGES, model="m", temperature=0.7)


async def _fails(llm: OpenAIModels, _: Server) -> CallError:
    with pytest.raises(CallError) as caught:
        await llm("draft", _MESSAGES, model="m")
    return caught.value


def test_an_answer_and_what_was_asked() -> None:
    answer, server = _serve(_response(_completion("hello")), _ask)
    assert answer == Completion("hello", Usage(11, 7), None, "m-2024")
    assert server.requests == [{"model": "m", "messages": _MESSAGES, "temperature": 0.7}]


@pytest.mark.parametrize(
    ("provider", "model", "budget", "sent"),
    [
        ("openai", "gpt-5-mini", "high", {"reasoning_effort": "high"}),
        (
            "anthropic",
            "claude-sonnet-4-5",
            2048,
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        ),
        (
            "gemini",
            "gemini-2.5-pro",
            512,
            {"extra_body": {"google": {"thinking_config": {"thinking_budget": 512}}}},
        ),
        ("openrouter", "openai/o3", "low", {"reasoning": {"effort": "low"}}),
        ("qwen", "qwen3-32b", 99, {"enable_thinking": True, "thinking_budget": 99}),
        ("", "any", None, {}),
    ],
)
def test_a_budget_is_sent_as_the_provider_reads_it(
    provider: str, model: str, budget: Any, sent: dict[str, Any]
) -> None:
    """By what went over the wire: the SDK has a parameter for one of these forms only."""

    async def ask(llm: OpenAIModels, _: Server) -> Completion:
        return await llm("draft", _MESSAGES, model=model, budget=budget)

    _, server = _serve(_response(_completion("hello")), ask, provider=provider)
    assert server.requests == [{"model": model, "messages": _MESSAGES, **sent}]


def test_parameters_that_openai_has_no_name_for_go_along() -> None:
    async def ask(llm: OpenAIModels, _: Server) -> Completion:
        params = {"top_k": 5, "temperature": 0.5, "min_p": 0.1, "budget": 9}
        return await llm("draft", _MESSAGES, model="qwen3-32b", **params)

    _, server = _serve(_response(_completion("hello")), ask, provider="qwen")
    assert server.requests == [
        {
            "model": "qwen3-32b",
            "messages": _MESSAGES,
            "temperature": 0.5,
            "top_k": 5,
            "min_p": 0.1,
            "enable_thinking": True,
            "thinking_budget": 9,
        }
    ]


def test_a_budget_that_nobody_knows_how_to_ask_for_is_refused_unasked() -> None:
    async def ask(llm: OpenAIModels, _: Server) -> CallError:
        with pytest.raises(CallError) as caught:
            await llm("draft", _MESSAGES, model="m", budget=1)
        return caught.value

    error, server = _serve(_response(_completion("hello")), ask)
    assert not error.transient
    assert "a provider whose name was not given" in str(error)
    assert server.requests == []


def test_an_answer_without_text_is_an_empty_answer_not_a_failure() -> None:
    assert _serve(_response(_completion(None)), _ask)[0].text == ""
    assert _serve(_response(_completion(None, refusal="I won't")), _ask)[0].text == "I won't"


def test_a_stream_is_put_together_and_timed_and_its_usage_recorded() -> None:
    response = _stream(_delta(""), _delta("hel"), _delta("lo"), _delta(None, "stop"), _USAGE)
    answer, server = _serve(response, _ask, stream=True, delay_s=0.1)
    assert (answer.text, answer.usage, answer.model) == ("hello", Usage(11, 7), "m-2024")
    assert answer.ttft_s is not None
    assert 0.1 <= answer.ttft_s < 10
    assert server.requests[0]["stream_options"] == {"include_usage": True}


async def _written(llm: OpenAIModels, _: Server) -> list[str | Completion]:
    return [p async for p in llm.pieces("draft", _MESSAGES, model="m", temperature=0.7)]


def test_pieces_come_as_they_are_written_and_then_the_answer() -> None:
    """The request and the answer are those of a streamed call."""
    response = _stream(_delta(""), _delta("hel"), _delta("lo"), _delta(None, "stop"), _USAGE)
    (*pieces, last), server = _serve(response, _written, delay_s=0.1)
    called, other = _serve(response, _ask, stream=True, delay_s=0.1)
    assert pieces == ["hel", "lo"]
    assert isinstance(last, Completion)
    assert replace(last, ttft_s=None) == replace(called, ttft_s=None)
    assert last.ttft_s is not None
    assert 0.1 <= last.ttft_s < 10
    assert server.requests == other.requests


def test_budgets_and_other_parameters_go_along_with_pieces_or_are_refused_unasked() -> None:
    async def ask(llm: OpenAIModels, _: Server) -> list[str | Completion]:
        params = {"top_k": 5, "budget": 9}
        return [p async for p in llm.pieces("draft", _MESSAGES, model="qwen3-32b", **params)]

    response = _stream(_delta("hello"), _delta(None, "stop"), _USAGE)
    _, server = _serve(response, ask, provider="qwen")
    (sent,) = server.requests
    fields = {"top_k": 5, "enable_thinking": True, "thinking_budget": 9, "stream": True}
    assert fields.items() <= sent.items()

    async def refused(llm: OpenAIModels, server: Server) -> CallError:
        with pytest.raises(CallError) as caught:
            await ask(llm, server)
        return caught.value

    error, server = _serve(response, refused, provider="openai")
    assert not error.transient
    assert server.requests == []


@pytest.mark.parametrize(
    ("response", "read", "transient"),
    [
        pytest.param(_stream(_delta("hel"), done=False), ["hel"], True, id="ends early"),
        pytest.param(
            _stream(_delta("hel")).replace(b"content-length: ", b"content-length: 9"),
            ["hel"],
            True,
            id="cut",
        ),
        pytest.param(
            _stream(_delta("hel"), {"error": {"message": "oops"}}), ["hel"], True, id="error event"
        ),
        pytest.param(
            _response({"error": {}}, status="503 Service Unavailable"), [], True, id="busy"
        ),
        pytest.param(_response({"error": {}}, status="401 Unauthorized"), [], False, id="barred"),
    ],
)
def test_failures_between_pieces_are_told_apart_as_those_of_calls(
    response: bytes, read: list[str], transient: bool
) -> None:
    async def fails(llm: OpenAIModels, _: Server) -> tuple[list[str | Completion], CallError]:
        pieces: list[str | Completion] = []
        try:
            async for piece in llm.pieces("draft", _MESSAGES, model="m"):
                pieces += [piece]
        except CallError as error:
            return pieces, error
        pytest.fail("the stream is whole")

    (pieces, error), server = _serve(response, fails)
    assert (pieces, error.transient) == (read, transient)
    called, _ = _serve(response, _fails, stream=True)
    strip = re.compile(r"127\.0\.0\.1:\d+")
    assert strip.sub("", str(error)) == strip.sub("", str(called))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        ("400 Bad Request", False),
        ("401 Unauthorized", False),
        ("404 Not Found", False),
        ("408 Request Timeout", True),
        ("429 Too Many Requests", True),
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
    ],
)
def test_a_status_is_transient_or_not_and_asked_for_once(status: str, transient: bool) -> None:
    response = _response({"error": {"message": "because"}}, status=status)
    error, server = _serve(response, _fails)
    assert (error.transient, error.status) == (transient, int(status[:3]))
    assert "draft: m at http://127.0.0.1" in str(error)
    assert "because" in str(error)
    assert len(server.requests) == 1


def test_an_exhausted_quota_is_no_rate_limit() -> None:
    body = {"error": {"message": "pay", "code": "insufficient_quota"}}
    error, _ = _serve(_response(body, status="429 Too Many Requests"), _fails)
    assert not error.transient


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "2"}, 2.0, 2.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25, 0.25),
        ({"retry-after": formatdate(time.time() + 3600, usegmt=True)}, 1800.0, 3600.0),
        ({"retry-after": formatdate(time.time() - 3600, usegmt=True)}, 0.0, 0.0),
    ],
)
def test_retry_after_is_read_in_every_form(
    headers: dict[str, str], low: float, high: float
) -> None:
    response = _response({"error": {}}, status="429 Too Many Requests", headers=headers)
    error, _ = _serve(response, _fails)
    assert error.retry_after_s is not None
    assert low <= error.retry_after_s <= high


@pytest.mark.parametrize("value", ["soon", "nan", "inf", ""])
def test_a_retry_after_that_makes_no_sense_is_ignored(value: str) -> None:
    response = _response({}, status="503 Service Unavailable", headers={"retry-after": value})
    error, _ = _serve(response, _fails)
    assert (error.transient, error.retry_after_s) == (True, None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"", id="hangs up"),
        pytest.param(_response({}, headers={"content-length": "999"})[:-1], id="cut body"),
        pytest.param(_response('{"choices": [', headers={}), id="cut JSON"),
        pytest.param(_response({"choices": []}), id="no choices"),
    ],
)
def test_broken_answers_are_transient_failures(response: bytes, stream: bool) -> None:
    error, server = _serve(response, _fails, stream=stream)
    assert error.transient
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(_stream(_delta("hel"), done=False), id="ends early"),
        pytest.param(_stream(_delta("hel")), id="done without a finish"),
        pytest.param(_stream(_delta("hel"), {"error": {"message": "oops"}}), id="error event"),
        pytest.param(
            _response("data: {nonsense\n\n", headers={"content-type": "text/event-stream"}),
            id="not JSON",
        ),
        pytest.param(
            _stream(_delta("hel")).replace(b"content-length: ", b"content-length: 9"), id="cut"
        ),
    ],
)
def test_broken_streams_are_transient_failures(response: bytes) -> None:
    assert _serve(response, _fails, stream=True)[0].transient


def test_a_page_instead_of_an_answer_points_at_base_url() -> None:
    page = _response("<html>welcome</html>", headers={"content-type": "text/html"})
    error, _ = _serve(page, _fails)
    assert not error.transient
    assert "check base_url" in str(error)


def test_a_slow_server_times_out() -> None:
    error, _ = _serve(_response(_completion("late")), _fails, delay_s=20, timeout_s=0.2)
    assert (error.transient, error.status) == (True, None)


def test_a_cancelled_call_hangs_up() -> None:
    async def use(llm: OpenAIModels, server: Server) -> bool:
        call = asyncio.create_task(_ask(llm, server))
        while not server.requests:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(server.hung_up.wait(), 5)
        return True

    assert _serve(_response(_completion("late")), use, delay_s=20)[0]


def test_nobody_listening_is_transient() -> None:
    async def main() -> CallError:
        listener = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        host, port = listener.sockets[0].getsockname()
        listener.close()
        await listener.wait_closed()
        async with OpenAIModels(base_url=f"http://{host}:{port}/v1") as llm:
            return await _fails(llm, Server(b""))

    assert asyncio.run(main()).transient


def test_missing_usage_is_said_once_and_counts_zero() -> None:
    body = _completion("hello")
    del body["usage"]

    async def twice(llm: OpenAIModels, server: Server) -> list[Usage]:
        return [(await _ask(llm, server)).usage, (await _ask(llm, server)).usage]

    with pytest.warns(UserWarning, match="reports no token usage") as caught:
        usages, _ = _serve(_response(body), twice)
    assert usages == [Usage(0, 0)] * 2
    # Others' sockets may be collected, with a warning, at any time.
    assert len([w for w in caught if w.category is UserWarning]) == 1


def test_without_a_key_the_message_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(CallError, match="set OPENAI_API_KEY"):
        OpenAIModels()
