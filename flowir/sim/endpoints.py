"""Simulated endpoints: calls of running code share a language model, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from flowir.engines.engine import LanguageModelEngine
from flowir.prim.graph import Node, Work
from flowir.scheduling.work import Request, Task
from flowir.sim.continuous import Ended, Model


class Endpoint:
    """One replica of a model, first come first served; for code under the virtual clock.

    A call that finds every slot taken, or no room in the KV cache, waits. What is given up half way
    goes on: an endpoint does not notice at once that nobody listens.
    """

    def __init__(self, engine: LanguageModelEngine) -> None:
        self.engine = engine
        self._model = Model(engine)
        self._waiting: list[_Call] = []
        self._running: dict[int, _Call] = {}
        self._numbers = 0
        self._tokens = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._settling = False

    async def serve(
        self, input_tokens: float, output_tokens: float, pieces: int = 1
    ) -> AsyncIterator[None]:
        """Yields when each of so many equal pieces of the answer is written."""
        call = _Call(self._numbers, input_tokens, output_tokens, pieces)
        self._numbers += 1
        self._waiting.append(call)
        self._later()
        for _ in range(pieces):
            await call.written.get()
            yield

    def _later(self) -> None:
        """Settle once everything that happens at this time has."""
        if not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        self._settling = False
        loop = asyncio.get_running_loop()
        while self._waiting and self._fits(self._waiting[0]):
            call = self._waiting.pop(0)
            self._running[call.number] = call
            self._tokens += call.tokens
            self._end(self._model.join(call.request(self.engine.name), call.nodes, loop.time()))
        self._model.go_on(loop.time())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._model.until is not None:
            self._timer = loop.call_at(self._model.until, self._advance)

    def _advance(self) -> None:
        self._timer = None
        self._end(self._model.advance(asyncio.get_running_loop().time()))
        # Not at once: calls that answers lead to at this time belong into the same step.
        self._later()

    def _end(self, ended: list[Ended]) -> None:
        for one in ended:
            task = one.task
            if not task.node:
                continue
            call = self._running[int(str(task.query))]
            call.written.put_nowait(None)
            if task.node == call.pieces:
                del self._running[call.number]
                self._tokens -= call.tokens

    def _fits(self, call: _Call) -> bool:
        if not self._running:
            return True
        room = self._tokens + call.tokens <= self.engine.kv_tokens
        return room and len(self._running) < self.engine.slots


class _Call:
    """A call: a prefill, and a decode in pieces."""

    def __init__(self, number: int, input_tokens: float, output_tokens: float, pieces: int) -> None:
        self.number = number
        self.pieces = pieces
        self.tokens = input_tokens + output_tokens
        self.written: asyncio.Queue[None] = asyncio.Queue()
        self.nodes = [Node("prefill", "prefilling", None, Work(1, input_tokens))]
        done = 0
        for piece in range(1, pieces + 1):
            until = round(output_tokens * piece / pieces)
            work = Work(1, 0.0, until - done, input_tokens + done)
            self.nodes.append(Node("piece", "partial decoding", None, work, (piece - 1,)))
            done = until

    def request(self, engine: str) -> Request:
        tasks = tuple(Task(self.number, node) for node in range(len(self.nodes)))
        return Request(engine, tasks, 0.0, self.tokens)


def endpoints(engines: Mapping[str, LanguageModelEngine]) -> dict[str, Endpoint]:
    """An endpoint for each model; for one run, or for all that share them."""
    return {model: Endpoint(engine) for model, engine in engines.items()}
