"""One configuration for every request of a workflow: a point chosen before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowir.serving.requests import EngineLoad, Placement, ReadyCall, ServedRequest


@dataclass
class StaticPoint:
    """Each stage is made with a fixed choice, on the endpoint of its model with most free slots.

    Attributes:
        choices: per workflow, a choice per stage. It need not be in the set of a request: a point
            is chosen before requests are known.
    """

    choices: Mapping[str, Mapping[str, int]]

    def place(
        self, ready: Sequence[ReadyCall], loads: Sequence[EngineLoad], now: float
    ) -> list[Placement]:
        """First come, first served, per model."""
        free = {load.endpoint: load.free for load in loads}
        serving: dict[str, list[str]] = {}
        for load in loads:
            if load.alive:
                serving.setdefault(load.model, []).append(load.endpoint)
        placed = []
        for call in sorted(ready, key=lambda call: call.order):
            request = call.request
            level = request.workflow.level[call.stage]
            choice = self.choices[request.workflow.name][call.stage]
            model = request.workflow.stages[level].choices[choice].model
            endpoint = max(serving.get(model, ()), key=free.__getitem__, default=None)
            if endpoint is None or not free[endpoint]:
                continue
            free[endpoint] -= 1
            request.chosen[call.stage] = choice
            placed.append(Placement(call, choice, endpoint))
        return placed

    def forget(self, request: ServedRequest) -> None:
        """It keeps nothing of requests."""
