"""A real OpenAI-compatible server on loopback, and a proxy in front of it that makes trouble.

The server is LLMock, a process of its own. It repeats what it is asked (see `echoed`), so that the
right answer of a workflow is known without it. The proxy counts and times every request, and
answers some of them with a fault instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal, get_args

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

Fault = Literal[
    "rate limit", "500", "503", "hang up", "slow", "garbage", "no choices", "cut", "early end"
]
"""`cut` breaks the connection within the answer; `early end` closes a stream in good order, but
before its end (an answer in one piece comes without choices then)."""

FAULTS: tuple[Fault, ...] = get_args(Fault)
SLOW_S = 30.0
STARTUP_S = 60.0


def echoed(messages: Sequence[Mapping[str, str]]) -> str:
    """What the server answers to messages."""
    words = " ".join(" ".join(message["content"] for message in messages).split())
    return f"Hello! You said: {words[:120]}"


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """The address of a server process, for as long as the context lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "import sys; from llmock.cli import app; sys.exit(app())"
    options = ["serve", "--port", str(port), "--response-style", "echo", "--log-level", "warning"]
    process = subprocess.Popen([sys.executable, "-c", code, *options])
    address = f"http://127.0.0.1:{port}"
    try:
        ends = time.monotonic() + STARTUP_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{address}/health").is_success:
                    break
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("the server did not start; run `llmock serve` to see why")
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class Proxy:
    """What the proxy does and has seen; `reset` before each use.

    Attributes:
        fault: what goes wrong with a request, by its key and how often it came before.
        retry_after: the headers of a rate limit.
        pause_s: seconds between the events of a stream.
        requests: how often each request came, by `key`.
        times: when each came.
        bodies: what was asked, in order.
        most: how many requests were open at the same time.
        done: faults by kind.
    """

    address: str = ""
    fault: Callable[[str, int], Fault | None] = lambda key, before: None
    retry_after: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    open: int = 0
    most: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def reset(
        self,
        fault: Callable[[str, int], Fault | None] = lambda key, before: None,
        retry_after: Mapping[str, str] | None = None,
        pause_s: float = 0.0,
    ) -> None:
        """Forget everything, and do something else from now on."""
        self.fault, self.pause_s = fault, pause_s
        self.retry_after = {"retry-after-ms": "20"} if retry_after is None else retry_after
        self.requests, self.done, self.times, self.bodies = Counter(), Counter(), {}, []
        self.open = self.most = 0


def key(messages: Sequence[Mapping[str, str]]) -> str:
    """What requests with these messages are counted under."""
    return hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:16]


def random_faults(seed: int, share: float, kinds: Sequence[Fault]) -> Callable[[str, int], Any]:
    """Faults that depend on the seed, the request and how often it came, and on nothing else."""

    def fault(request: str, before: int) -> Fault | None:
        digest = hashlib.sha256(f"{seed} {request} {before}".encode()).digest()
        hit = int.from_bytes(digest[:4], "big") < share * 2**32
        return kinds[digest[4] % len(kinds)] if hit else None

    return fault


@contextlib.contextmanager
def proxied(server: str) -> Iterator[Proxy]:
    """A running proxy in front of a server."""
    proxy = Proxy()
    proxy.reset()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # Who connects before the server runs waits for it.
    proxy.address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    config = uvicorn.Config(_application(proxy, server), log_level="critical", lifespan="on")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        running.should_exit = running.force_exit = True
        thread.join(10)
        listener.close()


def _application(proxy: Proxy, server: str) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        async with httpx.AsyncClient(base_url=server, timeout=60) as client:
            app.state.client = client
            yield

    async def chat(request: Request) -> Response:
        body = await request.json()
        name = key(body["messages"])
        before = proxy.requests[name]
        proxy.requests[name] += 1
        proxy.times.setdefault(name, []).append(time.monotonic())
        proxy.bodies.append(body)
        proxy.open += 1
        proxy.most = max(proxy.most, proxy.open)
        try:
            fault = proxy.fault(name, before)
            proxy.done[fault or "none"] += 1
            if fault == "slow":
                await _until_gone(request, SLOW_S)
            answer = await app.state.client.post("/v1/chat/completions", json=body)
        finally:
            # Before the answer goes out: who has it may start the next request at once.
            proxy.open -= 1
        return _spoilt(proxy, fault, answer, bool(body.get("stream")))

    app = Starlette(
        routes=[Route("/v1/chat/completions", chat, methods=["POST"])], lifespan=lifespan
    )
    return app


async def _until_gone(request: Request, seconds: float) -> None:
    """Wait, but not for somebody who has hung up."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not await request.is_disconnected():
        await asyncio.sleep(0.01)


def _spoilt(proxy: Proxy, fault: Fault | None, answer: httpx.Response, stream: bool) -> Response:
    text, kind = answer.content, answer.headers["content-type"]
    match fault:
        case "rate limit":
            return _error(429, {name: _dated(v) for name, v in proxy.retry_after.items()})
        case "500" | "503":
            return _error(int(fault), {})
        case "hang up":
            return _broken(b"", "application/json", 0)
        case "garbage":
            return Response(
                b'data: {"choices": [\n\n' if stream else b'{"choices": [', 200, None, kind
            )
        case "no choices" | "early end" if not stream:
            return Response(json.dumps({**answer.json(), "choices": []}), 200, None, kind)
        case "no choices" | "early end":
            return Response(b"".join(_events(text)[:2]), 200, None, kind)
        case "cut":
            return _broken(text, kind, len(text) // 2)
    if not stream or answer.status_code != 200:
        return Response(text, answer.status_code, None, kind)

    async def paused() -> Any:
        for event in _events(text):
            await asyncio.sleep(proxy.pause_s)
            yield event

    return StreamingResponse(paused(), media_type=kind)


def _events(text: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in text.split(b"\n\n") if event]


def _error(status: int, headers: Mapping[str, str]) -> Response:
    body = json.dumps({"error": {"message": "made to fail", "type": "test", "code": None}})
    return Response(body, status, dict(headers), "application/json")


def _dated(value: str) -> str:
    """`+3` is an HTTP date so many seconds from now."""
    return formatdate(time.time() + float(value), usegmt=True) if value[0] == "+" else value


def _broken(text: bytes, kind: str, length: int) -> Response:
    """An answer that stops in the middle: the head promises more than comes."""

    async def part() -> Any:
        yield text[:length]

    return StreamingResponse(
        part(), headers={"content-length": str(len(text) + 1)}, media_type=kind
    )
