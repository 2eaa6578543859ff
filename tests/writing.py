"""A server on loopback that writes a plan line by line, and goes on when the plan's tool has begun.

What happens to a request is said by the question in its prompt, one of `Story`. Tools tell the
server that they have begun: a plan that is read only when all of it is there cannot pass, because
the line behind a call is held back until that call has begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Story = Literal["whole", "cut", "early end", "busy at first", "barred", "goes on"]
"""`cut` breaks the connection behind the first line; `early end` closes the stream there, in good
order. `busy at first` gives 503 once; `barred` always 401. `goes on` writes behind the join until
nobody listens."""

PLAN = '1. look("a")\n2. look("b")\n3. join()\n'
PLANNER_USAGE = (20, 11)
JOINER_USAGE = (7, 3)
PATIENCE_S = 10.0
MODULE = """
flow.agent @planner prompt "<planner> {tools}|{question}|{history}" space <models = ["MODEL"]>
flow.agent @joiner prompt "<joiner> {question}|{history}" space <models = ["MODEL"]>
flow.tool @look impl "m:look" takes (x: text) -> !flow.json
flow.workflow @w(%question: !flow.text) -> !flow.text {
  %answer = flow.plan tools [@look] -> !flow.text
    planner(%tools, %history) {
      %plan = flow.call @planner(%tools, %question, %history)
        : (!flow.text, !flow.text, !flow.text) -> !flow.text
      flow.yield %plan : !flow.text
    }
    joiner(%history) {
      %said = flow.call @joiner(%question, %history) : (!flow.text, !flow.text) -> !flow.text
      flow.yield %said : !flow.text
    }
  flow.return %answer : !flow.text
}
"""


@dataclass
class Seen:
    """What the server has seen of one story.

    Attributes:
        planners: how often a plan was asked for.
        begun: tools that have begun, by argument.
        early: whether each call had begun before the line behind it was written.
        ended: all of the plan and its usage has been sent.
        gone: the client hung up on a planner that went on.
    """

    planners: int = 0
    begun: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    early: list[bool] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    gone: threading.Event = field(default_factory=threading.Event)


@dataclass
class Writing:
    """The running server."""

    url: str = ""
    seen: dict[str, Seen] = field(default_factory=lambda: defaultdict(Seen))


@contextlib.contextmanager
def writing() -> Iterator[Writing]:
    """A server that has seen nothing yet."""
    running = Writing()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # Who connects before the server runs waits for it.
    running.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = uvicorn.Server(uvicorn.Config(_app(running), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        listener.close()


def _app(running: Writing) -> Starlette:
    async def chat(request: Request) -> Response:
        body = await request.json()
        prompt = body["messages"][-1]["content"]
        if prompt.startswith("<joiner>"):
            if not body.get("stream"):
                return JSONResponse(_chunk("message", "Finish(done)", "stop", JOINER_USAGE))
            return _streamed(_sent(["Finish(done)"], JOINER_USAGE))
        story = prompt.split("|")[1]
        seen = running.seen[story]
        seen.planners += 1
        if story == "barred" or (story == "busy at first" and seen.planners == 1):
            status = 401 if story == "barred" else 503
            return JSONResponse({"error": {"message": "made to fail"}}, status)
        if not body.get("stream"):
            return JSONResponse(_chunk("message", PLAN, "stop", PLANNER_USAGE))
        return _streamed(_plan(story, seen), cut=story == "cut")

    async def begun(request: Request) -> Response:
        """A tool has begun; that of the last line goes on until the planner has ended."""
        seen, name = running.seen[request.query_params["story"]], request.query_params["x"]
        seen.begun[name].set()
        if name == "b" and request.query_params["story"] != "goes on":
            await _within(seen.ended)
            await asyncio.sleep(0.3)  # The end of the plan is on its way.
        return Response(f"<{name}>")

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/begun", begun, methods=["POST"]),
        ]
    )


async def _plan(story: str, seen: Seen) -> AsyncIterator[str]:
    """The events of a plan; pieces end in the middle of words."""
    for line, name in zip(PLAN.splitlines(keepends=True), ["a", "b", ""], strict=True):
        for piece in (line[:5], line[5:]):
            yield _event(_chunk("delta", piece))
        if name:
            seen.early.append(await _within(seen.begun[name]))
        if story in ("cut", "early end"):
            return
    try:
        while story == "goes on":
            yield _event(_chunk("delta", "and so on\n"))
            await asyncio.sleep(0.02)
    finally:
        if story == "goes on":
            seen.gone.set()
    async for event in _sent([], PLANNER_USAGE):
        yield event
    seen.ended.set()


async def _sent(pieces: list[str], usage: tuple[int, int]) -> AsyncIterator[str]:
    for piece in pieces:
        yield _event(_chunk("delta", piece))
    yield _event(_chunk("delta", None, "stop"))
    yield _event({**_chunk("delta", None, None, usage), "choices": []})
    yield "data: [DONE]\n\n"


async def _within(event: asyncio.Event) -> bool:
    """Whether something happens before the server's patience ends."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await event.wait()
    except TimeoutError:
        return False


def _streamed(events: AsyncIterator[str], *, cut: bool = False) -> Response:
    """A stream; one that will be cut promises more than comes."""
    headers = {"content-length": "1000000"} if cut else {}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def _chunk(
    kind: Literal["delta", "message"],
    text: str | None,
    finish: str | None = None,
    usage: tuple[int, int] | None = None,
) -> dict[str, Any]:
    whole = kind == "message"
    told = usage and {
        "prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage),
    }  # fmt: skip
    choice = {"index": 0, kind: {"role": "assistant", "content": text}, "finish_reason": finish}
    return {
        "id": "1", "object": "chat.completion" + ".chunk" * (not whole), "created": 1,
        "model": "m-2024", "choices": [choice], "usage": told,
    }  # fmt: skip
