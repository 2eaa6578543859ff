"""An endpoint on loopback that costs little: what the profiler is measured against.

    python -m benchmarks.profiling_server

Prints its port. Answers every chat completion with the last word of the prompt; `GET /asked` gives
(model, prompt) of every request so far, `GET /count` how many there were.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from typing import Any

ASKED: list[tuple[str, str]] = []


class Connection(asyncio.Protocol):
    """HTTP/1.1 with `Content-Length` bodies, which is all that the clients here send."""

    def __init__(self) -> None:
        self.seen = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.seen += data
        while (end := self.seen.find(b"\r\n\r\n")) >= 0:
            head = self.seen[:end].lower()
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name == b"content-length":
                    length = int(value)
            if len(self.seen) < end + 4 + length:
                return
            body = self.seen[end + 4 : end + 4 + length]
            self.seen = self.seen[end + 4 + length :]
            if head.startswith(b"get /count"):
                self._reply(len(ASKED))
            else:
                self._reply(ASKED if head.startswith(b"get") else answer(json.loads(body)))

    def _reply(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
            + str(len(text)).encode()
            + b"\r\n\r\n"
            + text
        )


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """The completion of a request."""
    text = body["messages"][-1]["content"]
    ASKED.append((body["model"], text))
    message = {"role": "assistant", "content": text.rpartition(" ")[2]}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
    }


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def end_with_parent() -> None:
    """Whoever started this closes the pipe when it ends, however it ends."""
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(serve())
