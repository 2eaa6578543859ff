"""The process around a service: its socket, its protocol's limits, and how it stops."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from flowir.errors import ServingError
from flowir.serving.application import application
from flowir.serving.endpoints import Endpoint
from flowir.serving.observing import observe
from flowir.serving.security import Policy
from flowir.serving.service import Service

HEAD_S = 10.0
"""Seconds in which the head of a request has to arrive once it has begun."""

LARGEST_HEAD = 16 * 2**10
CONNECTIONS = 4096
"""More are answered with 503 by the HTTP server itself."""


@dataclass(frozen=True)
class Place:
    """Where a server listens, and how it stops.

    Attributes:
        port: 0 for any that is free.
        leave_s: seconds in which it says that it is not ready and still takes runs.
        drain_s: seconds that runs under way have left after that.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    leave_s: float = 0.0
    drain_s: float = 30.0


class _Protocol(H11Protocol):
    """HTTP/1.1 by h11, which is strict; a client that sends no head in time is hung up on."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            if self._head_timer is None and self.conn.trailing_data[0]:
                self._wait_for_head()
        elif self._head_timer is not None:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self._no_head)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _no_head(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """Says that it is leaving before it closes the door."""

    def __init__(self, config: uvicorn.Config, service: Service, leave_s: float) -> None:
        super().__init__(config)
        self._service, self._leave_s = service, leave_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.leaving = True
        if not self.force_exit:
            await asyncio.sleep(self._leave_s)
        self._service.draining = True
        await super().shutdown(sockets)


def listen(place: Place) -> socket.socket:
    """A socket at a place.

    Raises:
        ServingError: the address is none, or taken.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ServingError(
            f"{place.host} port {place.port}: cannot listen there ({error.strerror}); "
            "give another --host or --port"
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """Where clients find it."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def server_of(
    service: Service, endpoints: Sequence[Endpoint], policy: Policy, place: Place
) -> uvicorn.Server:
    """A server that is not running yet; its loop, clients and observers begin when it does."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        observing = asyncio.create_task(observe(service.dispatcher, endpoints))
        try:
            yield
        finally:
            observing.cancel()
            with suppress(asyncio.CancelledError):
                await observing
            await _close(service.clients)

    config = uvicorn.Config(
        application(service, policy, lifespan),
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(place.drain_s)),
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )
    # Uvicorn's loggers tell of requests that are no HTTP, and never of what is in them.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return _Server(config, service, place.leave_s)


def run_until_stopped(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; a second SIGINT drops what is under way."""
    # Uvicorn raises the signal again when all is done: that it was asked to stop is no failure.
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(number: int, frame: object) -> None:
    """Uvicorn has done all there is to do."""


async def _close(clients: Mapping[str, Any]) -> None:
    for client in clients.values():
        close = getattr(client, "aclose", None)
        if close is not None:
            await close()
