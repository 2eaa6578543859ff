"""One replica of a language model that batches continuously, in fluid form.

A call that gets a slot is prefilled; while anything is prefilled decoding stands still. The d
requests that decode all advance by one token per step of

    T = a + d · c + e · K       K tokens of context of all of them, which grows by d each step

so V steps from now take α V + ½ β V² seconds, α = a + d c + e K, β = e d. The next request to end
is the one with the least V at which it ends: no step is simulated by itself.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field

from flowir.engines.engine import LanguageModelEngine
from flowir.serving.requests import EngineLoad


@dataclass(eq=False)
class Job:
    """A call on an engine.

    Attributes:
        owner: what is to be told when it ends.
        output_tokens: it will write; no scheduler sees it.
    """

    owner: object
    input_tokens: float
    output_tokens: float


@dataclass
class Replica:
    """See the module.

    Attributes:
        slowdown: how many times longer than its profile says everything takes.
        now: seconds up to which it has been simulated.
        changes: counts what makes an earlier prediction of its next event wrong.
        busy_s: seconds in which something held a slot.
    """

    endpoint: str
    model: str
    engine: LanguageModelEngine
    slowdown: float = 1.0
    now: float = 0.0
    changes: int = 0
    busy_s: float = 0.0
    most_active: int = 0
    _waiting: deque[Job] = field(default_factory=deque)
    _prefilling: deque[Job] = field(default_factory=deque)
    _prefill_left: float = 0.0
    _prefill_tokens: float = 0.0
    _decoding: list[tuple[float, int, Job]] = field(default_factory=list)
    _steps: float = 0.0
    _context: float = 0.0
    _number: int = 0

    @property
    def active(self) -> int:
        """Calls that hold a slot."""
        return len(self._prefilling) + len(self._decoding)

    def load(self) -> EngineLoad:
        """What a scheduler may see, as of `now`."""
        return EngineLoad(
            self.endpoint,
            self.model,
            self.engine,
            len(self._decoding),
            len(self._prefilling),
            self._context,
            self._prefill_tokens,
            len(self._waiting),
            self.slowdown,
        )

    def submit(self, job: Job) -> None:
        """A call comes, now; it waits where there is no slot."""
        self._waiting.append(job)
        self._admit()
        self.changes += 1

    def set_slowdown(self, slowdown: float) -> None:
        """Everything takes so many times as long from now on, what has begun included."""
        self.slowdown = slowdown
        self.changes += 1

    def next_event(self) -> float:
        """When something ends next, if nothing else happens."""
        if self._prefilling:
            return self.now + self._prefill_left * self.slowdown
        if not self._decoding:
            return math.inf
        steps = max(0.0, self._decoding[0][0] - self._steps)
        alpha, beta = self._pace()
        return self.now + self.slowdown * (alpha * steps + 0.5 * beta * steps * steps)

    def advance(self, until: float) -> None:
        """Let time pass in which nothing ends."""
        seconds = (until - self.now) / self.slowdown
        self.now = until
        if seconds <= 0 or not self.active:
            return
        self.busy_s += seconds * self.slowdown
        if self._prefilling:
            self._prefill_left = max(0.0, self._prefill_left - seconds)
            return
        alpha, beta = self._pace()
        root = math.sqrt(alpha * alpha + 2 * beta * seconds)
        steps = 2 * seconds / (alpha + root)
        self._steps += steps
        self._context += steps * len(self._decoding)

    def finish_next(self) -> Job | None:
        """What was to happen next happens, now; the call that ended, if one did."""
        self.changes += 1
        if self._prefilling:
            job = self._prefilling.popleft()
            self._prefill_tokens -= job.input_tokens
            self._number += 1
            self._context += job.input_tokens
            heapq.heappush(self._decoding, (self._steps + job.output_tokens, self._number, job))
            if self._prefilling:
                self._prefill_left = self.engine.prefill_s(self._prefilling[0].input_tokens)
            return None
        target, _, job = heapq.heappop(self._decoding)
        self._context += (target - self._steps) * (len(self._decoding) + 1)
        self._steps = target
        self._context -= job.input_tokens + job.output_tokens
        if not self._decoding:
            self._steps = self._context = 0.0
        self._admit()
        return job

    def _pace(self) -> tuple[float, float]:
        """Seconds of the next step, and by how much each later one is longer."""
        engine, requests = self.engine, len(self._decoding)
        slope = engine.decode_per_context_token_s * requests
        return engine.step_s(requests, self._context), slope

    def _admit(self) -> None:
        while self._waiting and self.active < self.engine.slots:
            job = self._waiting.popleft()
            if not self._prefilling:
                self._prefill_left = self.engine.prefill_s(job.input_tokens)
            self._prefilling.append(job)
            self._prefill_tokens += job.input_tokens
        self.most_active = max(self.most_active, self.active)
