"""The HTTP interface: chat completions over one workflow, models, health and metrics."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from flowir.serving.chat import (
    ChatRequest,
    RefusedError,
    Told,
    event,
    inputs_of,
    read_chat,
    written,
)
from flowir.serving.security import Guard, Policy
from flowir.serving.service import Answer, Asked, Service

log = logging.getLogger(__name__)

DEADLINE = "x-flowir-deadline-s"
BUDGET = "x-flowir-budget-usd"
REQUEST_ID = "x-request-id"
IGNORED = "x-flowir-ignored"

PING_S = 15.0
"""A comment is sent on a stream that is silent for so long: proxies close what is idle."""

WRITING_S = 30.0
"""Seconds after the end of a run in which a client must have read its stream."""

T = TypeVar("T")


def application(
    service: Service,
    policy: Policy,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """The ASGI application of a service."""
    api = _Api(service, int(time.time()))
    return Starlette(
        routes=[
            Route("/v1/chat/completions", api.told_apart(api.chat), methods=["POST"]),
            Route("/v1/models", api.told_apart(api.models), methods=["GET"]),
            Route("/v1/models/{name:path}", api.told_apart(api.model), methods=["GET"]),
            Route("/health", api.told_apart(api.health), methods=["GET"]),
            Route("/ready", api.told_apart(api.ready), methods=["GET"]),
            Route("/metrics", api.told_apart(api.metrics), methods=["GET"]),
        ],
        middleware=[Middleware(Guard, policy=policy)],
        exception_handlers={HTTPException: _not_there},
        lifespan=lifespan,
    )


def refusal(refused: RefusedError) -> Response:
    """An error as clients of OpenAI read it."""
    headers = {}
    if refused.retry_after_s is not None:
        headers["retry-after"] = str(refused.retry_after_s)
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refused.status in (408, 413):  # The rest of the body is not read.
        headers["connection"] = "close"
    return Response(written(refused.body()), refused.status, headers, "application/json")


def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "method_not_allowed"
    response = refusal(RefusedError(error.status_code, code, error.detail))
    response.headers.update(error.headers or {})
    return response


@dataclass(frozen=True)
class _Api:
    service: Service
    created: int

    def told_apart(
        self, handler: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """A handler whose failures are answered, and logged without what was asked."""

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except RefusedError as refused:
                return refusal(refused)
            except ClientDisconnect:
                return Response(status_code=499)  # Nobody reads it.
            except asyncio.CancelledError:
                if not self.service.draining:
                    raise
                return refusal(RefusedError(503, "shutting_down", "the server was shut down"))
            except Exception as error:
                log.error("%s failed: %s", request.url.path, type(error).__name__)
                return refusal(RefusedError(500, "internal", "the server failed"))

        return handle

    async def health(self, request: Request) -> Response:
        """The process works."""
        return Response(written({"status": "ok"}), media_type="application/json")

    async def ready(self, request: Request) -> Response:
        """Runs are taken, and some endpoint is alive."""
        ready = self.service.ready()
        body = written({"status": "ready" if ready else "not ready"})
        return Response(body, 200 if ready else 503, media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        """In the Prometheus text format."""
        text = self.service.metrics.text()
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    async def models(self, request: Request) -> Response:
        """The one model there is: the workflow."""
        body = written({"object": "list", "data": [self._model()]})
        return Response(body, media_type="application/json")

    async def model(self, request: Request) -> Response:
        """The model, by its name."""
        if request.path_params["name"] != self.service.compiled.name:
            raise RefusedError(404, "model_not_found", "there is no such model here")
        return Response(written(self._model()), media_type="application/json")

    def _model(self) -> dict[str, Any]:
        name = self.service.compiled.name
        return {"id": name, "object": "model", "created": self.created, "owned_by": "flowir"}

    async def chat(self, request: Request) -> Response:
        """One run."""
        service = self.service
        with ExitStack() as stack:
            stack.enter_context(service.admitted())
            asked = _asked(request)
            body = await _body(request, service.limits.body, service.limits.body_s)
            chat = read_chat(body, service.compiled.name)
            inputs = inputs_of(chat.text, service.compiled.inputs)
            told = Told(f"chatcmpl-{secrets.token_hex(12)}", service.compiled.name, _now())
            headers = _headers(request, chat)
            if chat.stream:
                events = _events(service, inputs, asked, chat, told)
                at_most = (asked.deadline_s or service.limits.timeout_s) + WRITING_S
                return _Stream(events, headers, stack.pop_all(), at_most)
            answer = await _unless_gone(request, service.run(inputs, asked))
            content = told.whole(answer.text, _usage(answer), _more(answer))
            return Response(written(content), headers=headers, media_type="application/json")


class _Stream(StreamingResponse):
    """Server-sent events; the run's place is given back when the stream ends, however it does."""

    def __init__(
        self,
        events: AsyncIterator[bytes],
        headers: dict[str, str],
        place: ExitStack,
        at_most_s: float,
    ) -> None:
        more = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(events, headers=headers | more, media_type="text/event-stream")
        self._events, self._place, self._at_most_s = events, place, at_most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # A client that does not read would keep its place for ever.
            async with asyncio.timeout(self._at_most_s):
                await super().__call__(scope, receive, send)
        except (TimeoutError, ClientDisconnect, OSError):
            pass
        finally:
            self._place.close()


async def _events(
    service: Service, inputs: dict[str, Any], asked: Asked, chat: ChatRequest, told: Told
) -> AsyncIterator[bytes]:
    """A run as it is written; an error is an event, since the status was sent long ago."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    began = time.perf_counter()
    run = asyncio.create_task(service.run(inputs, asked, pieces.put_nowait))
    run.add_done_callback(lambda _: pieces.put_nowait(None))
    first = True
    try:
        while True:
            try:
                async with asyncio.timeout(PING_S):
                    piece = await pieces.get()
            except TimeoutError:
                yield b": still at work\n\n"
                continue
            if piece is None:
                break
            if first:
                service.metrics.first_piece(time.perf_counter() - began)
            yield event(told.piece(piece, first))
            first = False
        answer = await run
        if first:
            service.metrics.first_piece(time.perf_counter() - began)
            yield event(told.piece(answer.text, first))
        yield event(told.end(_more(answer)))
        if chat.include_usage:
            yield event(told.usage(_usage(answer)))
        yield event("[DONE]")
    except RefusedError as refused:
        yield event(refused.body())
        yield event("[DONE]")
    except Exception as error:
        log.error("a stream failed: %s", type(error).__name__)
        yield event(RefusedError(500, "internal", "the server failed").body())
    finally:
        await _ended(run)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled when the client hangs up.

    Raises:
        ClientDisconnect: it has.
    """
    run = asyncio.create_task(work)
    gone = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait((run, gone), return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            return run.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        await _ended(run)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ended(run: asyncio.Task[Any]) -> None:
    """Cancel what has not ended, and wait until its calls are cancelled too."""
    if not run.done():
        run.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await run
    elif not run.cancelled():
        run.exception()  # So that nobody says it was never looked at.


async def _body(request: Request, at_most: int, seconds: float) -> bytes:
    """The body, as far as it may be long and slow.

    Raises:
        RefusedError: it is longer, or slower.
    """
    too_large = RefusedError(413, "too_large", f"the body is longer than {at_most} bytes")
    if int(request.headers.get("content-length", 0)) > at_most:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > at_most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise RefusedError(408, "too_slow", f"the body did not come in {seconds:g} s") from None
    return b"".join(parts)


def _asked(request: Request) -> Asked:
    return Asked(_amount(request, DEADLINE), _amount(request, BUDGET))


def _amount(request: Request, name: str) -> float | None:
    text = request.headers.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise RefusedError(
            400, "invalid_request", f"header {name}: give a number above 0", param=name
        )
    return value


def _headers(request: Request, chat: ChatRequest) -> dict[str, str]:
    """Of an answer. A client's own number of a request is kept where it is no more than that."""
    given = request.headers.get(REQUEST_ID, "")
    fits = re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given, re.ASCII)
    headers = {REQUEST_ID: given if fits else secrets.token_hex(16)}
    if chat.ignored:
        headers[IGNORED] = ", ".join(chat.ignored)
    return headers


def _usage(answer: Answer) -> dict[str, int]:
    used = answer.account
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
    }


def _more(answer: Answer) -> dict[str, Any]:
    """What no other server tells: an extension of the answer's shape."""
    used = answer.account
    return {
        "seconds": round(answer.seconds, 6),
        "calls": used.calls,
        "repeats": used.repeats,
        "cancelled": used.cancelled,
        "cost_usd": used.cost_usd,
        "configurations": {stage: str(one) for stage, one in used.configurations.items()},
        **({"simulated": True} if answer.simulated else {}),
    }


def _now() -> int:
    return int(time.time())
