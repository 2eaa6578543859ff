"""What a server counts, in the Prometheus text format. Never a prompt, an answer or a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from flowir.runtime.llm import Usage
from flowir.serving.loads import Replica

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
MANY = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
FAST = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1)


@dataclass(frozen=True)
class _Place:
    calls: Counter
    seconds: Histogram
    chosen: Counter


class Metrics:
    """The metrics of one server; docs/serving-http.md lists them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._places: dict[tuple[str, ...], _Place] = {}
        place = ("model", "endpoint")
        self._requests = self._counter("requests", "Runs that ended, by how", "outcome")
        self._seconds = self._histogram("request_seconds", "Whole runs that were answered", SECONDS)
        self._first = self._histogram("first_piece_seconds", "Until a stream's first text", SECONDS)
        self._calls = self._counter("calls", "Model calls, by how they ended", *place, "outcome")
        self._call_seconds = self._histogram("call_seconds", "Calls answered", SECONDS, *place)
        self._chosen = self._counter("choices", "Calls by configuration", "stage", "configuration")
        self._nothing = Counter("nothing", "Where there is nothing to count", registry=None)
        self._tokens = self._counter("tokens", "Read and written", "model", "kind")
        self._dollars = self._counter("cost_usd", "By the prices of the front", "model")
        self._routings = self._counter("routings", "Requests routed, by how it ended", "outcome")
        self._routing_seconds = self._histogram("routing_seconds", "Of one request", FAST)
        self._open = self._histogram("open_configurations", "That a route leaves a request", MANY)
        self._rounds = self._histogram("scheduling_seconds", "Rounds of the scheduler", FAST)

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A gauge that is read when somebody asks."""
        Gauge(f"flowir_{name}", about, registry=self.registry).set_function(value)

    def watch_replica(self, replica: Replica, now: Callable[[], float]) -> None:
        """Gauges of an endpoint."""
        names = (replica.model, replica.endpoint.name)
        self._by_place("in_flight", "Calls under way", names, lambda: len(replica.flights))
        self._by_place(
            "endpoint_alive", "Whether calls are sent there", names, lambda: replica.alive(now())
        )
        self._by_place(
            "slowdown", "Times longer than the profile says", names, lambda: replica.slowdown
        )

    def ended(self, outcome: str, seconds: float) -> None:
        """A run has ended."""
        self._requests.labels(outcome).inc()
        if outcome == "answered":
            self._seconds.observe(seconds)

    def first_piece(self, seconds: float) -> None:
        """A stream has begun."""
        self._first.observe(seconds)

    def routed(self, outcome: str, seconds: float, opened: int | None = None) -> None:
        """A route was asked for: it is there, or late, or failed."""
        self._routings.labels(outcome).inc()
        self._routing_seconds.observe(seconds)
        if opened is not None:
            self._open.observe(opened)

    def round(self, seconds: float) -> None:
        """The scheduler was asked."""
        self._rounds.observe(seconds)

    def call(
        self,
        replica: Replica,
        outcome: str,
        seconds: float,
        stage: str = "",
        configuration: str = "",
    ) -> None:
        """A call has ended; stage and configuration where it was answered."""
        place = self._place(replica, outcome, stage, configuration)
        place.calls.inc()
        if outcome == "answered":
            place.seconds.observe(seconds)
            place.chosen.inc()

    def _place(self, replica: Replica, *more: str) -> _Place:
        """The counters of a call; looking them up takes longer than counting."""
        key = (replica.name, *more)
        found = self._places.get(key)
        if found is None:
            names = (replica.model, replica.endpoint.name)
            outcome, stage, configuration = more
            found = _Place(
                self._calls.labels(*names, outcome),
                self._call_seconds.labels(*names),
                self._chosen.labels(stage, configuration) if stage else self._nothing,
            )
            self._places[key] = found
        return found

    def used(self, model: str, usage: Usage, dollars: float | None) -> None:
        """What a call took."""
        self._tokens.labels(model, "read").inc(usage.input_tokens)
        self._tokens.labels(model, "written").inc(usage.output_tokens)
        if dollars is not None:
            self._dollars.labels(model).inc(dollars)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"flowir_{name}", about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"flowir_{name}", about, labels, registry=self.registry, buckets=buckets)

    def _by_place(
        self, name: str, about: str, names: tuple[str, str], value: Callable[[], float]
    ) -> None:
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = Gauge(f"flowir_{name}", about, ("model", "endpoint"), registry=self.registry)
            self._gauges[name] = gauge
        gauge.labels(*names).set_function(value)
