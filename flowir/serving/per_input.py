"""Per-input routing, the baseline: one configuration for a whole request, chosen once."""

from __future__ import annotations

from collections.abc import Sequence

from flowir.serving.forecast import Objective, delay_cost
from flowir.serving.requests import EngineLoad, Placement, ReadyCall, ServedRequest
from flowir.serving.rounds import done_of
from flowir.serving.sets import ConfigurationSet
from flowir.serving.stagewise import StageWise


class PerInput:
    """Requests are given the open configuration that costs least under the load seen, and keep it.

    Args:
        routing: what it costs: :func:`flowir.serving.forecast.dollars` minds no load.
        late: choose not when the request arrives, but when its first call is placed: until then it
            is scheduled stage-wise.
        objective: of where calls go that have several endpoints.
    """

    def __init__(
        self, routing: Objective, *, late: bool = False, objective: Objective = delay_cost
    ) -> None:
        self._routing = routing
        self._late = late
        self._stages = StageWise(objective)
        self._routed: set[str] = set()

    def place(
        self, ready: Sequence[ReadyCall], loads: Sequence[EngineLoad], now: float
    ) -> list[Placement]:
        """See :meth:`flowir.serving.scheduler.StageScheduler.place`."""
        if not self._late:
            for call in ready:
                self._route(call.request, loads)
        placed = self._stages.place(ready, loads, now)
        if self._late:
            for placement in placed:
                self._route(placement.request, loads)
        return placed

    def forget(self, request: ServedRequest) -> None:
        """Its route."""
        self._routed.discard(request.id)
        self._stages.forget(request)

    def _route(self, request: ServedRequest, loads: Sequence[EngineLoad]) -> None:
        if request.id not in self._routed:
            self._routed.add(request.id)
            seen = self._stages.round(loads)
            seen.objective = self._routing
            chosen = seen.best(
                request.workflow, request.open, done_of(request.workflow, request.chosen)
            )
            request.open = ConfigurationSet.of(request.open.stages, [chosen])
