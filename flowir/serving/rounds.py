"""One round of a scheduler: what the stages of a workflow cost under the load that is seen now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from flowir.serving.forecast import Candidate, EndpointView, Objective, candidate
from flowir.serving.requests import EngineLoad, ReadyCall, ServedWorkflow
from flowir.serving.sets import ConfigurationSet, Node

Done = int
"""Stages that were chosen: a bit for the level of each."""

Queue = tuple[int, float]
"""Calls that wait for an endpoint, and their work in seconds."""


def done_of(workflow: ServedWorkflow, stages: Iterable[str]) -> Done:
    """Of distinct stages."""
    return sum(1 << workflow.level[stage] for stage in stages)


class Round:
    """Costs of calls and of the stages that come after, remembered while the load is the same.

    Costs of later stages are of the load at the beginning of the round, at the end of the queue.

    Args:
        queues: what waits for each endpoint.
    """

    def __init__(
        self, loads: Sequence[EngineLoad], objective: Objective, queues: Mapping[str, Queue]
    ) -> None:
        self.objective = objective
        self.loads = [load for load in loads if load.alive]
        self.views = {
            load.endpoint: EndpointView(load, *queues.get(load.endpoint, (0, 0.0)))
            for load in self.loads
        }
        self._stages: dict[tuple[str, int, int], float] = {}
        self._rests: dict[tuple[str, Node, Done], float] = {}  # done: from the node's level on

    def candidates(self, call: ReadyCall) -> tuple[Candidate, ...]:
        """Every open choice of a call at every endpoint that serves it."""
        workflow = call.request.workflow
        stage = workflow.stages[workflow.level[call.stage]]
        return tuple(
            candidate(load, number, call.input_tokens, choice.output_tokens, choice.usd)
            for number in call.request.open.open(call.stage)
            for choice in (stage.choices[number],)
            for load in self.loads
            if load.model == choice.model
        )

    def stage(self, workflow: ServedWorkflow, level: int, choice: int) -> float:
        """All calls of a stage that is yet to come, at the endpoint that costs least."""
        key = (workflow.name, level, choice)
        found = self._stages.get(key)
        if found is None:
            stage = workflow.stages[level]
            chosen = stage.choices[choice]
            costs = [
                view.cost(
                    candidate(load, choice, stage.input_tokens, chosen.output_tokens, chosen.usd),
                    self.objective,
                    view.queue_s,
                    view.queue,
                )
                for load, view in zip(self.loads, self.views.values(), strict=True)
                if load.model == chosen.model
            ]
            found = self._stages[key] = stage.calls * min(costs, default=math.inf)
        return found

    def rest(self, workflow: ServedWorkflow, kept: ConfigurationSet, done: Done) -> float:
        """Stages that are not done, with the configuration of the set that costs least."""
        return self._rest(workflow, kept.root, 0, done)

    def best(self, workflow: ServedWorkflow, kept: ConfigurationSet, done: Done) -> tuple[int, ...]:
        """That configuration."""
        node = kept.root
        found: list[int] = []
        while node.edges:
            costs = [
                self._own(workflow, len(found), choice, done)
                + self._rest(workflow, child, len(found) + 1, done)
                for choice, child in node.edges
            ]
            choice, node = node.edges[costs.index(min(costs))]
            found.append(choice)
        return tuple(found)

    def _rest(self, workflow: ServedWorkflow, node: Node, level: int, done: Done) -> float:
        # Of one workflow a node is at one level, and what was done before it is nothing to it.
        key = (workflow.name, node, done >> level)
        found = self._rests.get(key)
        if found is None:
            costs = [
                self._own(workflow, level, choice, done)
                + self._rest(workflow, child, level + 1, done)
                for choice, child in node.edges
            ]
            found = self._rests[key] = min(costs, default=0.0)
        return found

    def _own(self, workflow: ServedWorkflow, level: int, choice: int, done: Done) -> float:
        """A choice that a configuration does not reach costs nothing."""
        if choice < 0 or done >> level & 1:
            return 0.0
        return self.stage(workflow, level, choice)
