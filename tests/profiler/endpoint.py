"""An OpenAI-compatible endpoint on loopback that answers as a function says, and counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


@dataclass(frozen=True)
class Reply:
    """What the endpoint answers; `body` instead of a completion where it is not None."""

    text: str = "ok"
    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    read: int = 5
    written: int = 7
    per_token_s: float = 0.0


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI's API words it."""
    body = json.dumps({"error": {"message": message, "type": "test", "code": code}})
    return Reply(status=status, body=body.encode(), headers=headers)


@dataclass
class Endpoint:
    """What it is asked, and how it answers: `answer` gets the body of a request."""

    url: str = ""
    answer: Callable[[dict[str, Any]], Reply] = lambda body: Reply()
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    open: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    def asked(self) -> Counter[tuple[str, str]]:
        """How often each model was asked each prompt."""
        return Counter((body["model"], prompt(body)) for body in self.bodies)


def prompt(body: Mapping[str, Any]) -> str:
    """The last message of a request."""
    text: str = body["messages"][-1]["content"]
    return text


@contextlib.contextmanager
def endpoint(
    answer: Callable[[dict[str, Any]], Reply] = lambda body: Reply(),
) -> Iterator[Endpoint]:
    """A running endpoint."""
    running = Endpoint(answer=answer)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # Who connects before the server runs waits for it.
    running.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    app = Starlette(routes=[Route("/v1/chat/completions", _chat(running), methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        listener.close()


def _chat(running: Endpoint) -> Callable[[Request], Any]:
    async def chat(request: Request) -> Response:
        body = await request.json()
        model = body["model"]
        running.bodies.append(body)
        running.times.append(time.monotonic())
        running.open[model] += 1
        running.most[model] = max(running.most[model], running.open[model])
        try:
            reply = running.answer(body)
            ends = time.monotonic() + reply.delay_s
            while (left := ends - time.monotonic()) > 0 and not await request.is_disconnected():
                await asyncio.sleep(min(left, 0.02))
        finally:
            running.open[model] -= 1
        if reply.body is not None:
            return Response(reply.body, reply.status, dict(reply.headers), "application/json")
        if body.get("stream"):
            return StreamingResponse(_events(model, reply), media_type="text/event-stream")
        usage = {"prompt_tokens": reply.read, "completion_tokens": reply.written}
        message = {"role": "assistant", "content": reply.text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        content = {"id": "1", "object": "chat.completion", "created": 0, "model": model}
        return Response(
            json.dumps({**content, "choices": [choice], "usage": usage}),
            200,
            dict(reply.headers),
            "application/json",
        )

    return chat


async def _events(model: str, reply: Reply) -> Any:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": model}

    def event(choices: list[Any], **more: Any) -> str:
        return f"data: {json.dumps({**head, 'choices': choices, **more})}\n\n"

    for number in range(reply.written):
        if number:
            await asyncio.sleep(reply.per_token_s)
        delta = {"content": reply.text if number == 0 else "."}
        yield event([{"index": 0, "delta": delta, "finish_reason": None}])
    yield event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    usage = {"prompt_tokens": reply.read, "completion_tokens": reply.written}
    yield event([], usage={**usage, "total_tokens": reply.read + reply.written})
    yield "data: [DONE]\n\n"
