"""Asyncio and LangGraph files repeat the same requests, whatever a server or a client does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest

from flowir.backends.asyncio.emit import emit as emit_asyncio
from flowir.backends.langgraph.emit import emit as emit_langgraph
from tests.backends.running import load
from tests.strategies_ir import parse

TEXT = """
flow.agent @solve prompt "{i}" space <models = ["small"]>
flow.workflow @w(%t: !flow.text) -> !flow.text {
  %a = flow.call @solve(%t) : (!flow.text) -> !flow.text
  flow.return %a : !flow.text
}
"""
WHOLE = b'{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
BROKEN = [
    b"", b"{", b"\xff\xfe", b"null", b"[]", b"3", b"{}", b'{"choices": []}', b'{"choices": null}',
    b'{"error": {"message": "busy"}}', b'{"error": "busy"}',
]  # fmt: skip
ODD = [
    WHOLE, WHOLE.replace(b'"hi"', b"null"), WHOLE.replace(b',"finish_reason":"stop"', b""),
    b'{"choices": [{}]}', b'{"choices": [null]}', b'{"choices": [{"message": null}]}',
]  # fmt: skip


class Server(ThreadingHTTPServer):
    """Gives the same answer to all, and counts them."""

    body = b""
    asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.asked += 1
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def answering() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def files() -> list[tuple[ModuleType, str]]:
    """The two files, each with the name of its client."""
    found = []
    for emit, client in ((emit_asyncio, "openai_llm"), (emit_langgraph, "chat_model_llm")):
        file = load(emit(parse(TEXT)), f"repeats_{client}")
        file.BACKOFF_S = 0.001
        found.append((file, client))
    return found


def _outcome(file: ModuleType, llm: Any) -> tuple[str, str]:
    """What a run gives, or the type of its error."""

    async def main() -> Any:
        return await file.run({"t": "x"}, llm=llm(), retries=2)

    try:
        return "value", asyncio.run(main()).value
    except Exception as error:
        return "error", type(error).__name__


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", [*BROKEN, *ODD])
def test_what_is_no_answer_is_repeated_in_both(
    answering: Server, files: Any, body: bytes, stream: bool
) -> None:
    address = f"http://127.0.0.1:{answering.server_port}/v1"
    answering.body = body
    found = []
    for file, client in files:
        answering.asked = 0
        make = getattr(file, client)
        outcome = _outcome(file, lambda make=make: make(address, "key", stream=stream))
        found.append((outcome, answering.asked))
    assert found[0] == found[1]
    if body in BROKEN:
        assert found[0] == (("error", "CallError"), 3)
    elif not stream and body == WHOLE:
        assert found[0] == (("value", "hi"), 1)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ValueError(), 1), (KeyError(), 1), (IndexError(), 1), (TypeError(), 1), (OSError(), 1),
        (ConnectionError(), 3), (TimeoutError(), 3), (ConnectionResetError(), 3),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_errors_of_a_client_are_repeated_alike(files: Any, error: Exception, tries: int) -> None:
    for file, _ in files:
        begun = []

        async def llm(*asked: Any, begun: list[Any] = begun, **params: Any) -> Any:
            begun.append(asked)
            raise error

        assert _outcome(file, lambda llm=llm: llm) == ("error", "CallError")
        assert len(begun) == tries


def test_an_error_of_a_chat_model_is_no_answer_that_breaks_off(
    files: Any, monkeypatch: Any
) -> None:
    """A mistake in the class of a model stays one, however often it is asked."""
    import langchain.chat_models
    from langchain_core.language_models import GenericFakeChatModel

    begun = []

    class Mistaken(GenericFakeChatModel):
        def _generate(self, *asked: Any, **params: Any) -> Any:
            begun.append(asked)
            raise KeyError("mistake")

    monkeypatch.setattr(
        langchain.chat_models, "init_chat_model", lambda *_, **__: Mistaken(messages=iter(()))
    )
    file, client = files[1]
    assert _outcome(file, getattr(file, client)) == ("error", "CallError")
    assert len(begun) == 1
