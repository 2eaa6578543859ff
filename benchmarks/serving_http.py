"""The HTTP server of `flowir serve`: what it adds to a request, and how many it serves.

    python -m benchmarks.serving_http [--quick] [--seed N] [--json FILE]

Models are instant: either a client inside the server's process, or an endpoint on loopback, a
process of its own that sends one canned completion and does nothing else. What is timed is the real
server, a process too, asked over keep-alive connections by this one. The added time of the loopback
way is what a request takes less what the endpoint takes when it is asked directly as often as the
workflow has calls. Times are of the wall clock, so what else runs on the machine is in them: its
load is told first. The CPU time of the server is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figures import Figures, arguments, write_json

CLIENTS = 16
WARM_UP = 50
REQUEST = {"model": "w", "messages": [{"role": "user", "content": "How high is Everest? " * 8}]}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "It is 8848 m high."},
        }
    ],
    "usage": {"prompt_tokens": 40, "completion_tokens": 8, "total_tokens": 48},
}


def workflow(calls: int) -> str:
    """So many calls, one after another."""
    lines = ['flow.agent @x prompt "Say: {text}" space <models = ["m"]>']
    lines.append("flow.workflow @w(%v0: !flow.text) -> !flow.text {")
    lines += [
        f"  %v{n + 1} = flow.call @x(%v{n}) : (!flow.text) -> !flow.text" for n in range(calls)
    ]
    return "\n".join([*lines, f"  flow.return %v{calls} : !flow.text", "}\n"])


def figures(found: Figures, *, quick: bool = False) -> None:
    """Measure everything."""
    requests, seconds = (200, 2.0) if quick else (1000, 5.0)
    found.heading(f"Before anything is measured, on {os.cpu_count()} cores:")
    found.add("load average of the machine, of the last minute", os.getloadavg()[0])
    with tempfile.TemporaryDirectory() as folder:
        for calls in (1, 3):
            path = Path(folder) / f"{calls}.mlir"
            path.write_text(workflow(calls), encoding="utf-8")
            told = "1 call" if calls == 1 else f"{calls} calls in a row"
            found.heading(f"A workflow of {told}, models instant inside the server's process:")
            with serving(path, "instant") as (url, process):
                _measured(found, f"{told}, in-process models", url, process, requests, seconds, 0.0)
            found.heading(f"A workflow of {told}, models instant at an endpoint on loopback:")
            with canned() as endpoint, serving(path, endpoint) as (url, process):
                direct = calls * median(_one_by_one(f"{endpoint}/chat/completions", requests))
                found.add("one call of the endpoint, asked directly", 1e3 * direct / calls, "ms")
                _measured(found, f"{told}, loopback", url, process, requests, seconds, direct)


def _measured(
    found: Figures,
    name: str,
    url: str,
    process: subprocess.Popen[str],
    requests: int,
    seconds: float,
    less_s: float,
) -> None:
    times = _one_by_one(f"{url}/chat/completions", requests)
    added = [1e3 * (one - less_s) for one in times]
    found.add(f"{name}: added per request, p50", median(added), "ms", at_most=3.0)
    found.add(f"{name}: added per request, p95", quantiles(added, n=20)[-1], "ms")
    before = _cpu_s(process.pid)
    served = _at_once(f"{url}/chat/completions", CLIENTS, seconds)
    used = _cpu_s(process.pid) - before
    rate = served / seconds
    found.add(f"{name}: served, {CLIENTS} clients", rate, "requests/s", at_least=200.0)
    found.add(f"{name}: CPU of the server per request", 1e3 * used / max(1, served), "ms")


def _one_by_one(url: str, requests: int) -> list[float]:
    """Seconds of each request, one after another on one connection."""
    ask = _asking(url)
    for _ in range(WARM_UP):
        ask()
    times = []
    for _ in range(requests):
        start = time.perf_counter()
        ask()
        times.append(time.perf_counter() - start)
    return times


def _at_once(url: str, clients: int, seconds: float) -> int:
    """How many requests so many clients got answered, each asking again at once."""
    ends = time.perf_counter() + seconds
    served = [0] * clients

    def client(number: int) -> None:
        ask = _asking(url)
        while time.perf_counter() < ends:
            ask()
            served[number] += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(served)


def _asking(url: str) -> Any:
    """A function that sends the request on a connection of its own and reads the answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = json.dumps(REQUEST).encode()
    headers = {"content-type": "application/json"}

    def ask() -> None:
        connection.request("POST", parts.path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{url}: HTTP {response.status} {content[:200]!r}")

    return ask


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process so far; not a number where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(path: Path, models: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process: its address and itself."""
    command = [sys.executable, "-m", "benchmarks.serving_http", "--serve", str(path), models]
    with _process(command, r"(http://\S+/v1)") as (found, process):
        yield found, process


@contextlib.contextmanager
def canned() -> Iterator[str]:
    """The address of a process that answers everything at once."""
    with _process(
        [sys.executable, "-m", "benchmarks.serving_http", "--canned"], r"(http://\S+/v1)"
    ) as (found, _):
        yield found


@contextlib.contextmanager
def _process(command: list[str], says: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if (found := re.search(says, line)) is not None:
                yield found[1], process
                return
        raise RuntimeError(f"{' '.join(command)} did not start")
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def serve(path: str, models: str) -> None:
    """Be the server, with models of its own or those of an endpoint."""
    from flowir.runtime.llm import Completion, Usage
    from flowir.serving.build import service_of
    from flowir.serving.compiled import read_compiled
    from flowir.serving.endpoints import Endpoint, endpoints_of
    from flowir.serving.security import Policy
    from flowir.serving.server import Place, address_of, listen, run_until_stopped, server_of
    from flowir.serving.service import Limits

    async def instant(node: str, messages: Any, *, model: str, **params: Any) -> Completion:
        return Completion("It is 8848 m high.", Usage(40, 8), None, model)

    inside = models == "instant"
    endpoints = (Endpoint("inside", "http://inside"),) if inside else endpoints_of([models])
    clients: Any = {"inside": instant} if inside else None
    service = service_of(read_compiled(path), endpoints, Limits(), clients=clients)
    place = Place(port=0)
    listener = listen(place)
    server = server_of(service, endpoints, Policy(), place)
    print(f"{address_of(listener)}/v1", file=sys.stderr, flush=True)
    run_until_stopped(server, listener)


def answer_canned() -> None:
    """Be the endpoint: HTTP/1.1 with keep-alive, as little of it as the clients here need."""
    body = json.dumps(COMPLETION).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    reply = head.encode() + b"\r\n" + body

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", asked, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(reply)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(client, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}/v1", file=sys.stderr, flush=True)
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--canned", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(*asked.serve)
    elif asked.canned:
        answer_canned()
    else:
        found = Figures()
        figures(found, quick=asked.quick)
        if asked.json:
            write_json(found.found, asked.json)


if __name__ == "__main__":
    main()
