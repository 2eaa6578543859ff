"""What a server knows of the load of an endpoint: what it sent there, and how that went.

What an endpoint says of itself is added, never believed alone: it may only say that others use it
too. An endpoint that says it is idle while calls take ten times as long is a slow one, since
`slowdown` is measured here; one that claims more than it could hold is taken to be full, and still
is asked when no other is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from flowir.engines.engine import LanguageModelEngine
from flowir.serving.endpoints import Endpoint
from flowir.serving.requests import EngineLoad

UNKNOWN = LanguageModelEngine(
    "unknown",
    prefill_base_s=0.05,
    prefill_per_token_s=5e-5,
    decode_base_s=0.02,
    decode_per_request_s=2e-4,
    simulated=False,
)
"""Where nobody measured: of the order of a mid-sized model on one accelerator. How far from it an
endpoint is shows in its slowdown."""

MEMORY = 0.2
"""Weight of the newest call in running means."""

FAILURES_IN_A_ROW = 3
"""After so many an endpoint rests; it is asked once before more is sent there."""

REST_S = 1.0
LONGEST_REST_S = 60.0
STALE_S = 10.0
"""What an endpoint said of itself is forgotten after so long."""


@dataclass
class Flight:
    """A call that is under way."""

    input_tokens: float
    output_tokens: float
    began: float


@dataclass(frozen=True)
class Reported:
    """What an endpoint says of itself."""

    running: float
    waiting: float
    at: float


@dataclass(eq=False)
class Replica:
    """One model at one endpoint.

    Attributes:
        name: of the load that schedulers see.
        flights: calls under way, by number.
        slowdown: how many times longer calls take than the engine's profile says.
        failures: in a row.
        rests_until: on the clock of the dispatcher.
        own_at_report: calls of our own that were under way when the endpoint last said how it is.
    """

    endpoint: Endpoint
    model: str
    engine: LanguageModelEngine
    flights: dict[int, Flight] = field(default_factory=dict)
    slowdown: float = 1.0
    failures: int = 0
    rests_until: float = -math.inf
    reported: Reported | None = None
    own_at_report: int = 0
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"{self.model} at {self.endpoint.name}"

    def alive(self, now: float) -> bool:
        """Whether calls may be sent; one at a time until one has ended well after failures."""
        if now < self.rests_until:
            return False
        return self.failures < FAILURES_IN_A_ROW or not self.flights

    def load(self, now: float) -> EngineLoad:
        """As schedulers see it."""
        prefilling = [f for f in self.flights.values() if now - f.began < self._first_s(f)]
        decoding = [f for f in self.flights.values() if now - f.began >= self._first_s(f)]
        running, waiting = self._others(now)
        probing = self.failures >= FAILURES_IN_A_ROW
        slots = 1 if probing else self.engine.slots
        return EngineLoad(
            self.name,
            self.model,
            replace(self.engine, slots=slots) if probing else self.engine,
            len(decoding) + running,
            len(prefilling),
            sum(f.input_tokens + self._written(f, now) for f in decoding),
            sum(f.input_tokens for f in prefilling),
            waiting,
            self.slowdown,
            self.alive(now),
        )

    def _first_s(self, flight: Flight) -> float:
        return self.slowdown * self.engine.prefill_s(flight.input_tokens)

    def _written(self, flight: Flight, now: float) -> float:
        """Tokens written so far, as far as the profile can tell."""
        step = self.slowdown * self.engine.step_s(len(self.flights), 0.0)
        left = now - flight.began - self._first_s(flight)
        return min(flight.output_tokens, max(0.0, left) / step if step > 0 else 0.0)

    def _others(self, now: float) -> tuple[int, int]:
        """Calls of others that run and wait there, by what it said; never so many that it is shut.

        One slot is always left to ask it with: what it says may be wrong.
        """
        if self.reported is None or now - self.reported.at > STALE_S:
            return 0, 0
        others = max(0.0, self.reported.running + self.reported.waiting - self.own_at_report)
        room = max(0, self.engine.slots - 1 - len(self.flights))
        taken = int(min(others, room))
        return min(taken, int(self.reported.running)), taken - min(
            taken, int(self.reported.running)
        )

    def expected_s(self, flight: Flight) -> float:
        """Seconds a call takes by the profile, beside those that are under way."""
        requests = max(1, len(self.flights))
        context = sum(f.input_tokens for f in self.flights.values())
        step = self.engine.step_s(requests, context)
        return self.engine.prefill_s(flight.input_tokens) + flight.output_tokens * step

    def ended(self, flight: Flight, seconds: float) -> None:
        """A call was answered after so many seconds; `flight` has what it wrote in the end."""
        self.failures = 0
        expected = self.expected_s(flight)
        if expected > 0.0:
            ratio = min(1e3, max(1e-3, seconds / expected))
            self.slowdown = math.exp(
                (1 - MEMORY) * math.log(self.slowdown) + MEMORY * math.log(ratio)
            )

    def slow(self, flight: Flight, seconds: float) -> None:
        """A call was given up after so many seconds: it would have taken longer still."""
        expected = self.expected_s(flight)
        if expected > 0.0 and seconds > self.slowdown * expected:
            self.slowdown = min(1e3, seconds / expected)

    def failed(self, now: float, rest_s: float | None = None) -> None:
        """A call failed; rest after several, or as long as the endpoint asks."""
        self.failures += 1
        if rest_s is not None:
            self.rests_until = max(self.rests_until, now + min(rest_s, LONGEST_REST_S))
        if self.failures >= FAILURES_IN_A_ROW:
            doubled = REST_S * 2.0 ** min(10, self.failures - FAILURES_IN_A_ROW)
            self.rests_until = max(self.rests_until, now + min(doubled, LONGEST_REST_S))

    def says(self, reported: Reported) -> None:
        """What the endpoint says of itself."""
        self.reported = reported
        self.own_at_report = len(self.flights)
