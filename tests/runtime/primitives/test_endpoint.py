"""Programs against an OpenAI-compatible server on loopback: streams, prefixes, faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest

from flowir.errors import PrimError
from flowir.runtime.llm import CallError
from flowir.runtime.openai import OpenAIModels
from flowir.runtime.primitives.answering import LanguageModel
from flowir.runtime.primitives.executor import Executor
from flowir.runtime.retrieval.bm25 import Bm25Reranker
from flowir.runtime.retrieval.hashing import HashingEmbedder
from flowir.runtime.retrieval.openai import OpenAIEmbedder
from flowir.runtime.retrieval.qdrant import QdrantStore
from tests.openai_server import Proxy
from tests.runtime.primitives.graphs import INPUTS, RAG
from tests.runtime.primitives.pure_engines import ENGINES, pure

pytest.importorskip("openai", reason="the openai SDK is not installed")

PROGRAM = pure(RAG).program


async def asked(proxy: Proxy, **options: Any) -> tuple[Any, Any]:
    """The answer of the graph with real parts, and the trace."""
    async with OpenAIModels(base_url=proxy.address, stream=True) as llm:
        with QdrantStore() as store:
            parts = {
                "llm": LanguageModel(llm, **options),
                "embedding": HashingEmbedder(),
                "vector store": store,
                "reranker": Bm25Reranker(),
            }
            async with Executor(ENGINES, parts) as executor:
                answer = await executor.run(PROGRAM, INPUTS["rag"])
                return answer, executor.trace("rag")


def test_a_prefix_is_sent_ahead_with_one_token_and_the_answer_is_streamed(proxy: Proxy) -> None:
    answer, trace = asyncio.run(asked(proxy))
    assert answer.startswith("Hello! You said: Be short. Q: tides?")
    ahead = [body for body in proxy.bodies if body.get("max_tokens") == 1]
    streamed = [body for body in proxy.bodies if body.get("stream") and body not in ahead]
    assert len(ahead) == 1
    assert len(streamed) == 2
    whole = next(b for b in streamed if b["messages"][0]["role"] == "system")
    assert whole["messages"][-1]["content"].startswith(ahead[0]["messages"][-1]["content"])
    notes = {span.name: span.note for span in trace.spans}
    assert "tokens sent ahead" in notes["answer: partial prefilling"]
    assert "tokens" in notes["answer: decoding"]


def test_there_is_one_layer_of_repeats(proxy: Proxy) -> None:
    calm, _ = asyncio.run(asked(proxy))
    proxy.reset(lambda request, before: "503" if before < 2 else None)
    answer, _ = asyncio.run(asked(proxy))
    assert answer == calm
    assert set(proxy.requests.values()) == {3}


def test_a_stream_that_breaks_off_is_asked_for_again(proxy: Proxy) -> None:
    calm, _ = asyncio.run(asked(proxy))
    proxy.reset(lambda request, before: "early end" if before < 1 else None)
    answer, _ = asyncio.run(asked(proxy))
    assert answer == calm


def test_what_fails_for_good_says_where(proxy: Proxy) -> None:
    proxy.reset(lambda request, before: "500")
    with pytest.raises(PrimError, match=r"on llm failed: .*made to fail"):
        asyncio.run(asked(proxy, retries=1))
    assert max(proxy.requests.values()) == 2


def test_a_model_may_stand_for_all(proxy: Proxy) -> None:
    asyncio.run(asked(proxy, model="another"))
    assert {body["model"] for body in proxy.bodies} == {"another"}


def test_a_cancelled_query_hangs_up(proxy: Proxy) -> None:
    proxy.reset(lambda request, before: "slow")

    async def run() -> None:
        running = asyncio.create_task(asked(proxy))
        while not proxy.open:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        while proxy.open:
            await asyncio.sleep(0.01)

    asyncio.run(run())


class Embeddings(BaseHTTPRequestHandler):
    """Vectors that are twice the place of a text's first letter, out of order; or a fault."""

    fault = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rows = [
            {"object": "embedding", "index": i, "embedding": [2.0 * ord(text[0]), 0.0]}
            for i, text in enumerate(body["input"])
        ]
        if self.fault == "short":
            rows.pop()
        status = 503 if self.fault == "503" else 200
        answer = {"object": "list", "model": body["model"], "data": rows[::-1]}
        text = json.dumps({"error": {"message": "later"}} if status == 503 else answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Nothing."""


@contextmanager
def embeddings(fault: str = "") -> Iterator[str]:
    handler = type("Handler", (Embeddings,), {"fault": fault})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


async def embedded(address: str, texts: list[str]) -> Any:
    async with OpenAIEmbedder("e", base_url=address, timeout_s=10) as embed:
        return await embed(texts)


def test_embeddings_come_in_the_order_of_their_texts_with_length_one() -> None:
    with embeddings() as address:
        found = asyncio.run(embedded(address, ["a", "b", "c"]))
        assert asyncio.run(embedded(address, [])).shape[0] == 0
    assert np.array_equal(found, np.array([[1, 0]] * 3, dtype=np.float32))


@pytest.mark.parametrize(("fault", "said"), [("503", "later"), ("short", "2 vectors for 3 texts")])
def test_embeddings_that_fail_may_be_asked_for_again(fault: str, said: str) -> None:
    with embeddings(fault) as address, pytest.raises(CallError, match=said) as raised:
        asyncio.run(embedded(address, ["a", "b", "c"]))
    assert raised.value.transient
