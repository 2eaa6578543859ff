"""Real servers of `flowir serve` on loopback, in a thread or a process of their own."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from flowir.serving.build import service_of
from flowir.serving.compiled import Compiled, Wanted, read_compiled
from flowir.serving.endpoints import Endpoint
from flowir.serving.security import Policy
from flowir.serving.server import Place, address_of, listen, server_of
from flowir.serving.service import Limits, Service

ONE_CALL = """
flow.agent @x prompt "Say: {task}" space <models = ["m"]> baseline <"m">
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %a = flow.call @x(%task) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
"""

THREE_STAGES = """
flow.agent @drafts prompt "Draft: {task}" space <models = ["small", "large"]> baseline <"small">
flow.agent @judges prompt "Judge: {draft}" space <models = ["small"]> baseline <"small">
flow.agent @mends prompt "Mend: {draft} by {verdict}" space <models = ["large"]> baseline <"large">
flow.workflow @w(%task: !flow.text) -> !flow.text {
  %draft = flow.call @drafts(%task) : (!flow.text) -> !flow.text
  %verdict = flow.call @judges(%draft) : (!flow.text) -> !flow.text
  %mended = flow.call @mends(%draft, %verdict) : (!flow.text, !flow.text) -> !flow.text
  flow.return %mended : !flow.text
}
"""


def compiled(folder: Path, text: str = ONE_CALL, wanted: Wanted | None = None) -> Compiled:
    """A workflow as it is served."""
    path = folder / "w.mlir"
    path.write_text(text)
    return read_compiled(path, wanted=wanted)


@dataclass
class Running:
    """A server that runs in a thread."""

    url: str
    service: Service
    client: httpx.Client

    def metrics(self) -> str:
        """The page of metrics."""
        return self.client.get(f"{self.url}/metrics").text

    def ask(self, text: str = "hello", **more: Any) -> httpx.Response:
        """One request, with headers where `headers` has some."""
        headers = more.pop("headers", {})
        body = {"model": "w", "messages": [{"role": "user", "content": text}], **more}
        url = f"{self.url}/v1/chat/completions"
        return self.client.post(url, json=body, headers=headers)


@contextlib.contextmanager
def running(
    what: Compiled,
    endpoints: Sequence[Endpoint],
    limits: Limits | None = None,
    policy: Policy | None = None,
    prepare: Callable[[Service], None] = lambda service: None,
    **options: Any,
) -> Iterator[Running]:
    """A server, for as long as the context lasts."""
    service = service_of(what, endpoints, limits or Limits(), **options)
    prepare(service)
    listener = listen(Place(port=0))
    server = server_of(service, endpoints, policy or Policy(), Place(drain_s=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    url = address_of(listener)
    many = httpx.Limits(max_connections=None)
    try:
        with httpx.Client(timeout=60, limits=many, verify=False) as client:
            until(lambda: client.get(f"{url}/health").is_success)
            yield Running(url, service, client)
    finally:
        server.should_exit = True
        thread.join(15)


@contextlib.contextmanager
def process(
    path: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str], list[str]]]:
    """`flowir serve` as a process: its address, itself, and what it has said on stderr."""
    command = [sys.executable, "-m", "flowir.cli.main", "serve", str(path), *options]
    started = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    said: list[str] = []
    assert started.stderr is not None
    reader: threading.Thread | None = None
    try:
        for line in started.stderr:
            said.append(line)
            if (found := re.search(r"at (http://\S+)/v1$", line)) is not None:
                break
        else:
            raise RuntimeError("".join(said))
        reader = threading.Thread(target=said.extend, args=(started.stderr,), daemon=True)
        reader.start()
        yield found[1], started, said
    finally:
        started.kill()
        started.wait(10)
        if reader is not None:
            reader.join(5)
        started.stderr.close()
        assert started.stdout is not None
        started.stdout.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for what has to come about; how long it takes is not the question."""
    ends = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.TransportError):
            if condition():
                return
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.01)


def raw(url: str, request: bytes) -> bytes:
    """All that a server answers to bytes on a connection of their own, until it hangs up."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        parts = []
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                parts.append(part)
        except TimeoutError:
            raise
        except OSError:
            pass  # It hung up before all was sent.
        return b"".join(parts)
