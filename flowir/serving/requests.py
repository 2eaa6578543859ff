"""What a scheduler may see: requests, what is expected of their stages, and the load of endpoints.

Never true output lengths: `output_tokens` are expectations, made before the request came.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from flowir.engines.engine import LanguageModelEngine
from flowir.errors import ServingError
from flowir.serving.sets import ConfigurationSet


@dataclass(frozen=True)
class Choice:
    """One configuration of a stage.

    Attributes:
        model: which endpoints serve it.
        output_tokens: expected of one call.
        usd: expected US dollars of one call.
    """

    model: str
    output_tokens: float
    usd: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One decision of a workflow; all its calls are made with one choice.

    Attributes:
        after: stages whose output its calls read.
        choices: in the order of the decision's configurations.
        input_tokens: expected of one call.
        calls: calls of a run, expected.
    """

    name: str
    choices: tuple[Choice, ...]
    after: tuple[str, ...] = ()
    input_tokens: float = 0.0
    calls: float = 1.0


@dataclass(frozen=True)
class ServedWorkflow:
    """A compiled workflow as schedulers know it.

    Attributes:
        stages: in topological order.
    """

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for stage in self.stages:
            if unknown := [name for name in stage.after if name not in seen]:
                raise ServingError(
                    f"{self.name}: {stage.name} comes after {unknown[0]}, which is no stage "
                    "before it; list stages in topological order"
                )
            seen.add(stage.name)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the stages."""
        return tuple(stage.name for stage in self.stages)

    @cached_property
    def level(self) -> Mapping[str, int]:
        """Where each stage stands in topological order."""
        return {stage.name: number for number, stage in enumerate(self.stages)}

    @cached_property
    def to_leaf(self) -> tuple[int, ...]:
        """Per stage, stages on the longest path from it to an end, itself included."""
        found: dict[str, int] = {}
        for stage in reversed(self.stages):
            later = [found[s.name] for s in self.stages if stage.name in s.after]
            found[stage.name] = 1 + max(later, default=0)
        return tuple(found[stage.name] for stage in self.stages)

    def every(self) -> ConfigurationSet:
        """All combinations of choices."""
        return ConfigurationSet.product(
            {stage.name: range(len(stage.choices)) for stage in self.stages}
        )


@dataclass(eq=False)
class ServedRequest:
    """One run of a workflow on its way.

    Attributes:
        number: order of arrival; first come, first served goes by it.
        arrival, deadline: seconds on the scheduler's clock.
        budget_usd, spent_usd: US dollars it may cost, and those it has.
        open: configurations still open. Calls that run side by side share it.
        chosen: choice per stage that was placed.
        ended: how many calls of each stage have ended.
    """

    id: str
    number: int
    workflow: ServedWorkflow
    open: ConfigurationSet
    arrival: float
    deadline: float = math.inf
    budget_usd: float = math.inf
    spent_usd: float = 0.0
    chosen: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def choose(self, stage: str, choice: int) -> None:
        """A call of the stage was placed with this choice; other configurations are closed.

        Raises:
            ServingError: the choice is not open.
        """
        if self.chosen.get(stage) != choice:
            self.open = self.open.restrict(stage, choice)
            self.chosen[stage] = choice


CallKey = tuple[str, str, int]
"""The request, the stage, and which of its calls."""


@dataclass(frozen=True)
class ReadyCall:
    """A call whose inputs are there.

    Attributes:
        stage: which of the request's decisions it belongs to.
        input_tokens: it will read.
        since: when it became ready, seconds.
        call: which of the stage's calls.
    """

    request: ServedRequest
    stage: str
    input_tokens: float
    since: float
    call: int = 0

    @cached_property
    def key(self) -> CallKey:
        """Names the call."""
        return self.request.id, self.stage, self.call

    @cached_property
    def order(self) -> tuple[int, int, int, int]:
        """First come, first served; of one request, what has most after it."""
        level = self.request.workflow.level[self.stage]
        return self.request.number, -self.request.workflow.to_leaf[level], level, self.call


@dataclass(frozen=True)
class EngineLoad:
    """What is known of one endpoint.

    Attributes:
        endpoint: its name.
        model: that it serves.
        engine: its profile.
        decoding, prefilling: requests in flight.
        context_tokens: of all requests that are decoding, together.
        prefill_tokens: still to be read by those that are not.
        waiting: calls that were sent and have no slot yet.
        slowdown: how many times longer than its profile says it takes, as observed.
        alive: whether calls may be sent.
    """

    endpoint: str
    model: str
    engine: LanguageModelEngine
    decoding: int = 0
    prefilling: int = 0
    context_tokens: float = 0.0
    prefill_tokens: float = 0.0
    waiting: int = 0
    slowdown: float = 1.0
    alive: bool = True

    @property
    def active(self) -> int:
        """Requests that hold a slot."""
        return self.decoding + self.prefilling

    @property
    def free(self) -> int:
        """Slots that a call sent now would get at once."""
        return max(0, self.engine.slots - self.active - self.waiting) if self.alive else 0


@dataclass(frozen=True)
class Placement:
    """A call is to be sent, with a choice, to an endpoint."""

    call: ReadyCall
    choice: int
    endpoint: str

    @property
    def request(self) -> ServedRequest:
        return self.call.request

    @property
    def stage(self) -> str:
        return self.call.stage
