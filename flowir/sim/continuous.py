"""Continuous batching: requests join and leave a language model between its steps.

The engine does one thing at a time. While a prefill waits it prefills, and decoding stands still;
otherwise it makes decode steps of all requests together. Nothing is simulated step by step: until
the next one joins or leaves, k steps of b requests with C tokens of context in all take

    k · (decode_base_s + b · decode_per_request_s + C · decode_per_context_token_s)
      + b · k · (k − 1) / 2 · decode_per_context_token_s

since every context grows by a token a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from flowir.engines.engine import LanguageModelEngine
from flowir.prim.graph import PREFILLS, Node
from flowir.scheduling.work import Request, Task


@dataclass(slots=True, eq=False)
class Run:
    """A request on the engine.

    Attributes:
        at: which of its tasks is next, or under way.
        recompute: tokens of context to be prefilled again first.
        remaining: tokens the task under way still decodes.
        context: tokens in the KV cache of the task under way.
        since: when the task under way began.
    """

    request: Request
    nodes: Sequence[Node]
    recompute: float
    at: int = 0
    remaining: int = 0
    context: float = 0.0
    since: float = 0.0

    @property
    def prefills(self) -> int:
        """How many of its next tasks are prefills, one after another."""
        end = self.at
        while end < len(self.nodes) and self.nodes[end].kind in PREFILLS:
            end += 1
        return end - self.at


@dataclass(frozen=True)
class Ended:
    """A task that ended, and when its work began."""

    task: Task
    since: float


@dataclass
class Model:
    """A language model at work.

    Attributes:
        until: when the prefill under way, or the decode steps under way, end; None: idle.
        busy_s: seconds it has worked.
    """

    engine: LanguageModelEngine
    until: float | None = None
    busy_s: float = 0.0
    _began: float = 0.0
    _steps: int = 0
    _waiting: list[Run] = field(default_factory=list)
    _prefilling: list[tuple[Run, int]] = field(default_factory=list)
    _decoding: list[Run] = field(default_factory=list)

    def join(self, request: Request, nodes: Sequence[Node], now: float) -> list[Ended]:
        """A request is there; gives tasks that end at once. `go_on` follows after the last."""
        ended: list[Ended] = []
        self._enter(Run(request, nodes, request.recompute_tokens), now, ended)
        return ended

    def advance(self, now: float) -> list[Ended]:
        """What was to last `until` now has ended; gives tasks that ended with it.

        `go_on` follows, after all that join at the same time.
        """
        ended: list[Ended] = []
        self.until = None
        self.busy_s += now - self._began
        if self._steps:
            steps, self._steps = self._steps, 0
            decoding, self._decoding = self._decoding, []
            for run in decoding:
                run.remaining -= steps
                run.context += steps
                if run.remaining:
                    self._decoding.append(run)
                else:
                    self._end(run, ended)
                    self._enter(run, now, ended)
        else:
            prefilling, self._prefilling = self._prefilling, []
            for run, tasks in prefilling:
                run.recompute = 0.0
                for _ in range(tasks):
                    self._end(run, ended)
                self._enter(run, now, ended)
        return ended

    def go_on(self, now: float) -> None:
        """Begin what comes next, or end the decode steps under way where a prefill waits."""
        if self.until is None:
            self._begin(now)
        elif self._steps and self._waiting:
            self._steps = self._steps_by(now)
            # Rounding may put the boundary a hair before now.
            self.until = max(now, self._began + self._time(self._steps))

    def _end(self, run: Run, ended: list[Ended]) -> None:
        ended.append(Ended(run.request.tasks[run.at], run.since))
        run.at += 1

    def _enter(self, run: Run, now: float, ended: list[Ended]) -> None:
        """Put a request where its next task belongs; a decode of no tokens ends at once."""
        while run.at < len(run.nodes):
            node = run.nodes[run.at]
            if run.recompute or node.kind in PREFILLS:
                self._waiting.append(run)
                return
            run.since = now
            run.context = node.work.context_tokens
            run.remaining = steps_of(node)
            if run.remaining:
                self._decoding.append(run)
                return
            self._end(run, ended)

    def _begin(self, now: float) -> None:
        self._began = now
        if self._waiting:
            tokens = 0.0
            while self._waiting:
                run = self._waiting[0]
                tasks = run.prefills
                added = run.recompute + sum(
                    node.work.input_tokens for node in run.nodes[run.at : run.at + tasks]
                )
                if self._prefilling and tokens + added > self.engine.prefill_batch_tokens:
                    break
                self._waiting.pop(0)
                run.since = now
                self._prefilling.append((run, tasks))
                tokens += added
            self.until = now + self.engine.prefill_s(tokens)
        elif self._decoding:
            self._steps = min(run.remaining for run in self._decoding)
            self.until = now + self._time(self._steps)
        else:
            self.until = None

    def _first_and_growth(self) -> tuple[float, float]:
        """Seconds of the next step, and how much longer each is than the one before."""
        requests = len(self._decoding)
        context = sum(run.context for run in self._decoding)
        return (
            self.engine.step_s(requests, context),
            requests * self.engine.decode_per_context_token_s,
        )

    def _time(self, steps: int) -> float:
        first, growth = self._first_and_growth()
        return steps * first + growth * steps * (steps - 1) / 2

    def _steps_by(self, now: float) -> int:
        """Steps until the first boundary that is not before now; at least one, at most planned."""
        first, growth = self._first_and_growth()
        passed = now - self._began
        linear = first - growth / 2
        if growth:
            root = (math.sqrt(linear * linear + 2 * growth * passed) - linear) / growth
        else:
            root = passed / linear if linear else 0.0
        steps = max(1, math.ceil(root - 1e-9))
        return min(self._steps, steps)


def steps_of(node: Node) -> int:
    """Decode steps of a decode: its output tokens, to the nearest."""
    return round(node.work.output_tokens)
